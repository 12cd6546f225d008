/** A client's way through a session, with a model of the source: whatever is retained, its rows come once and in order. */
import { describe, expect, test } from "bun:test";
import { Hub } from "../../src/delivery/hub.ts";
import type { HubStream } from "../../src/delivery/hub-stream.ts";
import { MainThread } from "../../src/delivery/main-thread-client.ts";
import { SessionFeed, type SessionFrom } from "../../src/delivery/session-feed.ts";
import { Slot, SlotPool } from "../../src/delivery/slot.ts";
import { CodedError } from "../../src/error.ts";
import { comparePositions } from "../../src/threads/cursor.ts";
import type { FromDataPlane, Questions, StreamOpening } from "../../src/threads/data-plane-messages.ts";
import { StreamCell } from "../../src/threads/stream-cell.ts";
import type { Position } from "../../src/vocabulary/position.ts";
import { Bell } from "../../src/workers/bell.ts";
import type { BatchRecord } from "../../src/workers/records.ts";
import { randomFrom, seedOf } from "../support/random.ts";

const FIRST = 10;
const now = () => performance.now();

/** Ledgers with so many rows each, from FIRST on. */
type Model = number[];

/** Every row behind `start` and before `end`, as ledger.row. */
function rowsBetween(model: Model, start: Position, end: Position): Position[] {
  const rows: Position[] = [];
  model.forEach((count, index) => {
    for (let row = 0; row < count; row++) {
      const position = { ledger: FIRST + index, row };
      if (comparePositions(position, start) >= 0 && comparePositions(position, end) < 0) rows.push(position);
    }
  });
  return rows;
}

function text(rows: Position[]): string {
  return rows.map(({ ledger, row }) => `${ledger}.${row}`).join(" ");
}

/** Cuts rows into batches at random, as a worker would: `next` is the next row, or the ledger after a span's last. */
function batchesOf(model: Model, start: Position, end: Position, random: (below: number) => number) {
  const rows = rowsBetween(model, start, end);
  const batches: Array<{ rows: Position[]; next: Position }> = [];
  for (let at = 0; at < rows.length; ) {
    const to = Math.min(rows.length, at + 1 + random(4));
    const after = rows[to];
    let next = end;
    if (after !== undefined) {
      const last = rows[to - 1]!;
      next = after.row > 0 ? after : { ledger: random(2) ? after.ledger : last.ledger + 1, row: 0 };
    }
    batches.push({ rows: rows.slice(at, to), next });
    at = to;
  }
  return batches;
}

const pool = new SlotPool();
const rowsOf = new Map<BatchRecord, Position[]>();

function slotOf(stream: number, { rows, next }: { rows: Position[]; next: Position }): Slot {
  const record: BatchRecord = {
    stream,
    span: 0,
    ledgerFirst: rows[0]!.ledger,
    ledgerLast: rows.at(-1)!.ledger,
    ledgerComplete: next.ledger - 1,
    closedAtUnixSeconds: 0,
    rows: rows.length,
    next,
    headerBytes: 8,
    bodyBytes: 8,
  };
  rowsOf.set(record, rows);
  return new Slot(pool, record, new Uint8Array(16), new Uint8Array(0));
}

class World {
  readonly hub = new Hub(1, new Bell(new Int32Array(new SharedArrayBuffer(4)), 0), { ended: () => {} });
  readonly main: MainThread;
  readonly session: HubStream;
  catchUps: Array<{ start: Position; end: Position }> = [];
  open = 0;
  /** Called when a catch-up begins, before its batches come. */
  meanwhile = () => {};
  refusal: CodedError | undefined;
  private numbers = 1;

  constructor(
    readonly model: Model,
    readonly random: (below: number) => number,
    limits: { slotsMax: number; start?: Position },
  ) {
    this.main = new MainThread((message) => void this.answer(message));
    this.hub.open(opening(1, "session", limits.start ?? { ledger: FIRST, row: 0 }, limits.slotsMax));
    this.session = this.hub.session("s")!;
  }

  feed(from: SessionFrom): SessionFeed {
    return new SessionFeed(this.session.parts[0]!, from, this.hub, this.main, now);
  }

  private async answer(message: FromDataPlane): Promise<void> {
    if (message.type !== "ask") return;
    await Promise.resolve();
    const { number, name } = message;
    if (name === "closeRange") {
      this.open -= 1;
      this.hub.forget((message.asked as Questions["closeRange"]["asked"]).stream);
      this.main.answered(number, {}, undefined);
      return;
    }
    if (this.refusal !== undefined) return this.main.answered(number, undefined, this.refusal.toRecord());
    const asked = message.asked as Questions["openCatchUp"]["asked"];
    this.catchUps.push(asked);
    this.open += 1;
    const stream = ++this.numbers + 1;
    this.hub.open(opening(stream, "catchUp", asked.start, 1000));
    this.main.answered(number, { stream }, undefined);
    await Promise.resolve();
    this.meanwhile();
    const { log } = this.hub.opened(stream);
    for (const batch of batchesOf(this.model, asked.start, asked.end, this.random)) {
      if (log.ending === undefined) log.append(slotOf(stream, batch));
    }
    log.finish();
  }
}

function opening(stream: number, kind: StreamOpening["kind"], start: Position, slotsMax: number): StreamOpening {
  const cell = StreamCell.create();
  cell.setRetainedBytesMax(1 << 30);
  return {
    stream,
    kind,
    id: "s",
    cell: cell.memory,
    start,
    ledgerStart: kind === "session" ? FIRST : start.ledger,
    ledgerEnd: 0,
    networkPassphrase: "x",
    schemaVersion: 1,
    batchRows: 0,
    compression: "none",
    slotsMax,
    seekable: true,
    flushIntervalMs: 1000,
  };
}

async function readAll(feed: SessionFeed, between = async () => {}): Promise<Position[]> {
  const rows: Position[] = [];
  for (let slot = await feed.next(); slot !== undefined; slot = await feed.next()) {
    rows.push(...rowsOf.get(slot.record)!);
    slot.release();
    await between();
  }
  return rows;
}

const taking = new WeakMap<SessionFeed, Promise<void>>();

/** One more batch for a client that reads along, after those that it is waiting for. */
function take(feed: SessionFeed): void {
  const next = async () => (await feed.next())?.release();
  taking.set(feed, (taking.get(feed) ?? Promise.resolve()).then(next));
}

describe("a session's client", () => {
  test("gets every row from any position, once and in order, for any batches and whatever is retained (seeded)", async () => {
    const seed = seedOf();
    const random = randomFrom(seed);
    const below = (limit: number) => Math.floor(random() * limit);
    for (let run = 0; run < 400; run++) {
      const model = Array.from({ length: 2 + below(12) }, () => (below(3) === 0 ? 0 : below(7)));
      const end = { ledger: FIRST + model.length, row: 0 };
      const world = new World(model, below, { slotsMax: 1 + below(4) });
      const { log } = world.session;
      const batches = batchesOf(model, { ledger: FIRST, row: 0 }, end, below);
      const some = below(batches.length + 1);
      // A first client that reads as the session goes decides what is retained.
      const first = world.feed("start");
      const give = (batch: (typeof batches)[number]) => log.append(slotOf(1, batch));
      for (const batch of batches.slice(0, some)) {
        give(batch);
        if (below(4) > 0) (await first.next())?.release();
      }
      const all = rowsBetween(model, { ledger: FIRST, row: 0 }, end);
      const from = below(3) === 0 ? "start" : (all[below(all.length)] ?? end);
      const start = from === "start" ? { ledger: FIRST, row: 0 } : from;
      const late = world.feed(from);
      const rest = batches.slice(some);
      world.meanwhile = () => {
        for (let count = below(4); count > 0 && rest.length > 0; count--) {
          give(rest.shift()!);
          take(first);
        }
      };
      const got = readAll(late, async () => {
        if (below(3) > 0) return;
        late.paced(true);
        for (let turns = below(4); turns > 0; turns--) await Promise.resolve();
        late.paced(false);
      });
      for (; rest.length > 0; await Promise.resolve()) if (below(3) === 0) give(rest.shift()!);
      log.finish();
      const label = `seed ${seed} run ${run}: ${model.join(",")} from ${JSON.stringify(from)}`;
      expect(text(await got), label).toBe(text(rowsBetween(model, start, end)));
      late.close();
      first.close();
      await new Promise((resolve) => setImmediate(resolve));
      expect(world.open, `${label}: catch-ups left`).toBe(0);
    }
  });

  test("a session that resumed later serves what came before it from the source", async () => {
    const model = [2, 3, 0, 4];
    const world = new World(model, () => 0, { slotsMax: 4, start: { ledger: 12, row: 0 } });
    world.session.log.append(slotOf(1, { rows: [{ ledger: 13, row: 0 }], next: { ledger: 13, row: 1 } }));
    world.session.log.finish();
    expect(text(await readAll(world.feed("start")))).toBe("10.0 10.1 11.0 11.1 11.2 13.0");
    expect(world.catchUps).toEqual([
      { dataset: "contract_data", session: 1, start: { ledger: 10, row: 0 }, end: { ledger: 12, row: 0 } },
    ] as never);
  });

  test("a cursor inside a retained batch is served up to that batch's end", async () => {
    const world = new World([6, 6], () => 0, { slotsMax: 4 });
    const { log } = world.session;
    const rows = rowsBetween(world.model, { ledger: 10, row: 0 }, { ledger: 12, row: 0 });
    log.append(slotOf(1, { rows: rows.slice(0, 8), next: { ledger: 11, row: 2 } }));
    log.append(slotOf(1, { rows: rows.slice(8), next: { ledger: 12, row: 0 } }));
    log.finish();
    expect(text(await readAll(world.feed({ ledger: 10, row: 4 })))).toBe(text(rows.slice(4)));
    expect(world.catchUps).toHaveLength(1);
    expect(world.catchUps[0]).toMatchObject({ start: { ledger: 10, row: 4 }, end: { ledger: 11, row: 2 } });
  });

  test("a batch that begins with ledgers of no rows needs no catch-up", async () => {
    const world = new World([1, 0, 0, 2], () => 0, { slotsMax: 4 });
    const { log } = world.session;
    log.append(slotOf(1, { rows: [{ ledger: 10, row: 0 }], next: { ledger: 11, row: 0 } }));
    log.append(
      slotOf(1, {
        rows: rowsBetween(world.model, { ledger: 13, row: 0 }, { ledger: 14, row: 0 }),
        next: { ledger: 14, row: 0 },
      }),
    );
    log.finish();
    expect(text(await readAll(world.feed({ ledger: 13, row: 0 })))).toBe("13.0 13.1");
    expect(world.catchUps).toEqual([]);
  });

  test("a finished session that retains nothing is served whole", async () => {
    const world = new World([2, 2, 2], () => 0, { slotsMax: 4 });
    const { log } = world.session;
    const all = rowsBetween(world.model, { ledger: 10, row: 0 }, { ledger: 13, row: 0 });
    log.append(slotOf(1, { rows: all, next: { ledger: 13, row: 0 } }));
    log.finish();
    log.retire();
    expect(log.retainedBytes).toBe(0);
    expect(text(await readAll(world.feed("start")))).toBe(text(all));
    expect(text(await readAll(world.feed({ ledger: 11, row: 1 })))).toBe(text(all.slice(3)));
    expect(await readAll(world.feed({ ledger: 13, row: 0 }))).toEqual([]);
  });

  test("a retired session keeps what its reader still needs", async () => {
    const world = new World([1, 1], () => 0, { slotsMax: 4 });
    const { log } = world.session;
    log.append(slotOf(1, { rows: [{ ledger: 10, row: 0 }], next: { ledger: 11, row: 0 } }));
    log.append(slotOf(1, { rows: [{ ledger: 11, row: 0 }], next: { ledger: 12, row: 0 } }));
    const feed = world.feed("start");
    (await feed.next())!.release();
    log.finish();
    log.retire();
    expect(text(await readAll(feed))).toBe("11.0");
    feed.close();
    expect(log.retainedBytes).toBe(0);
    expect(world.catchUps).toEqual([]);
  });

  test("what cannot be read again is an error, and the position stays", async () => {
    const world = new World([2, 2], () => 0, { slotsMax: 4, start: { ledger: 11, row: 0 } });
    world.refusal = new CodedError("FAILED_PRECONDITION", "SOURCE_NOT_SEEKABLE", "no");
    const feed = world.feed("start");
    await expect(feed.next()).rejects.toThrow("no");
    expect(feed.position).toEqual({ ledger: 10, row: 0 });
    expect(() => world.feed({ ledger: 9, row: 0 })).toThrow("starts at ledger 10");
  });

  test("a session that runs ahead of a client that catches up does not wait for it, and the client gets there", async () => {
    const model = Array.from({ length: 200 }, () => 1);
    const world = new World(model, () => 0, { slotsMax: 2 });
    const { log } = world.session;
    let ledger = FIRST;
    const give = () => {
      const slot = slotOf(1, { rows: [{ ledger, row: 0 }], next: { ledger: ledger + 1, row: 0 } });
      ledger += 1;
      log.append(slot);
    };
    const fast = world.feed("start");
    const run = async (count: number) => {
      for (let i = 0; i < count && !log.full; i++) {
        give();
        (await fast.next())?.release();
      }
    };
    await run(10);
    const late = world.feed("start");
    let ahead = 7;
    world.meanwhile = () => {
      for (let i = 0; i < ahead && !log.full; i++) {
        give();
        take(fast);
      }
      ahead -= 1;
    };
    const got: Position[] = [];
    for (let i = 0; i < 60; i++) {
      const slot = await late.next();
      got.push(...rowsOf.get(slot!.record)!);
      slot!.release();
      if (late.mode === "following") break;
    }
    expect(late.mode).toBe("following");
    expect(text(got)).toBe(text(rowsBetween(model, { ledger: FIRST, row: 0 }, { ledger: FIRST + got.length, row: 0 })));
    expect(world.catchUps.length).toBeLessThanOrEqual(8);
  });

  test("leaving while a catch-up is being opened closes it", async () => {
    const world = new World([2, 2], () => 0, { slotsMax: 4, start: { ledger: 11, row: 0 } });
    const feed = world.feed("start");
    const pending = feed.next();
    feed.close();
    expect(await pending).toBeUndefined();
    await new Promise((resolve) => setImmediate(resolve));
    expect(world.open).toBe(0);
  });
});
