/** Defect 7: with several workers, ledger order was lost. */
import { expect, test } from "bun:test";
import { Lake } from "../../src/sources/lake/lake.ts";
import { RepeatingSource } from "../../src/sources/repeating.ts";
import { buildLedger, created, scU32 } from "../ledger/build.ts";
import { SAMPLE } from "../support/processor.ts";
import { cellsOf, expectRows, MadeSource, sampleRows, TestServer } from "./support.ts";

const WORKERS = [1, 2, 3, 5];

test("rows leave in ledger order, then in apply order: the same bytes for any number of workers", async () => {
  const expected = sampleRows(2000, 2139);
  const texts = new Set<string>();
  for (const workers of WORKERS) {
    const source = await RepeatingSource.open(SAMPLE.folder);
    // spans of a few ledgers each
    await using server = await TestServer.start(source, { WORKER_COUNT: `${workers}`, FLUSH_INTERVAL: "1ms" });
    const id = await server.startSession(2000, 2139, 100);
    const reader = await server.read({ session: id }).rest();
    expectRows(reader, expected);
    // all 18 columns, also the one that the oracle does not have
    texts.add(reader.batches.flatMap(({ table }) => cellsOf(table).map((cells) => cells.join("\t"))).join("\n"));
  }
  expect(texts.size).toBe(1);
});

test("so they do when heavy ledgers and empty ones come one after the other", async () => {
  // Spans of a ledger or two: a flush interval of 1 ms, and ledgers that take as long to make.
  const rowsOf = (sequence: number) => (sequence % 7 === 0 ? 1000 : sequence % 3);
  const source = new MadeSource((sequence) => {
    for (const until = performance.now() + 1; performance.now() < until; ) {}
    const data = Array.from({ length: rowsOf(sequence) }, (_, key) => created({ key: scU32(key) }));
    return buildLedger({ sequence, transactions: [{ operations: [data] }] });
  });
  const expected = Array.from({ length: 84 }, (_, i) => Array<number>(rowsOf(i + 1)).fill(i + 1)).flat();
  for (const workers of WORKERS) {
    await using server = await TestServer.start(source, { WORKER_COUNT: `${workers}`, FLUSH_INTERVAL: "1ms" });
    const session = await server.startSession(1, 84);
    const reader = await server.read({ session }).rest();
    const sequences = reader.batches.flatMap(({ table }) => [...table.getChild("ledger_sequence")!]) as number[];
    expect(sequences).toEqual(expected);
  }
});

test("so they do from a lake", async () => {
  await using server = await TestServer.start(await Lake.open(SAMPLE.folder), { WORKER_COUNT: "3" });
  const session = await server.startSession(SAMPLE.first, SAMPLE.last, 7);
  expectRows(await server.read({ session }).rest(), sampleRows(SAMPLE.first, SAMPLE.last));
});
