/** A lake file that holds other ledgers than its name says: the same error in sessions, ranges and decode. */
import { afterAll, describe, expect, test } from "bun:test";
import { zstdCompressSync } from "bun";
import { COMMANDS } from "../../src/main.ts";
import { headerSequence } from "../../src/sources/file/header-offsets.ts";
import { openLedgerInput } from "../../src/sources/file/ledger-file.ts";
import { Lake } from "../../src/sources/lake/lake.ts";
import { lakeKey } from "../../src/sources/lake/lake-layout.ts";
import { cli } from "../cli/harness.ts";
import { batchOf, TemporaryLake, tinyLedger } from "../sources/lake-fixture.ts";
import { failureOf } from "../support/failure.ts";
import { type LocalServer, localServer } from "../support/local-server.ts";
import { until } from "../support/until.ts";

const LAYOUT = { ledgersPerBatch: 8, batchesPerPartition: 10, extension: "zst" } as const;
const NETWORK = ["--network-passphrase", "test"];
const open: Array<() => unknown> = [];
afterAll(async () => {
  for (const close of open.reverse()) await close();
});

/** Three files of 8 ledgers from `first` on; the middle one holds `middle`. */
function lakeWith(first: number, middle: Uint8Array): TemporaryLake {
  const lake = new TemporaryLake(LAYOUT);
  open.push(() => lake[Symbol.dispose]());
  for (const begin of [first, first + 8, first + 16]) {
    const batch = begin === first + 8 ? middle : batchOf(begin, begin + 7);
    lake.write(lakeKey(LAYOUT, begin), new Uint8Array(zstdCompressSync(batch as Uint8Array<ArrayBuffer>)));
  }
  return lake;
}

async function serverOver(lake: TemporaryLake): Promise<LocalServer> {
  const source = await Lake.open(lake.folder);
  const server = await localServer(source);
  open.push(
    () => source.close(),
    () => server.close(),
  );
  return server;
}

async function rangeError(server: LocalServer, start: number, end: number): Promise<string> {
  const ticket = Buffer.from(JSON.stringify({ start_ledger: start, end_ledger: end }));
  const read = async () => {
    for await (const _ of server.flight.doGet(ticket));
  };
  return (await failureOf(read())).message;
}

describe.each([
  ["begins late", batchOf(811, 815), "LEDGER_MISSING", "ledgers 808 to 810 are missing in it"],
  ["ends early", batchOf(808, 813), "LEDGER_MISSING", "ledgers 814 to 815 are missing in it"],
  ["holds more than its name says", batchOf(808, 820), "LEDGER_OUT_OF_STEP", "named for ledgers 808 to 815 and holds"],
  [
    "holds a ledger twice",
    batchOf(808, 815, (sequence) => tinyLedger(sequence === 811 ? 810 : sequence)),
    "LEDGER_OUT_OF_STEP",
    "ledger 810 stands at byte 1248, where 811 should",
  ],
  [
    "counts other ledgers than its range",
    new Uint8Array([...batchOf(808, 815).subarray(0, 8), 0, 0, 0, 7, ...batchOf(808, 815).subarray(12)]),
    "BATCH_HEAD",
    "a batch of ledgers 808 to 815 that counts 7",
  ],
  [
    "goes on behind its last ledger",
    new Uint8Array([...batchOf(808, 815), 0, 0, 0, 0]),
    "XDR_TRAILING_BYTES",
    "LedgerCloseMeta at byte 412",
  ],
] as const)("a file that %s", (_what, middle, reason, sentence) => {
  test("ends a session, a range and decode with one error", async () => {
    const lake = lakeWith(800, middle);
    const { code, err } = await cli(["decode", lake.folder, ...NETWORK], COMMANDS);
    expect([code, err]).toEqual([1, expect.stringContaining(sentence)]);
    const server = await serverOver(lake);
    const { sessionId } = await server.control.startProcessing({ startLedger: 800, endLedger: 823 });
    await until(async () => (await server.control.getStatus({ sessionId })).errorReason !== "", "failed");
    const status = await server.control.getStatus({ sessionId });
    expect([status.errorReason, status.errorMessage]).toEqual([reason, expect.stringContaining(sentence)]);
    expect(await rangeError(server, 800, 823)).toContain(sentence);
  });
});

test("a range that asks for none of the missing ledgers is read", async () => {
  const server = await serverOver(lakeWith(800, batchOf(811, 815)));
  const ticket = Buffer.from(JSON.stringify({ start_ledger: 811, end_ledger: 823 }));
  let complete = 0;
  for await (const { metadata } of server.flight.doGet(ticket)) complete = metadata.ledger_complete;
  expect(complete).toBe(823);
});

test("ON_ERROR=skip leaves out the missing ledgers alone, and counts them", async () => {
  const source = await Lake.open(lakeWith(800, batchOf(811, 815)).folder);
  const server = await localServer(source, { "on-error": "skip" });
  open.push(
    () => source.close(),
    () => server.close(),
  );
  const { sessionId } = await server.control.startProcessing({ startLedger: 800, endLedger: 823 });
  await until(async () => (await server.control.getStatus({ sessionId })).status === 4, "stopped");
  const session = server.processor.sessions.get(sessionId);
  expect([session.ledgersSkipped, session.ledgersProcessed + session.ledgersSkipped]).toEqual([3, 24]);
});

test.each([
  [1, ""],
  [2, ""],
  [3, ""],
  [4, "ledger 3 is missing in it"],
  [5, "ledgers 3 to 4 are missing in it"],
])("a network's first file may begin with ledger 1, 2 or 3: %d", async (first, sentence) => {
  const lake = new TemporaryLake(LAYOUT);
  open.push(() => lake[Symbol.dispose]());
  lake.write(lakeKey(LAYOUT, 0), new Uint8Array(zstdCompressSync(batchOf(first, 7))));
  const { code, err } = await cli(["decode", lake.folder, ...NETWORK], COMMANDS);
  expect([code, err]).toEqual(sentence === "" ? [0, ""] : [1, expect.stringContaining(sentence)]);
  const server = await serverOver(lake);
  const { sessionId } = await server.control.startProcessing({ startLedger: 1, endLedger: 7 });
  await until(async () => {
    const { status, errorReason } = await server.control.getStatus({ sessionId });
    return status === 4 || errorReason !== "";
  }, "ended");
  const { errorMessage } = await server.control.getStatus({ sessionId });
  expect(errorMessage).toContain(sentence === "" ? "completed at ledger 7" : sentence);
});

test("decode gives the ledgers before those that are missing, where a network's first ones are absent too", async () => {
  const lake = new TemporaryLake(LAYOUT);
  open.push(() => lake[Symbol.dispose]());
  lake.write(lakeKey(LAYOUT, 0), new Uint8Array(zstdCompressSync(batchOf(2, 5))));
  const given: number[] = [];
  const read = async () => {
    for await (const { path, bytes } of (await openLedgerInput(lake.folder)).ledgers) {
      given.push(headerSequence(path, bytes));
    }
  };
  expect((await failureOf(read())).message).toContain("ledgers 6 to 7 are missing in it");
  expect(given).toEqual([2, 3, 4, 5]);
});
