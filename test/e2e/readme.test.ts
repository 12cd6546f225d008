/** The README's commands run as they are printed, but for the ports, which tests must not fix. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pythonClient } from "../clients/toolchain.ts";
import { BUILD_MS_MAX, canHaveGrpcurl, grpcurlPath } from "../support/grpcurl.ts";
import { type Processor, ROOT, SAMPLE, startProcessor } from "../support/processor.ts";

const readme = readFileSync(join(ROOT, "README.md"), "utf8");
const blocks = [...readme.matchAll(/```(\w+)\n([\s\S]*?)```/g)]
  .map(([, language, code]) => ({ language: language!, code: code! }))
  .filter(({ language }) => language !== "console"); // test/docs/captured.test.ts
const scratch = mkdtempSync(join(tmpdir(), "contract-data-readme-"));

/** The block that holds this text. */
function block(text: string): string {
  const found = blocks.filter(({ code }) => code.includes(text));
  expect(found.length, `blocks with ${JSON.stringify(text)}`).toBe(1);
  return found[0]!.code;
}

let processor: Processor;

beforeAll(async () => {
  const serve = /^serve:.*\n((?:\t.*\n)+)/m.exec(readFileSync(join(ROOT, "Makefile"), "utf8"))![1]!;
  expect(serve).toContain(`--start-ledger ${SAMPLE.first} --end-ledger ${SAMPLE.last}`);
  processor = await startProcessor([
    `--source-endpoint=${SAMPLE.folder}`,
    `--start-ledger=${SAMPLE.first}`,
    `--end-ledger=${SAMPLE.last}`,
  ]);
});

afterAll(async () => {
  rmSync(scratch, { recursive: true, force: true });
  expect(await processor.stop()).toBe(0);
});

async function shell(code: string): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const withPorts = code
    .replaceAll("127.0.0.1:50054", processor.control)
    .replaceAll("127.0.0.1:8816", processor.flight)
    .replaceAll("> rows.arrows", `> ${join(scratch, "rows.arrows")}`);
  // Under `make test` the README's make would be one inside another, and print so.
  const { MAKELEVEL: _level, MAKEFLAGS: _flags, MFLAGS: _old, ...env } = process.env;
  const child = Bun.spawn(["sh", "-ec", `${block("export PATH=")}\n${withPorts}`], {
    cwd: ROOT,
    env: {
      ...env,
      CI: "",
      PATH: `${scratch}:${process.env.PATH}`,
      GRPC_ADDRESS: processor.control,
      FLIGHT_ADDRESS: processor.flight,
    },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { exitCode, stdout, stderr };
}

describe("README", () => {
  test("make run prints rows and ends with the line of totals", async () => {
    const run = await shell(block("make run"));
    expect(run.exitCode, run.stderr).toBe(0);
    expect(run.stdout).toContain("contract");
    expect(run.stdout.trimEnd().split("\n").at(-1)).toMatch(/^7 ledgers, 311 rows, [\d.]+ s, [\d.]+ MB\/s of XDR$/);
  });

  test("make test is the command that CI runs", () => {
    expect(block("make test").trim()).toBe("make test");
    expect(readFileSync(join(ROOT, ".ci", "run"), "utf8")).toMatch(/make .*test$/m);
  });

  test("make serve prints a snippet that works when it is pasted", async () => {
    const python = await pythonClient();
    if (python.command === undefined) return console.warn(`skipped: ${python.missing}`);
    const output = processor.output();
    const snippet = output.slice(output.indexOf("import pyarrow"));
    const child = Bun.spawn([python.command[0]!, "-c", snippet], { stdout: "pipe", stderr: "pipe" });
    expect(await new Response(child.stdout).text()).toMatch(/^299 rows {"session"/);
    expect(await child.exited).toBe(0);
  });

  test("the Python snippet", async () => {
    const python = await pythonClient();
    if (python.command === undefined) return console.warn(`skipped: ${python.missing}`);
    const code = block("pa.concat_tables(").replaceAll("127.0.0.1:8816", processor.flight);
    const child = Bun.spawn([python.command[0]!, "-c", code], { stdout: "pipe", stderr: "pipe" });
    const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    expect(await child.exited, stderr).toBe(0);
    expect(stdout).toBe(
      "299 rows\n[{'ledger_sequence': 58752000, 'balance_holder': 'CADEI2QDCVK6GX3BIVUYQJSEA6GNXUGZ4QNN62QJAWPJRSIBW6MLDYRZ', 'balance': 4002027568}]\n",
    );
  });

  test("the Python snippet of a range in schema version 2", async () => {
    const python = await pythonClient();
    if (python.command === undefined) return console.warn(`skipped: ${python.missing}`);
    const code = block('"schema_version": 2').replaceAll("127.0.0.1:8816", processor.flight);
    const child = Bun.spawn([python.command[0]!, "-c", code], { stdout: "pipe", stderr: "pipe" });
    const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    expect(await child.exited, stderr).toBe(0);
    expect(stdout).toStartWith("KALE 4002027568 CADEI2QDCVK6GX3BIVUYQJSEA6GNXUGZ4QNN62QJAWPJRSIBW6MLDYRZ\n");
    expect(stdout).toContain('{"vec":[{"symbol":"Balance"},{"address":"CADEI2');
  });

  test("a session with partitions, read by Python on several threads", async () => {
    const python = await pythonClient();
    if (python.command === undefined) return console.warn(`skipped: ${python.missing}`);
    const started = await shell(block("--partitions 4"));
    expect(started.exitCode, started.stderr).toBe(0);
    const code = block("pool.map(read, info.endpoints)").replaceAll("127.0.0.1:8816", processor.flight);
    const child = Bun.spawn([python.command[0]!, "-c", code], { stdout: "pipe", stderr: "pipe" });
    const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    expect(await child.exited, stderr).toBe(0);
    const parts = JSON.parse(stdout) as number[];
    expect([parts.length, parts.reduce((all, rows) => all + rows, 0)]).toEqual([4, 299]);
    const session = started.stdout.trim();
    const tailed = await shell(`contract-data-processor tail --session ${session} --partition 0 --from start`);
    expect(tailed.exitCode, tailed.stderr).toBe(0);
    expect(tailed.stderr).toContain(`${parts[0]} rows`);
    const wrong = await shell(`contract-data-processor tail --session ${session} --partition 4`);
    expect(wrong.exitCode).not.toBe(0);
    expect(wrong.stderr).toContain("the session has 4 of them");
  });

  test("no snippet reads one endpoint of several", () => {
    const texts = [
      readme,
      ...["flight.md", "operations.md"].map((page) => readFileSync(join(ROOT, "docs", page), "utf8")),
    ];
    texts.push(
      ...["cli/serve.ts", "ops/console/session.js", "ops/console/client.js"].map((file) =>
        readFileSync(join(ROOT, "src", file), "utf8"),
      ),
    );
    for (const text of texts) expect(text).not.toMatch(/endpoints?\[\d\]/);
  });

  test("start and tail", async () => {
    const run = await shell(block("contract-data-processor tail"));
    expect(run.exitCode, run.stderr).toBe(0);
    const lines = run.stdout.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(lines.filter((line) => line.startsWith("{")).length).toBe(299);
  });

  test("a SQLite sink, and what it has kept", async () => {
    const sink = block("sink sqlite").replaceAll("rows.db", join(scratch, "rows.db"));
    for (const rows of [311, 0]) {
      const run = await shell(sink);
      expect(run.exitCode, run.stderr).toBe(0);
      expect(run.stdout).toStartWith(`${rows} rows of ledgers 58751994-58752000 committed`);
    }
    const python = await pythonClient();
    if (python.command === undefined) return console.warn(`skipped: ${python.missing}`);
    const code = block("sqlite3.connect");
    const child = Bun.spawn([python.command[0]!, "-c", code], { cwd: scratch, stdout: "pipe", stderr: "pipe" });
    const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    expect(await child.exited, stderr).toBe(0);
    expect(stdout).toStartWith("(311, 58752000)\n[('C");
  });

  test("an export of Parquet files, the same at the second time", async () => {
    const code = block("export parquet").replace("--to rows", `--to ${join(scratch, "rows")}`);
    for (const written of [1, 0]) {
      const run = await shell(code);
      expect(run.exitCode, run.stderr).toBe(0);
      expect(run.stdout).toContain(`311 rows in 1 chunk, ${written} written now`);
    }
  });

  test(
    "grpcurl without proto files",
    async () => {
      if (!canHaveGrpcurl()) return;
      symlinkSync(grpcurlPath(), join(scratch, "grpcurl"));
      const run = await shell(block("grpcurl"));
      expect(run.exitCode, run.stderr).toBe(0);
      expect(JSON.parse(run.stdout)).toMatchObject({ success: true });
    },
    BUILD_MS_MAX,
  );

  test("decode", async () => {
    const run = await shell(block("decode sample/lake --format arrow"));
    expect(run.exitCode, run.stderr).toBe(0);
    expect(run.stdout).toContain("311 rows");
    expect(run.stdout).toContain("1000 rows");
    expect(run.stdout).toContain(readFileSync(join(ROOT, "sample", "lake.tsv"), "utf8"));
    expect(existsSync(join(scratch, "rows.arrows"))).toBe(true);
  });

  test("every shell block is tested, here, in binary.test.ts or in test/library", () => {
    const tested = ["make run", "make test", "make serve", "make build", "tail", "grpcurl", "decode sample/lake"];
    tested.push(".cache/ledger.xdr", "npm pack"); // test/library
    tested.push("--partitions 4", "sink sqlite", "export parquet");
    tested.push("make library"); // test/library
    tested.push("export PATH="); // in front of all others
    for (const { language, code } of blocks) {
      if (language === "sh")
        expect(
          tested.some((text) => code.includes(text)),
          code,
        ).toBe(true);
    }
  });

  test("the links lead somewhere", () => {
    for (const [, target] of readme.matchAll(/\]\((?!https?:)([^)#]+)/g)) {
      expect(existsSync(join(ROOT, target!)), target).toBe(true);
    }
  });
});
