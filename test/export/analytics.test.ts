/** docs/analytics.md as it is printed: a folder, and a real store that speaks S3. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { analyticsPython, storeServer } from "../clients/toolchain.ts";
import { KEY, ObjectStore, PRIVATE } from "../support/object-store.ts";
import { PROGRAM, ROOT, SAMPLE } from "../support/processor.ts";
import { contentOf } from "./support.ts";

const page = readFileSync(join(ROOT, "docs", "analytics.md"), "utf8");
const blocks = [...page.matchAll(/```(sh|python)\n([\s\S]*?)```/g)].map(([, language, code]) => ({
  language,
  code: code!,
}));
const scratch = mkdtempSync(join(tmpdir(), "analytics-"));
const python = await analyticsPython();
const weed = await storeServer();
const missing = python.missing ?? weed.missing;
if (missing !== undefined) console.warn(`skipping docs/analytics.md: ${missing}`);
let store: ObjectStore | undefined;

beforeAll(async () => {
  symlinkSync(join(ROOT, "sample"), join(scratch, "sample"));
  mkdirSync(join(scratch, "bin"));
  const program = join(scratch, "bin", "contract-data-processor");
  writeFileSync(program, `#!/bin/sh\nexec ${PROGRAM.join(" ")} "$@"\n`);
  chmodSync(program, 0o755);
  if (missing === undefined) store = await ObjectStore.start(weed.command![0]!);
});

afterAll(async () => {
  rmSync(scratch, { recursive: true, force: true });
  await store?.stop();
});

/** The block that holds this text, with the bucket that the store has. */
function block(text: string): string {
  const found = blocks.filter(({ code }) => code.includes(text));
  expect(found.length, `blocks with ${JSON.stringify(text)}`).toBe(1);
  return found[0]!.code.replaceAll("s3://bucket", `s3://${PRIVATE}`);
}

async function run(command: string[]): Promise<string> {
  const child = Bun.spawn(command, {
    cwd: scratch,
    env: {
      ...process.env,
      PATH: `${join(scratch, "bin")}:${process.env.PATH}`,
      AWS_ACCESS_KEY_ID: KEY.accessKeyId,
      AWS_SECRET_ACCESS_KEY: KEY.secretAccessKey,
      AWS_ENDPOINT_URL_S3: store?.endpoint ?? "",
      AWS_REGION: "us-east-1",
      AWS_EC2_METADATA_DISABLED: "true",
    },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = [await new Response(child.stdout).text(), await new Response(child.stderr).text()];
  expect(await child.exited, err).toBe(0);
  return out;
}

/** All but the installation, which the tests have done. */
const shell = (text: string) => run(["sh", "-ec", block(text).replace(/^.*pip install.*$/m, "")]);
const script = (text: string) => run([python.command![0]!, "-c", block(text)]);

describe.skipIf(missing !== undefined)("docs/analytics.md", () => {
  test("one contract's history with decoded values in DuckDB, in under ten commands", async () => {
    const commands = blocks
      .slice(0, 2)
      .flatMap(({ language, code }) => (language === "sh" ? code.trim().split("\n") : [code]));
    expect(commands.length).toBeLessThan(10);
    const out = await shell("export verify --from rows");
    expect(out).toContain(
      `${SAMPLE.rows} rows: complete and as they were written, and their ledgers follow each other`,
    );
    expect(await script("select ledger_sequence, change_type")).toMatch(
      /^\[\(58752000, 'updated', '\{"vec":\[\{"symbol":"Balance"\}.*"i128":"4002027568"/,
    );
  });

  test("a bucket has the same bytes, is proven too, and is read by DuckDB", async () => {
    await shell("--to s3://bucket/rows");
    const verify = ["contract-data-processor", "export", "verify"];
    const local = await run([...verify, "--from", "rows", "--format", "json"]);
    const remote = await run([...verify, "--from", `s3://${PRIVATE}/rows`, "--format", "json"]);
    expect(remote).toBe(local); // with the digest of every byte
    expect(await script('dataset("s3://bucket/rows"')).toBe("[('created', 96), ('removed', 12), ('updated', 193)]\n");
    const again = await run(["sh", "-ec", block("--to s3://bucket/rows")]);
    expect(again).toContain("0 written now");
  });

  test("two exporters at once fill one bucket with the same bytes, and no half file", async () => {
    const place = `s3://${PRIVATE}/twice`;
    const range = ["--source", SAMPLE.folder, "--start-ledger", `${SAMPLE.first}`, "--end-ledger", `${SAMPLE.last}`];
    const flags = [...range, "--chunk-ledgers", "1"];
    const exporting = (to: string) => run(["contract-data-processor", "export", "parquet", ...flags, "--to", to]);
    await Promise.all([exporting(place), exporting(place), exporting("once")]);
    const verify = (from: string) =>
      run(["contract-data-processor", "export", "verify", "--from", from, "--format", "json"]);
    expect(await verify(place)).toBe(await verify("once"));
  });

  test("a bucket's file that was changed is found", async () => {
    const [name, bytes] = [...contentOf(join(scratch, "rows"))].find(([file]) => file.endsWith(".parquet"))!;
    await store!.put(`${PRIVATE}/rows/${name}`, new Uint8Array(Buffer.from(bytes, "base64").fill(7, 100, 101)));
    const child = run(["contract-data-processor", "export", "verify", "--from", `s3://${PRIVATE}/rows`]);
    expect(await child.catch((thrown: Error) => thrown.message)).toContain("Received: 1");
  });
});
