/** Defect 16: errors in a ledger were logged and skipped. (Skipping on request is a later matter.) */
import { describe, expect, test } from "bun:test";
import { GetStatusResponse_Status as Status } from "../../src/grpc/generated/control.ts";
import { Lake } from "../../src/sources/lake/lake.ts";
import { type LakeLayout, lakeKey } from "../../src/sources/lake/lake-layout.ts";
import { batchOf, TemporaryLake } from "../sources/lake-fixture.ts";
import { PUBNET } from "../support/networks.ts";
import { cursorOf, expectRows, sampleLedgers, sampleRows, TestServer } from "./support.ts";

const FIRST = 4032; // the beginning of a file, also with 8 ledgers a file
const BAD = 4051; // one of those with rows
const LAST = 4063;
const ledger = await sampleLedgers();

type Stored = (content: Uint8Array) => Uint8Array;
const zstd: Stored = (content) => new Uint8Array(Bun.zstdCompressSync(content));

/** A lake of the sample's ledgers, with `damage` done to one of them, and `store` to the file that it is in. */
async function lakeWith(layout: LakeLayout, damage: (bytes: Uint8Array) => Uint8Array, store = zstd) {
  const lake = new TemporaryLake(layout, { networkPassphrase: PUBNET });
  const each = layout.ledgersPerBatch;
  for (let first = FIRST; first <= LAST; first += each) {
    const ledgers = new Map<number, Uint8Array>();
    for (let sequence = first; sequence < first + each; sequence++) {
      const bytes = await ledger(sequence);
      ledgers.set(sequence, sequence === BAD ? damage(bytes) : bytes);
    }
    const content = batchOf(first, first + each - 1, (sequence) => ledgers.get(sequence)!);
    lake.write(lakeKey(layout, first), ledgers.has(BAD) ? store(content) : zstd(content));
  }
  return lake;
}

function overwritten(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const changed = bytes.slice();
  new DataView(changed.buffer).setUint32(at < 0 ? at + changed.length : at, value);
  return changed;
}

const SINGLE: LakeLayout = { ledgersPerBatch: 1, batchesPerPartition: 10, extension: "zst" };
const BY_EIGHT: LakeLayout = { ledgersPerBatch: 8, batchesPerPartition: 1, extension: "zst" };

const DAMAGES: { name: string; layout: LakeLayout; damage: (bytes: Uint8Array) => Uint8Array; says: RegExp[] }[] = [
  {
    name: "a union arm that nobody knows",
    layout: SINGLE,
    damage: (bytes) => overwritten(bytes, 0, 9),
    says: [/LedgerCloseMeta/, /byte 12\b|byte 0\b/, /\b9\b/],
  },
  {
    name: "a count that the bytes cannot hold",
    layout: SINGLE,
    damage: (bytes) => overwritten(bytes, -4, 1 << 20),
    says: [/byte \d{5,}/, /LedgerCloseMeta\.[\w.]*unused/],
  },
  {
    name: "the end is missing",
    layout: SINGLE,
    damage: (bytes) => bytes.slice(0, bytes.length - 1000),
    says: [/byte \d{5,}/, /LedgerCloseMeta\.\w/],
  },
  {
    name: "in the middle of a file of eight",
    layout: BY_EIGHT,
    damage: (bytes) => overwritten(bytes, -4, 1 << 20),
    says: [/byte \d{5,}/, /LedgerCloseMeta/],
  },
];

/** Reads over the bad ledger: rows up to it, then an error that names it, with a cursor to its beginning. */
async function failsAt(lake: TemporaryLake, says: RegExp[]): Promise<void> {
  await using server = await TestServer.start(await Lake.open(lake.folder), { WORKER_COUNT: "2" });
  // Before it and beside it other sessions go about their work.
  const before = await server.startSession(FIRST, LAST - 16, 50);
  const bad = await server.startSession(FIRST, LAST, 50);
  const after = await server.startSession(LAST - 7, LAST, 50);
  const reader = server.read({ session: bad });
  const [failure, others] = await Promise.all([
    reader.failure(),
    Promise.all([server.read({ session: before }).rest(), server.read({ session: after }).rest()]),
  ]);
  expect(failure.code).toBe("DATA_LOSS");
  expect(failure.message).toContain(`ledger ${BAD}`);
  for (const pattern of says) expect(failure.message).toMatch(pattern);
  expectRows(reader, sampleRows(FIRST, BAD - 1));
  expect(cursorOf(failure)).toBe(reader.cursor);

  const session = await server.reached(bad, "ERROR");
  expect(session).toMatchObject({ ledgerCurrent: BAD - 1, entriesProcessed: reader.rows, errors: 1 });
  expect(await server.control.getStatus({ sessionId: bad })).toMatchObject({
    status: Status.ERROR,
    currentLedger: BAD - 1,
    errorMessage: failure.message,
  });
  expectRows(others[0], sampleRows(FIRST, LAST - 16));
  expectRows(others[1], sampleRows(LAST - 7, LAST));
  for (const id of [before, after]) {
    const { message, errors } = await server.reached(id, "STOPPED");
    expect({ message: message.split(" ")[0], errors }).toEqual({ message: "completed", errors: 0 });
  }
}

describe("a ledger that cannot be decoded fails its session with its sequence, byte offset and XDR path", () => {
  for (const { name, layout, damage, says } of DAMAGES) {
    test(name, async () => {
      using lake = await lakeWith(layout, damage);
      await failsAt(lake, says);
    });
  }
});

test("a file that does not inflate fails its session with its name and the place in it", async () => {
  using lake = await lakeWith(
    SINGLE,
    (bytes) => bytes,
    (content) => {
      const stored = zstd(content);
      stored.fill(0xff, stored.length / 2, stored.length / 2 + 64);
      return stored;
    },
  );
  await failsAt(lake, [new RegExp(lake.pathOf(BAD)), /bytes \d+ to \d+|byte \d+/]);
});

test("a ledger that is another one than its place says fails its session too", async () => {
  using lake = new TemporaryLake(SINGLE, { networkPassphrase: PUBNET });
  for (let sequence = FIRST; sequence <= LAST; sequence++) {
    const bytes = await ledger(sequence === BAD ? BAD + 7 : sequence);
    lake.write(lakeKey(SINGLE, sequence), zstd(batchOf(sequence, sequence, () => bytes)));
  }
  await failsAt(lake, [new RegExp(`ledger ${BAD + 7}\\b`)]);
});
