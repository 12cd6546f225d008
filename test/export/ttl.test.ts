/** Exports of the dataset `ttl`: from a source and from a server the same bytes, whose rows are the oracle's. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { analyticsPython } from "../clients/toolchain.ts";
import { readGolden } from "../support/goldens.ts";
import { type Processor, ROOT, SAMPLE, startProcessor } from "../support/processor.ts";
import { contentOf, exportSample, run, SAMPLE_RANGE } from "./support.ts";

const SCRIPT = join(ROOT, "test", "clients", "python", "parquet_check.py");
const TTL = ["--dataset", "ttl"];
const scratch = mkdtempSync(join(tmpdir(), "export-ttl-"));
const place = (name: string): string => join(scratch, name);
const python = await analyticsPython();
const golden = readGolden(join(ROOT, "test", "fixtures", "ledgers", "sample.ttl.tsv"));
let processor: Processor;

beforeAll(async () => {
  processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`]);
});

afterAll(async () => {
  rmSync(scratch, { recursive: true, force: true });
  expect(await processor.stop()).toBe(0);
});

test("a source's files and a server's are the same, and are proven", async () => {
  const made = await exportSample(place("source"), ...TTL);
  expect([made.code, made.out], made.err).toEqual([0, expect.stringContaining(`${golden.length} rows in 1 chunk`)]);
  const flags = ["--address", processor.flight, ...SAMPLE_RANGE, "--to", place("server")];
  const served = await run("export", "parquet", ...flags, ...TTL);
  expect(served.code, served.err).toBe(0);
  const files = (name: string) => [...contentOf(place(name))].filter(([path]) => path.endsWith(".parquet"));
  expect(files("server")).toEqual(files("source"));
  const verified = await run("export", "verify", "--from", place("source"));
  expect([verified.code, verified.out]).toEqual([0, expect.stringContaining(`${golden.length} rows: complete`)]);
});

test.skipIf(python.missing !== undefined)("pyarrow, DuckDB and Polars read the oracle's rows", async () => {
  await exportSample(place("read"), ...TTL);
  const child = Bun.spawn([...python.command!, SCRIPT, "rows", join(place("read"), "*.parquet")], { stdout: "pipe" });
  const lines = (await new Response(child.stdout).text()).trim().split("\n");
  expect(await child.exited).toBe(0);
  const rows = lines.map((line) => JSON.parse(line) as [string, Record<string, unknown>]);
  const textOf = (value: unknown) => (value === null || value === undefined ? "" : String(value));
  for (const reader of ["duckdb", "polars", "pyarrow"]) {
    const read = rows.filter(([name]) => name === reader).map(([, { closed_at: _, ...row }]) => Object.values(row));
    expect(
      read.map((row) => row.map(textOf)),
      reader,
    ).toEqual(golden.map(([ledger, , ...rest]) => [ledger!, ...rest]));
  }
});

test("what does not go with it is refused, with nothing changed", async () => {
  await exportSample(place("data"));
  const before = contentOf(place("data"));
  for (const [to, flags, says] of [
    ["data", TTL, "its dataset is contract_data, and here ttl is asked for"],
    ["none", [...TTL, "--partition-by", "contract"], "rows of ttl may name no contract"],
    ["none", [...TTL, "--asset-code", "KALE"], "--asset-code is a filter of contract_data"],
  ] as const) {
    const { code, err } = await exportSample(place(to), ...flags);
    expect([code, err]).toEqual([2, expect.stringContaining(says)]);
  }
  expect(contentOf(place("data"))).toEqual(before);
});
