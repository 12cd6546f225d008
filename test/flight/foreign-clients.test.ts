/** Clients beside pyarrow's and Go's: Java, DuckDB on what pyarrow got, and a driver of another protocol. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { javaClient, pythonInterpreter, runClient } from "../clients/toolchain.ts";
import { clientLine, readGolden, withoutExpiration } from "../support/goldens.ts";
import { type Processor, ROOT, SAMPLE, startProcessor } from "../support/processor.ts";

const WHOLE = { start_ledger: SAMPLE.first, end_ledger: SAMPLE.last, filters: { include_deleted: true } };
const golden = readGolden(join(ROOT, "sample", "lake.tsv"));
const java = await javaClient();
const python = await pythonInterpreter();
for (const { missing } of [java, python]) if (missing !== undefined) console.warn(`skipped: ${missing}`);

let processor: Processor;
const scratch = mkdtempSync(join(tmpdir(), "contract-data-foreign-"));
beforeAll(async () => {
  processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`, "--worker-count=2"]);
});
afterAll(async () => {
  rmSync(scratch, { recursive: true, force: true });
  expect(await processor.stop()).toBe(0);
});

describe.skipIf(java.command === undefined)("the Java client", () => {
  for (const compression of ["none", "lz4", "zstd"]) {
    test(`gets the oracle's rows, compression ${compression}`, async () => {
      const file = join(scratch, `java-${compression}.txt`);
      const ticket = JSON.stringify({ ...WHOLE, compression, batch_size: 50 });
      const run = await runClient({ command: java.command! }, [
        ...["get", "-addr", processor.flight, "-ticket", ticket, "-rows-out", file],
      ]);
      expect(run.results[0]?.error, run.stderr).toBeUndefined();
      expect(withoutExpiration(readFileSync(file, "utf8"))).toEqual(golden.map(clientLine));
      expect(JSON.parse(run.results[0]!.lastAppMetadata).ledger_complete).toBe(SAMPLE.last);
    });
  }

  test("reads schema version 2 with its dictionaries, and every endpoint of a descriptor", async () => {
    const command = JSON.stringify({ ...WHOLE, schema_version: 2, compression: "zstd", partitions: 3 });
    const run = await runClient({ command: java.command! }, ["get", "-addr", processor.flight, "-cmd", command]);
    expect(run.results[0]?.error, run.stderr).toBeUndefined();
    expect(run.results[0]!.rows).toBe(SAMPLE.rows);
  });

  test("is told what is wrong", async () => {
    const run = await runClient({ command: java.command! }, ["get", "-addr", processor.flight, "-ticket", "nonsense"]);
    expect(run.results[0]!.error!.code).toBe("INVALID_ARGUMENT");
  });
});

describe.skipIf(python.command === undefined)("DuckDB", () => {
  const ask = async (ticket: object, sql: string) => {
    const script = join(ROOT, "test", "clients", "python", "duckdb_check.py");
    const args = [script, processor.flight, JSON.stringify(ticket), sql];
    const run = await runClient<{ answer: string[][] }>({ command: python.command! }, args);
    expect(run.exitCode, run.stderr).toBe(0);
    return run.results[0]!.answer;
  };

  for (const compression of ["none", "lz4", "zstd"]) {
    test(`reads both schema versions as pyarrow got them, compression ${compression}`, async () => {
      const contracts = new Set(golden.map((row) => row[6]));
      const deleted = golden.filter((row) => row[16] === "true").length;
      const [[count, distinct, removed]] = (await ask(
        { ...WHOLE, compression },
        "select count(*), count(distinct contract_id), count(*) filter (deleted) from rows",
      )) as [[string, string, string]];
      expect([Number(count), Number(distinct), Number(removed)]).toEqual([SAMPLE.rows, contracts.size, deleted]);
      const changes = await ask(
        {
          ...WHOLE,
          compression,
          schema_version: 2,
          columns: ["change_type", "balance"],
          dictionaries: compression !== "lz4",
        },
        "select change_type, count(*) from rows group by all order by 1",
      );
      expect(changes.reduce((all, [, each]) => all + Number(each), 0)).toBe(SAMPLE.rows);
      expect(changes.map(([type]) => type)).toContain("updated");
    });
  }
});

test.skipIf(python.command === undefined)("ADBC's Flight SQL driver fails with a sentence", async () => {
  const script = join(ROOT, "test", "clients", "python", "adbc_check.py");
  type Outcome = { failed: boolean; message: string };
  const run = await runClient<Outcome>({ command: python.command! }, [script, processor.flight]);
  expect(run.exitCode, run.stderr).toBe(0);
  const outcome = run.results[0]!;
  expect(outcome.failed).toBe(true);
  expect(outcome.message).toContain("CommandStatementQuery: this is no Flight SQL server and answers no queries");
});
