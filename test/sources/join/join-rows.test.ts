/** The rows and cursors of a join are those of the folder that has every ledger, wherever the seams are. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { JoinSource } from "../../../src/sources/join/join-source.ts";
import { Lake } from "../../../src/sources/lake/lake.ts";
import type { LedgerSource } from "../../../src/sources/source.ts";
import { readRows } from "../../support/flight-rows.ts";
import { GoSource } from "../../support/go-source.ts";
import { localServer } from "../../support/local-server.ts";
import { PUBNET } from "../../support/networks.ts";
import { startProcessor } from "../../support/processor.ts";
import { randomFrom, seedOf } from "../../support/random.ts";
import { RpcServer } from "../../support/rpc-server.ts";
import { until } from "../../support/until.ts";
import { RawLedgerServer } from "../raw-ledger-service.ts";
import { join, LakeOf, lakeMember, REAL_FIRST, RecordFile, rawMember, realLedgers, rpcMember } from "./join-parts.ts";

const COUNT = 40;
const LAST = REAL_FIRST + COUNT - 1;
const SEAMS = 10;

let ledgers: Map<number, Uint8Array>;
let whole: LakeOf;
let expected: { rows: string[]; cursor: string };
beforeAll(async () => {
  ledgers = await realLedgers(COUNT);
  whole = new LakeOf(ledgers).add(REAL_FIRST, LAST);
  expected = await readAll(await Lake.open(whole.folder));
  expect(expected.rows.length).toBeGreaterThan(1_000);
});
afterAll(() => whole[Symbol.dispose]());

const from = (first: number) => new Map([...ledgers].filter(([sequence]) => sequence >= first));

/** Says of which rows it is, and how many: a difference of thousands of rows tells nobody anything. */
const digest = (rows: readonly string[]) => `${rows.length} rows ${Bun.hash(rows.join("\n"))}`;

/** All rows of a session over the source and its last cursor; and that a range from `middle` has the end of them. */
async function readAll(source: LedgerSource, middle?: number): Promise<{ rows: string[]; cursor: string }> {
  const server = await localServer(source, { "network-passphrase": PUBNET });
  try {
    const address = `127.0.0.1:${server.processor.addresses.flight.port}`;
    const { sessionId } = await server.control.startProcessing({ startLedger: REAL_FIRST, endLedger: LAST });
    const { rows, batches, error } = await readRows(address, { session: sessionId, from: "start" });
    if (error !== undefined) throw error;
    if (middle !== undefined) {
      const range = await readRows(address, { start_ledger: middle, end_ledger: LAST });
      expect([range.error, digest(range.rows)]).toEqual([
        undefined,
        digest(rows.slice(rows.length - range.rows.length)),
      ]);
      const resumed = await readRows(address, { session: sessionId, from: batches[0]!.metadata.cursor });
      expect([resumed.error, digest(resumed.rows)]).toEqual([undefined, digest(rows.slice(batches[0]!.rows))]);
    }
    return { rows, cursor: batches.at(-1)!.metadata.cursor };
  } finally {
    await server.close();
    await source.close();
  }
}

/** The same source at its end, with the session of the server that wrote it gone. */
const withoutSession = (cursor: string) => cursor.replace(/[0-9a-f-]{36}/, "");

test(`by ${SEAMS} seams that a seed picks, to a Go service, an RPC server and another service`, async () => {
  const seed = seedOf();
  const random = randomFrom(seed);
  using records = new RecordFile(ledgers.values());
  using go = await GoSource.start(["-records", records.path, "-first", String(REAL_FIRST)]);
  using raw = await RawLedgerServer.start(async (call) => {
    for (let at = call.startLedger; at <= LAST && !call.cancelled; at++) await call.send(at, ledgers.get(at));
  });
  for (let round = 0; round < SEAMS; round++) {
    const seam = REAL_FIRST + 1 + Math.floor(random() * (COUNT - 2)); // the first ledger that the lake may not have
    const overlap = Math.floor(random() * 20);
    using lake = new LakeOf(ledgers, [1, 8, 16][Math.floor(random() * 3)]).add(REAL_FIRST, seam - 1);
    using rpc = new RpcServer(from(Math.floor((seam - overlap) / 16) * 16), PUBNET);
    const tip = [rawMember(go?.address ?? raw.address), rpcMember(rpc.url), rawMember(raw.address)][round % 3]!;
    const source: JoinSource = await join([lakeMember(lake.folder), tip]);
    const { rows, cursor } = await readAll(source, seam - 1);
    const what = `SEED=${seed}, round ${round}, ${source.description}, seam ${seam}`;
    expect([what, digest(rows), withoutSession(cursor)]).toEqual([
      what,
      digest(expected.rows),
      withoutSession(expected.cursor),
    ]);
  }
}, 240_000);

test("a client that comes late to a live session is given its past from the lake, a tip that has only the newest notwithstanding", async () => {
  const growing = new Map(ledgers);
  for (let ledger = LAST - 3; ledger <= LAST; ledger++) growing.delete(ledger);
  for (let ledger = REAL_FIRST; ledger < LAST - 10; ledger++) growing.delete(ledger);
  using rpc = new RpcServer(growing, PUBNET);
  using lake = new LakeOf(ledgers, 8).add(REAL_FIRST, LAST - 8);
  const source = await join([lakeMember(lake.folder), rpcMember(rpc.url)]);
  const server = await localServer(source, { "network-passphrase": PUBNET, "channel-buffer-size": "2" });
  try {
    const address = `127.0.0.1:${server.processor.addresses.flight.port}`;
    const { sessionId } = await server.control.startProcessing({ startLedger: REAL_FIRST, batchSize: 20 });
    const first = readRows(address, { session: sessionId, from: "start" });
    const at = (ledger: number) => () => server.processor.sessions.get(sessionId).ledgerCurrent >= ledger;
    await until(at(LAST - 4), "the tip is reached");
    const late = readRows(address, { session: sessionId, from: "start" });
    for (let ledger = LAST - 3; ledger <= LAST; ledger++) growing.set(ledger, ledgers.get(ledger)!);
    await until(at(LAST), "the last ledger is reached");
    await until(() => server.processor.sessions.get(sessionId).rowsDelivered >= 2 * expected.rows.length, "both");
    await server.control.stopProcessing({ sessionId }); // which ends both behind their last rows
    for (const { rows } of [await first, await late]) expect(digest(rows)).toBe(digest(expected.rows));
  } finally {
    await server.close();
    await source.close();
  }
}, 120_000);

test("a server process reads a join, and says who is read now", async () => {
  using lake = new LakeOf(ledgers, 8).add(REAL_FIRST, REAL_FIRST + 23);
  using rpc = new RpcServer(from(REAL_FIRST + 12), PUBNET);
  const endpoint = `${lake.folder}|rpc+${rpc.url}`;
  const server = await startProcessor([
    "--source-endpoint",
    endpoint,
    "--start-ledger",
    String(REAL_FIRST),
    "--include-deleted",
  ]);
  try {
    expect(server.output()).toContain(`lake ${lake.folder}, then RPC server 127.0.0.1:`);
    expect(server.output()).toContain(PUBNET);
    const health = async (): Promise<string> => {
      const answer = await fetch(`http://${server.http}/health`);
      return ((await answer.json()) as { components: { source: { message: string } } }).components.source.message;
    };
    await until(async () => (await health()).includes("; 1 read of RPC server"), "the RPC server is read");
    const { rows, error } = await readRows(server.flight, { start_ledger: REAL_FIRST, end_ledger: LAST });
    expect([error, digest(rows)]).toEqual([undefined, digest(expected.rows)]);
  } finally {
    expect(await server.stop()).toBe(0);
  }
}, 120_000);
