/** The TLS set-up of docs/security.md, run as it is printed, but for the ports. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { goClient, javaClient, pythonInterpreter } from "../clients/toolchain.ts";
import { hasOpenssl } from "../support/certificates.ts";
import { BUILD_MS_MAX, canHaveGrpcurl, grpcurlPath } from "../support/grpcurl.ts";
import { PROGRAM, type Processor, ROOT, startProcessor } from "../support/processor.ts";

const page = readFileSync(join(ROOT, "docs", "security.md"), "utf8");
const scratch = mkdtempSync(join(tmpdir(), "security-page-"));
const ROWS = 299; // of the sample's ledgers, expired ones left out

/** The block that holds this text. */
function block(text: string): string {
  const found = [...page.matchAll(/```\w+\n([\s\S]*?)```/g)]
    .map(([, code]) => code!)
    .filter((code) => code.includes(text));
  expect(found.length, `blocks with ${JSON.stringify(text)}`).toBe(1);
  return found[0]!;
}

describe.skipIf(!hasOpenssl())("docs/security.md", () => {
  let processor: Processor;

  beforeAll(async () => {
    const made = Bun.spawnSync(["sh", "-ec", block("openssl req -x509")], { cwd: scratch });
    expect([made.exitCode, made.exitCode === 0 ? "" : made.stderr.toString()]).toEqual([0, ""]);
    const [, flags] = /contract-data-processor serve ([\s\S]*)/.exec(block("contract-data-processor serve"))!;
    const words = flags!.replaceAll("\\\n", " ").trim().split(/\s+/);
    processor = await startProcessor(
      words.map((word) => (word === "./sample/lake" ? join(ROOT, word) : word)),
      { cwd: scratch },
    );
  }, 60_000);
  afterAll(async () => {
    rmSync(scratch, { recursive: true, force: true });
    expect(await processor.stop()).toBe(0);
  });

  const here = (code: string) =>
    code
      .replaceAll("127.0.0.1:50054", processor.control)
      .replaceAll("127.0.0.1:8816", processor.flight)
      .replaceAll("127.0.0.1:8089", processor.http);
  const output = async (command: string[], env: Record<string, string> = {}) => {
    const child = Bun.spawn(command, { cwd: scratch, env: { ...process.env, ...env }, stdout: "pipe", stderr: "pipe" });
    const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    expect([await child.exited, stderr]).toEqual([0, expect.any(String)]);
    return stdout;
  };

  test(
    "pyarrow",
    async () => {
      const python = await pythonInterpreter();
      if (python.command === undefined) return console.log(`skipped: ${python.missing}`);
      const code = here(block("tls_root_certs"));
      expect(await output([...python.command, "-c", code])).toBe(`${ROWS} rows\n`);
    },
    BUILD_MS_MAX,
  );

  test(
    "Go",
    async () => {
      const go = await goClient();
      if (go.command === undefined) return console.log(`skipped: ${go.missing}`);
      writeFileSync(join(scratch, "main.go"), here(block("package main")));
      const binary = join(scratch, "read");
      const modules = join(ROOT, "test", "clients", "go"); // which has those that the program needs
      await output(["go", "build", "-C", modules, "-o", binary, join(scratch, "main.go")]);
      expect(await output([binary])).toBe(`${ROWS} rows\n`);
    },
    BUILD_MS_MAX,
  );

  test(
    "Java",
    async () => {
      const java = await javaClient();
      if (java.command === undefined) return console.log(`skipped: ${java.missing}`);
      writeFileSync(join(scratch, "Read.java"), here(block("public class Read")));
      expect(await output([...java.command.slice(0, -1), "Read.java"])).toBe(`${ROWS} rows\n`); // its libraries
    },
    BUILD_MS_MAX,
  );

  test(
    "grpcurl, curl and the commands",
    async () => {
      if (!canHaveGrpcurl() || Bun.which("curl") === null) return console.log("skipped: grpcurl or curl");
      const program = `contract-data-processor() { ${PROGRAM.join(" ")} "$@"; }`;
      const grpcurl = `grpcurl() { "${grpcurlPath()}" "$@"; }`;
      const code = here(block("grpcurl -cacert")).replaceAll("contract-data-processor", "program");
      const printed = await output([
        "sh",
        "-ec",
        `${program.replace("contract-data-processor", "program")}\n${grpcurl}\n${code}`,
      ]);
      expect(printed).toContain("contractdata.v1.ControlService");
      expect(printed).toContain('"ready":true');
      expect(printed.split("\n").filter((line) => line.startsWith('{"')).length).toBe(ROWS + 1); // /ready too
    },
    BUILD_MS_MAX,
  );

  test("what Prometheus is told is there", async () => {
    const { scrape_configs } = Bun.YAML.parse(here(block("scrape_configs"))) as {
      scrape_configs: [{ scheme: string; tls_config: Record<string, string>; static_configs: [{ targets: [string] }] }];
    };
    const [{ scheme, tls_config, static_configs }] = scrape_configs;
    const [ca, cert, key] = ["ca_file", "cert_file", "key_file"].map((name) => {
      const file = join(scratch, tls_config[name]!);
      expect(existsSync(file), file).toBe(true);
      return readFileSync(file, "utf8");
    });
    const response = await fetch(`${scheme}://${static_configs[0].targets[0]}/metrics`, { tls: { ca, cert, key } });
    expect(await response.text()).toContain("contract_data_tls_certificate_expiry_timestamp_seconds{");
  });
});
