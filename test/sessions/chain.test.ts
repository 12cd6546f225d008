/** Lakes whose chain of ledgers does not hold, read by sessions, ranges, catch-ups and `decode`. */
import { afterAll, describe, expect, test } from "bun:test";
import type { CodedError } from "../../src/error.ts";
import { ledgerHeader } from "../../src/ledger/header.ts";
import { COMMANDS } from "../../src/main.ts";
import { Lake } from "../../src/sources/lake/lake.ts";
import { type LakeLayout, lakeKey } from "../../src/sources/lake/lake-layout.ts";
import { cli } from "../cli/harness.ts";
import { id, NETWORK } from "../ledger/build.ts";
import { join, lakeMember, rawMember } from "../sources/join/join-parts.ts";
import { batchOf, TemporaryLake } from "../sources/lake-fixture.ts";
import { RawLedgerServer } from "../sources/raw-ledger-service.ts";
import { link } from "../support/chain.ts";
import { chainedLedgers, type LedgerChange } from "../support/chained-ledgers.ts";
import { type LocalServer, type LogLine, localServer } from "../support/local-server.ts";
import { until } from "../support/until.ts";

const [FIRST, LAST] = [104, 135];
const LAYOUTS: LakeLayout[] = [1, 8].map((ledgersPerBatch) => ({
  ledgersPerBatch,
  batchesPerPartition: 64,
  extension: "zst",
}));

const closers: Array<() => unknown> = [];
afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

/** A lake whose chain holds but for what `change` does to a ledger before the next one follows it. */
function lakeOf(layout: LakeLayout, change: LedgerChange): TemporaryLake {
  const made = chainedLedgers(FIRST, LAST, change);
  const lake = new TemporaryLake(layout, { networkPassphrase: NETWORK });
  closers.push(() => lake[Symbol.dispose]());
  const { ledgersPerBatch } = layout;
  for (let first = FIRST; first <= LAST; first += ledgersPerBatch) {
    const content = batchOf(first, first + ledgersPerBatch - 1, (sequence) => made.get(sequence)!);
    lake.write(lakeKey(layout, first), new Uint8Array(Bun.zstdCompressSync(content as Uint8Array<ArrayBuffer>)));
  }
  return lake;
}

async function serverOver(lake: TemporaryLake, flags: Record<string, string> = {}, lines?: LogLine[]) {
  const source = await Lake.open(lake.folder);
  const server = await localServer(source, flags, lines);
  closers.push(
    () => source.close(),
    () => server.close(),
  );
  return server;
}

interface Outcome {
  ledgers: number[];
  error?: { reason: string; message: string };
}

async function read(server: LocalServer, ticket: object): Promise<Outcome> {
  const ledgers: number[] = [];
  try {
    for await (const { table } of server.flight.doGet(Buffer.from(JSON.stringify(ticket)))) {
      for (const row of table) ledgers.push(Number(row.ledger_sequence));
    }
    return { ledgers };
  } catch (thrown) {
    const { reason, message } = thrown as CodedError;
    return { ledgers, error: { reason, message } };
  }
}

async function session(server: LocalServer, endLedger = LAST): Promise<Outcome & { sessionId: string }> {
  const { sessionId } = await server.control.startProcessing({ startLedger: FIRST, endLedger });
  return { ...(await read(server, { session: sessionId, from: "start" })), sessionId };
}

async function decode(lake: TemporaryLake, args: string[] = [], env: Record<string, string> = {}): Promise<Outcome> {
  const flags = ["--format", "ndjson", "--network-passphrase", NETWORK, ...args];
  const { code, out, err } = await cli(["decode", lake.folder, ...flags], COMMANDS, env);
  const lines = out.split("\n").filter((line) => line !== "");
  const ledgers = lines.map((line) => Number(JSON.parse(line).ledger_sequence));
  return code === 0 ? { ledgers } : { ledgers, error: { reason: "", message: err } };
}

const upTo = (last: number, first = FIRST) => Array.from({ length: last - first + 1 }, (_, index) => first + index);

/** From that ledger on, the chain is another one. */
const mixed =
  (at: number): LedgerChange =>
  (sequence, bytes) => {
    if (sequence === at) link(bytes, id(77));
  };
/** A header that was changed after its hash was computed. */
const changed =
  (at: number): LedgerChange =>
  (sequence, bytes) => {
    if (sequence === at) bytes[ledgerHeader(bytes).offsets.closeTime + 7]! ^= 1;
  };

const HASH = /[0-9a-f]{64}/g;

describe.each(LAYOUTS)("$ledgersPerBatch ledgers a file", (layout) => {
  test.each([
    ["the second ledger of another chain", 105, mixed],
    ["a ledger of another chain", 117, mixed],
    ["a ledger of another chain, first of its file", 120, mixed],
    ["a header that was changed", 118, changed],
  ] as const)("%s: rows before it, then CHAIN_BROKEN with both hashes and both objects", async (_what, at, make) => {
    const lake = lakeOf(layout, make(at));
    const server = await serverOver(lake, { "worker-count": "3" });
    const ended = await session(server);
    const range = await read(server, { start_ledger: FIRST, end_ledger: LAST });
    const decoded = await decode(lake);
    for (const { ledgers, error } of [ended, range, decoded]) {
      expect(ledgers).toEqual(upTo(at - 1));
      const message = error!.message;
      expect(message).toContain(`ledger ${at}: ${lake.pathOf(at)}: `);
      expect(message).toContain("VERIFY_CHAIN=off");
      expect(new Set(message.match(HASH)).size).toBe(2);
      if (make !== changed) expect(message).toContain(`and ledger ${at - 1} in ${lake.pathOf(at - 1)} is `);
    }
    expect([ended.error!.reason, range.error!.reason]).toEqual(["CHAIN_BROKEN", "CHAIN_BROKEN"]);
    const status = await server.control.getStatus({ sessionId: ended.sessionId });
    expect([status.currentLedger, status.errorReason]).toEqual([at - 1, "CHAIN_BROKEN"]);
    expect(status.errorMessage).toContain(ended.error!.message);
    // what begins at the break has nothing before it to follow, unless it is its own header that is wrong
    const behind = await read(server, { start_ledger: at, end_ledger: LAST });
    expect(behind.ledgers).toEqual(make === changed ? [] : upTo(LAST, at));
  });

  test("VERIFY_CHAIN=off reads it as it comes", async () => {
    const lake = lakeOf(layout, mixed(117));
    const server = await serverOver(lake, { "verify-chain": "off" });
    const all = { ledgers: upTo(LAST) };
    expect(await session(server)).toMatchObject(all);
    expect(await read(server, { start_ledger: FIRST, end_ledger: LAST })).toEqual(all);
    expect(await decode(lake, ["--verify-chain", "off"])).toEqual(all);
    expect(await decode(lake, [], { VERIFY_CHAIN: "off" })).toEqual(all);
    const wrong = await decode(lake, [], { VERIFY_CHAIN: "no" });
    expect(wrong.error!.message).toContain('VERIFY_CHAIN is "no": one of on, off is accepted');
  });

  test("a continuous session does not wait for it to mend", async () => {
    const server = await serverOver(lakeOf(layout, mixed(117)));
    const { ledgers, error, sessionId } = await session(server, 0);
    expect([ledgers, error!.reason]).toEqual([upTo(116), "CHAIN_BROKEN"]);
    const { state } = await until(() => {
      const found = server.processor.sessions.get(sessionId);
      return found.state === "ERROR" && found;
    }, "in state ERROR");
    expect(state).toBe("ERROR");
  });

  test("clients that catch up and partitions are told too", async () => {
    const server = await serverOver(lakeOf(layout, mixed(117)), { "channel-buffer-size": "1", "batch-size": "1" });
    const start = { startLedger: FIRST, endLedger: LAST, partitions: 2 };
    const { sessionId } = await server.control.startProcessing(start);
    const of = (index: number) => read(server, { session: sessionId, shard: { index, count: 2 }, from: "start" });
    const parts = await Promise.all([0, 1].map(of));
    expect(parts.flatMap(({ ledgers }) => ledgers).sort()).toEqual(upTo(116));
    expect(parts.map(({ error }) => error!.reason)).toEqual(["CHAIN_BROKEN", "CHAIN_BROKEN"]);
    expect(await of(0)).toEqual(parts[0]!); // from the source again
  });

  test("a session whose filters select no row ends at it as well", async () => {
    const server = await serverOver(lakeOf(layout, mixed(117)), { "filter-key-types": "Vec" });
    expect(await session(server)).toMatchObject({ ledgers: [], error: { reason: "CHAIN_BROKEN" } });
  });
});

test("ON_ERROR=skip leaves no break out, and says where the check begins anew", async () => {
  const lines: LogLine[] = [];
  const [layout] = LAYOUTS as [LakeLayout];
  const lake = lakeOf(layout, mixed(117));
  lake.write(lakeKey(layout, 110), new TextEncoder().encode("not a ledger"));
  const server = await serverOver(lake, { "on-error": "skip" }, lines);
  const { ledgers, error, sessionId } = await session(server);
  expect(ledgers).toEqual([...upTo(109), ...upTo(116, 111)]);
  expect(error!.reason).toBe("CHAIN_BROKEN");
  const anew = "the check of the chain begins anew behind it";
  const line = await until(() => lines.find(({ message }) => message === "a ledger was skipped"), "the skip is logged");
  expect(line).toMatchObject({ ledger: 110, why: expect.stringContaining(anew) });
  expect((await server.control.getStatus({ sessionId })).errorMessage).toContain(anew);
});

test("where a join goes from its lake to a tip of another chain", async () => {
  const lake = lakeOf(LAYOUTS[0]!, () => {});
  for (let ledger = 120; ledger <= LAST; ledger++) lake.remove(ledger);
  const ledgers = chainedLedgers(FIRST, LAST, mixed(120));
  using tip = await RawLedgerServer.start(async (call) => {
    for (let at = call.startLedger; at <= LAST && !call.cancelled; at++) await call.send(at, ledgers.get(at));
  });
  const source = await join([lakeMember(lake.folder), rawMember(tip.address)]);
  const server = await localServer(source, { "network-passphrase": NETWORK });
  closers.push(
    () => source.close(),
    () => server.close(),
  );
  const { ledgers: read, error } = await session(server);
  expect([read, error!.reason]).toEqual([upTo(119), "CHAIN_BROKEN"]);
  for (const object of [lake.pathOf(119), tip.address]) expect(error!.message).toContain(object);
});
