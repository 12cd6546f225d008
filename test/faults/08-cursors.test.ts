/**
 * A cursor means the same rows whatever else has changed since: the filters, INCLUDE_DELETED, COMPAT, the schema version,
 * the partition. What it cannot mean is refused.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectControl } from "../../src/control/client.ts";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import type { DecoderOptions } from "../../src/ledger/decoder-options.ts";
import { RowSet } from "../../src/ledger/row-set.ts";
import { openLedgerInput } from "../../src/sources/file/ledger-file.ts";
import { lakeKey } from "../../src/sources/lake/lake-layout.ts";
import { decodeCursor, encodeCursor } from "../../src/threads/cursor.ts";
import {
  balance,
  buildLedger,
  created,
  id,
  ledgerKey,
  NETWORK,
  removed,
  restored,
  scNonceKey,
  scSymbol,
  scU32,
  state,
} from "../ledger/build.ts";
import { batchOf, SINGLE, TemporaryLake } from "../sources/lake-fixture.ts";
import { flightCalls, readRows } from "../support/flight-rows.ts";
import { type Processor, SAMPLE, startProcessor } from "../support/processor.ts";

const { first: FIRST, last: LAST } = SAMPLE;
const RANGE = { start_ledger: FIRST, end_ledger: LAST, batch_size: 37 };
const KEYS = { schema_version: 2, columns: ["ledger_sequence", "transaction_order", "change_index"] };
const scratch = mkdtempSync(join(tmpdir(), "cursors-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const key = (name: string) => ({ key: scSymbol(name) });
/** Everything that one setting has as rows and another has not, in lists that sorting mixes. */
const MIXED = buildLedger({
  sequence: 100,
  transactions: [
    {
      fee: [created(key("fee"))],
      operations: [
        [restored(key("d")), created(key("c")), restored(key("a")), created(key("b")), created({ key: scNonceKey })],
        [state(key("x")), removed(key("x")), created({ ...balance(id(3), 5n), contract: id(2) })],
      ],
    },
    { fee: [created(key("fee again"))], operations: [[created(key("e"))]] },
  ],
  upgrades: [[created(key("upgrade"))]],
  evicted: [ledgerKey({ key: scNonceKey }), ledgerKey({ key: scU32(6), contract: id(6) })],
});
const OPTIONS: Partial<DecoderOptions>[] = [
  ...[{ schemaVersion: 2 }, { schemaVersion: 1 }, { compat: "go" }, { compat: "go", schemaVersion: 2 }],
  ...[
    { filter: { includeDeleted: false } },
    { filter: { changeTypes: ["removed"] } },
    { filter: { keyTypes: ["Vec"] } },
  ],
  ...[0, 1, 2].map((index) => ({ filter: { shard: { index, count: 3 } } })),
] as Partial<DecoderOptions>[];

/** By place, what the row there is. */
function placesOf(ledger: Uint8Array, options: Partial<DecoderOptions>) {
  const rows = new RowSet();
  const networkPassphrase = NETWORK;
  const summary = new LedgerDecoder({ networkPassphrase, compat: "default", ...options }).decode(ledger, rows);
  const hash = (row: number) => Buffer.from(rows.keyHash.subarray(row * 32, row * 32 + 32)).toString("hex");
  const at = new Map<number, string>();
  for (let row = 0; row < rows.length; row++)
    at.set(rows.place[row]!, `${hash(row)} ${rows.change[row]} ${rows.reason[row]}`);
  return { rows: rows.length, at, places: summary.places };
}

async function sampleLedgers(): Promise<Uint8Array[]> {
  const files = readdirSync(SAMPLE.folder, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(".zst"));
  const ledgers: Uint8Array[] = [];
  for (const file of files) {
    for await (const { bytes } of (await openLedgerInput(join(SAMPLE.folder, file))).ledgers)
      ledgers.push(bytes.slice());
  }
  return ledgers;
}

test("a row's place is the same under every option, and rising", async () => {
  for (const ledger of [MIXED, ...(await sampleLedgers())]) {
    const whole = placesOf(ledger, OPTIONS[0]!);
    if (ledger === MIXED)
      expect([...whole.at.keys()]).toEqual(Array.from({ length: whole.places }, (_, place) => place));
    for (const options of OPTIONS) {
      const { rows, at, places } = placesOf(ledger, options);
      expect(places).toBe(whole.places);
      expect(at.size).toBe(rows);
      expect([...at.keys()]).toEqual([...at.keys()].sort((a, b) => a - b));
      for (const [place, row] of at) expect(whole.at.get(place)).toBe(row);
    }
  }
});

test("old cursors: between ledgers they hold, inside one they are refused with the way on", () => {
  const old = (text: string) => Buffer.from(text).toString("base64url");
  expect(decodeCursor(old("1.2s.0"))).toEqual({ ledger: 100, row: 0 });
  expect(decodeCursor(old("1.2s.0.1.4"))).toEqual({ ledger: 100, row: 0, partition: { index: 1, count: 4 } });
  const begin = encodeCursor({ ledger: 100, row: 0 });
  expect(() => decodeCursor(old("1.2s.5"))).toThrow(expect.objectContaining({ reason: "CURSOR_OLD" }));
  expect(() => decodeCursor(old("1.2s.5"))).toThrow(begin);
});

describe("a server", () => {
  let processor: Processor;
  let control: ReturnType<typeof connectControl>;
  beforeAll(async () => {
    processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`, "--worker-count=2"]);
    control = connectControl(processor.control);
  });
  afterAll(async () => {
    control.close();
    expect(await processor.stop()).toBe(0);
  });
  const read = (ticket: object | string) => readRows(processor.flight, ticket);
  const ticketOf = async (range: object) => {
    const calls = flightCalls(processor.flight);
    const { endpoint } = await calls.getFlightInfo({ type: 2, cmd: Buffer.from(JSON.stringify(range)) });
    calls.close();
    return JSON.parse(Buffer.from(endpoint[0]!.ticket!.ticket).toString()) as object;
  };

  test("ConfigureFilters between two parts of a range: a written ticket has the new rows, GetFlightInfo's the old", async () => {
    const range = { ...RANGE, ...KEYS };
    await control.configureFilters({ includeDeleted: false });
    const before = await read(range);
    const pinned = await ticketOf(range);
    expect(before.rows).toHaveLength(299);
    await control.configureFilters({ includeDeleted: true });
    const after = await read(range);
    expect(after.rows).toHaveLength(SAMPLE.rows);
    const cursors = before.batches.map(({ rows, metadata }) => ({ had: rows, from: metadata.cursor }));
    expect(cursors.filter(({ from }) => decodeCursor(from).row > 0).length).toBeGreaterThan(3);
    for (const { had, from } of cursors) {
      const last = before.rows[had - 1]!;
      const behind = after.rows.slice(after.rows.lastIndexOf(last) + 1);
      expect((await read({ ...range, from })).rows).toEqual(behind);
      expect((await read({ ...pinned, from })).rows).toEqual(before.rows.slice(had));
    }
    await control.configureFilters({ includeDeleted: false });
  });

  test("another schema version, other filters, a shard", async () => {
    const whole = await read({ ...RANGE, filters: { include_deleted: true }, columns: ["ledger_key_hash", "val_xdr"] });
    const { metadata, rows: had } = whole.batches[2]!;
    const from = metadata.cursor;
    expect(decodeCursor(from).row).toBeGreaterThan(0);
    const other = {
      ...RANGE,
      schema_version: 2,
      columns: ["ledger_key_hash"],
      filters: { include_deleted: true },
      from,
    };
    const hashes = whole.rows.slice(had).map((row) => row.split("|")[0]!);
    expect((await read(other)).rows).toEqual(hashes);
    const parts = [0, 1, 2].map((index) => read({ ...other, shard: { index, count: 3 } }));
    const shared = (await Promise.all(parts)).flatMap(({ rows }) => rows);
    expect(shared.sort()).toEqual(hashes.sort());
  });

  test("what is not there is refused; the end of all is an empty OK", async () => {
    const { sessionId: session } = await control.startProcessing({
      startLedger: FIRST,
      endLedger: LAST,
      batchSize: 37,
    });
    const cursor = (ledger: number, row: number) => encodeCursor({ ledger, row });
    for (const ticket of [{ ...RANGE, filters: { include_deleted: true } }, { session }]) {
      const refusal = async (from: string) => {
        const { error, rows } = await read({ ...ticket, from });
        expect(rows).toEqual([]);
        return `${error?.code} ${error?.reason}`;
      };
      const kind = "session" in ticket ? "CURSOR_AFTER_SESSION" : "CURSOR_OUTSIDE_RANGE";
      expect(await refusal(cursor(LAST, 1_000_000))).toBe("INVALID_ARGUMENT CURSOR_BEYOND_LEDGER");
      expect(await refusal(cursor(FIRST + 1, 1_000_000))).toBe("INVALID_ARGUMENT CURSOR_BEYOND_LEDGER");
      expect(await refusal(cursor(LAST + 1, 1))).toBe(`INVALID_ARGUMENT ${kind}`);
      expect(await refusal(cursor(LAST + 2, 0))).toBe(`INVALID_ARGUMENT ${kind}`);
      expect(await refusal(Buffer.from("1.yz.3").toString("base64url"))).toBe("INVALID_ARGUMENT CURSOR_OLD");
      const end = await read({ ...ticket, from: cursor(LAST + 1, 0) });
      expect([end.error, end.rows]).toEqual([undefined, []]);
    }
  });
});

describe("a restart with COMPAT=go", () => {
  const names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
  const lake = new TemporaryLake({ ...SINGLE, batchesPerPartition: 1 }, { networkPassphrase: NETWORK });
  afterAll(() => lake[Symbol.dispose]());
  // Sorting by key makes them a restored one, a created one, and so on.
  const operation = names.map((name, index) => (index % 2 === 0 ? restored(key(name)) : created(key(name))));
  for (const sequence of [100, 101]) {
    const ledger = buildLedger({ sequence, transactions: [{ operations: [operation] }] });
    const file = Bun.zstdCompressSync(batchOf(sequence, sequence, () => ledger));
    lake.write(lakeKey(lake.layout, sequence), new Uint8Array(file));
  }

  test("a range and a session go on with exactly the rows behind the last one that was received", async () => {
    const serve = (compat: string) =>
      startProcessor([
        ...[`--source-endpoint=${lake.folder}`, `--network-passphrase=${NETWORK}`, "--worker-count=1"],
        ...[`--compat=${compat}`, `--data-dir=${join(scratch, "data")}`],
      ]);
    const range = { start_ledger: 100, end_ledger: 101, batch_size: 3 };
    let processor = await serve("default");
    const control = connectControl(processor.control);
    const request = { startLedger: 100, endLedger: 101, batchSize: 3 };
    const { sessionId: session } = await control.startProcessing(request);
    control.close();
    const tickets = [range, { session, from: "start" }];
    const whole = await Promise.all(tickets.map((ticket) => readRows(processor.flight, ticket)));
    expect(whole.map(({ rows }) => rows.length)).toEqual([20, 20]);
    expect(await processor.stop()).toBe(0);

    processor = await serve("go");
    try {
      const isCreated = (row: number) => row % 2 === 1;
      for (const [index, ticket] of tickets.entries()) {
        for (const { rows: had, metadata } of whole[index]!.batches) {
          const rest = await readRows(processor.flight, { ...ticket, from: metadata.cursor });
          const behind = whole[index]!.rows.filter((_, row) => row >= had && isCreated(row));
          expect([rest.error, rest.rows]).toEqual([undefined, behind]);
        }
      }
    } finally {
      expect(await processor.stop()).toBe(0);
    }
  });
});
