/** A lake file of several ledgers that begins late or ends early: the same error in sessions, ranges and decode. */
import { afterAll, describe, expect, test } from "bun:test";
import { zstdCompressSync } from "bun";
import { COMMANDS } from "../../src/main.ts";
import { headerSequence } from "../../src/sources/file/header-offsets.ts";
import { openLedgerInput } from "../../src/sources/file/ledger-file.ts";
import { lakeKey } from "../../src/sources/lake/lake-layout.ts";
import { LocalLake } from "../../src/sources/lake/local-lake.ts";
import { cli } from "../cli/harness.ts";
import { batchOf, TemporaryLake } from "../sources/lake-fixture.ts";
import { failureOf, type LocalServer, localServer, until } from "../support/local-server.ts";

const LAYOUT = { ledgersPerBatch: 8, batchesPerPartition: 10, extension: "zst" } as const;
const NETWORK = ["--network-passphrase", "test"];
const open: Array<() => unknown> = [];
afterAll(async () => {
  for (const close of open.reverse()) await close();
});

/** Three files of 8 ledgers from `first` on; the middle one holds only `from` to `to`. */
function lakeWith(first: number, from: number, to: number): TemporaryLake {
  const lake = new TemporaryLake(LAYOUT);
  open.push(() => lake[Symbol.dispose]());
  for (const begin of [first, first + 8, first + 16]) {
    const [a, b] = begin === first + 8 ? [from, to] : [begin, begin + 7];
    lake.write(lakeKey(LAYOUT, begin), new Uint8Array(zstdCompressSync(batchOf(a, b))));
  }
  return lake;
}

async function serverOver(lake: TemporaryLake): Promise<LocalServer> {
  const source = await LocalLake.open(lake.folder);
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
  ["begins late", 811, 815, "ledgers 808 to 810 are missing in it"],
  ["ends early", 808, 813, "ledgers 814 to 815 are missing in it"],
] as const)("a file that %s", (_what, from, to, sentence) => {
  test("ends a session, a range and decode with LEDGER_MISSING", async () => {
    const lake = lakeWith(800, from, to);
    const { code, err } = await cli(["decode", lake.folder, ...NETWORK], COMMANDS);
    expect([code, err]).toEqual([1, expect.stringContaining(sentence)]);
    const server = await serverOver(lake);
    const { sessionId } = await server.control.startProcessing({ startLedger: 800, endLedger: 823 });
    await until(async () => (await server.control.getStatus({ sessionId })).errorReason !== "", "failed");
    const status = await server.control.getStatus({ sessionId });
    expect([status.errorReason, status.errorMessage]).toEqual(["LEDGER_MISSING", expect.stringContaining(sentence)]);
    expect(await rangeError(server, 800, 823)).toContain(sentence);
  });
});

test("a range that asks for none of the missing ledgers is read", async () => {
  const server = await serverOver(lakeWith(800, 811, 815));
  const ticket = Buffer.from(JSON.stringify({ start_ledger: 811, end_ledger: 823 }));
  let complete = 0;
  for await (const { metadata } of server.flight.doGet(ticket)) complete = metadata.ledger_complete;
  expect(complete).toBe(823);
});

test("ON_ERROR=skip leaves out the missing ledgers alone, and counts them", async () => {
  const source = await LocalLake.open(lakeWith(800, 811, 815).folder);
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

test("a network's first ledgers may be absent from the first file", async () => {
  const lake = new TemporaryLake(LAYOUT);
  open.push(() => lake[Symbol.dispose]());
  lake.write(lakeKey(LAYOUT, 0), new Uint8Array(zstdCompressSync(batchOf(3, 7))));
  const { code, err } = await cli(["decode", lake.folder, ...NETWORK], COMMANDS);
  expect([code, err]).toEqual([0, ""]);
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
