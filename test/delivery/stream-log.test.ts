import { describe, expect, test } from "bun:test";
import { Sequencer } from "../../src/delivery/sequencer.ts";
import { Slot, SlotPool } from "../../src/delivery/slot.ts";
import { StreamLog } from "../../src/delivery/stream-log.ts";
import { CodedError } from "../../src/error.ts";
import { decodeCursor, encodeCursor } from "../../src/threads/cursor.ts";
import type { BatchRecord, SpanDoneRecord } from "../../src/workers/records.ts";
import { randomFrom, seedOf } from "../support/random.ts";

const pool = new SlotPool();
const now = () => 0;

/** A batch of one ledger. */
function slot(ledger: number, span = 0, bytes = 64): Slot {
  const record: BatchRecord = {
    stream: 1,
    span,
    ledgerFirst: ledger,
    ledgerLast: ledger,
    ledgerComplete: ledger,
    closedAtUnixSeconds: 0,
    rows: 1,
    next: { ledger: ledger + 1, row: 0 },
    headerBytes: 8,
    bodyBytes: bytes - 8,
  };
  return new Slot(pool, record, new Uint8Array(bytes).fill(ledger), new Uint8Array(0));
}

function log(slotsMax: number, retainedBytesMax = 1 << 30): StreamLog {
  return new StreamLog({ ledger: 1, row: 0 }, { slotsMax, retainedBytesMax }, () => {});
}

async function take(reader: ReturnType<StreamLog["join"]>): Promise<number | undefined> {
  const got = await reader.next(now);
  got?.release();
  return got?.record.ledgerFirst;
}

describe("stream log", () => {
  test("without a client batches wait and the stream is full at its limit; nothing is dropped", () => {
    const stream = log(3);
    for (const ledger of [1, 2, 3]) stream.append(slot(ledger));
    expect(stream.full).toBe(true);
    stream.append(slot(4)); // a span that was in flight
    expect(stream.at(0)?.record.ledgerFirst).toBe(1);
    expect(stream.endNumber).toBe(4);
  });

  test("every reader gets every batch from where it joined, and the slowest holds the gate", async () => {
    const stream = log(2);
    const fast = stream.join(0);
    const slow = stream.join(0);
    stream.append(slot(1));
    stream.append(slot(2));
    expect([await take(fast), await take(fast)]).toEqual([1, 2]);
    expect(stream.full).toBe(true);
    expect(await take(slow)).toBe(1);
    expect(stream.full).toBe(false);
    stream.append(slot(3));
    expect([await take(slow), await take(slow), await take(fast)]).toEqual([2, 3, 3]);
  });

  test("a reader that waits is woken by a batch, by the end, and by leaving", async () => {
    const stream = log(10);
    const reader = stream.join(0);
    const first = take(reader);
    stream.append(slot(1));
    expect(await first).toBe(1);
    const end = take(reader);
    stream.finish();
    expect(await end).toBeUndefined();
    const other = log(10);
    const leaving = other.join(0);
    const left = take(leaving);
    leaving.leave();
    expect(await left).toBeUndefined();
  });

  test("an error comes after the batches before it", async () => {
    const stream = log(10);
    const reader = stream.join(0);
    stream.append(slot(1));
    stream.finish(CodedError.received("DATA_LOSS", "X", "ledger 2 cannot be decoded"));
    expect(await take(reader)).toBe(1);
    expect(take(reader)).rejects.toThrow("ledger 2 cannot be decoded");
  });

  test("a reader comes back with its cursor while the batch is retained, and is told when it is not", async () => {
    const stream = log(2);
    const first = stream.join(0);
    for (const ledger of [1, 2, 3, 4]) {
      stream.append(slot(ledger));
      await take(first);
    }
    const back = stream.joinAt({ ledger: 4, row: 0 }, 0);
    expect(await take(back)).toBe(4);
    expect(() => stream.joinAt({ ledger: 1, row: 0 }, 0)).toThrow("no longer held");
  });

  test("where the last reader leaves, the stream waits for it", async () => {
    const stream = log(2);
    const reader = stream.join(0);
    stream.append(slot(1));
    await take(reader);
    reader.leave();
    stream.append(slot(2));
    expect(stream.full).toBe(false);
    stream.append(slot(3));
    expect(stream.full).toBe(true);
    const back = stream.joinAt({ ledger: 2, row: 0 }, 0);
    expect([await take(back), await take(back)]).toEqual([2, 3]);
  });

  test("a client that wants only what comes does not wait for what nobody wants", () => {
    const stream = log(2);
    for (const ledger of [1, 2]) stream.append(slot(ledger));
    expect(stream.full).toBe(true);
    stream.joinEnd(0);
    expect(stream.full).toBe(false);
  });

  test("a reader that takes a batch now and then, and makes the others wait all the while, is slow too", async () => {
    const stream = log(2);
    const fast = stream.join(0);
    const trickle = stream.join(0);
    let ledger = 0;
    const fill = async () => {
      while (!stream.full) {
        stream.append(slot(++ledger));
        await take(fast);
      }
    };
    const ended: number[] = [];
    for (let now = 0; now <= 200 && ended.length === 0; now += 20) {
      await fill();
      const got = await trickle.next(() => now);
      got?.release();
      await fill();
      if (stream.slowReaders(now, 100).includes(trickle)) ended.push(now);
    }
    expect(ended).toEqual([120]);
    expect(stream.slowReaders(1000, 100)).not.toContain(fast);
  });

  test("only a reader that holds back one which has read everything counts as slow", async () => {
    const stream = log(2);
    const slow = stream.join(0);
    stream.append(slot(1));
    stream.append(slot(2));
    expect(stream.slowReaders(1000, 100)).toEqual([]);
    const fast = stream.join(0);
    expect(stream.slowReaders(1000, 100)).toEqual([]);
    await take(fast);
    await take(fast);
    expect(stream.slowReaders(50, 100)).toEqual([]);
    expect(stream.slowReaders(1000, 100)).toEqual([slow]);
  });

  test("a reader that its name's pace makes wait is not slow", async () => {
    const stream = log(1);
    const paced = stream.join(0);
    const fast = stream.join(0);
    stream.append(slot(1));
    await take(fast);
    paced.isPaced = true;
    expect(stream.slowReaders(0, 100)).toEqual([]);
    expect(stream.slowReaders(1000, 100)).toEqual([]);
    paced.isPaced = false;
    paced.advancedAtMs = 1000;
    expect(stream.slowReaders(1050, 100)).toEqual([]);
    expect(stream.slowReaders(1200, 100)).toEqual([paced]);
  });

  test("a sole reader is slow where readers of another partition wait; left unread, its log lets go in its time", async () => {
    const stream = log(2);
    const slow = stream.join(0);
    stream.append(slot(1));
    stream.append(slot(2));
    expect(stream.slowReaders(0, 100)).toEqual([]);
    expect(stream.slowReaders(50, 100, true)).toEqual([]);
    expect(stream.slowReaders(120, 100, true)).toEqual([slow]);
    slow.leave();
    expect(stream.full).toBe(true);
    expect(stream.unreadHeldMs).toBe(120); // the others have waited for its reader so long already
    stream.leaveUnattended();
    expect(stream.full).toBe(false);
    for (const ledger of [3, 4, 5]) stream.append(slot(ledger));
    expect(stream.full).toBe(false);
    expect(stream.startPosition.ledger).toBe(4);
    // Who comes gets what is still there, and is waited for.
    const late = stream.join(200);
    stream.append(slot(6));
    expect(stream.full).toBe(true);
    stream.leaveUnattended();
    expect(stream.full).toBe(true);
    expect([await take(late), await take(late)]).toEqual([4, 5]);
    expect(stream.slowReaders(300, 100, false)).toEqual([]);
  });

  test("when the batches of an ended stream are given up, readers that lack some are told, and no others", async () => {
    const stream = log(3);
    const [behind, done] = [stream.join(0), stream.join(0)];
    stream.append(slot(1));
    stream.append(slot(2));
    expect([await take(done), await take(done)]).toEqual([1, 2]);
    stream.finish();
    stream.cut(new CodedError("CANCELLED", "STOP_DEADLINE", "too late"));
    stream.dispose();
    expect(await take(done)).toBeUndefined();
    await expect(take(behind)).rejects.toThrow("too late");
  });

  test("bytes are a limit too", () => {
    const stream = log(100, 40_000);
    stream.append(slot(1, 0, 16_000));
    stream.append(slot(2, 0, 16_000));
    expect(stream.full).toBe(false);
    stream.append(slot(3, 0, 16_000));
    expect(stream.full).toBe(true);
  });

  test("memory is used again only when the last holder has let go", async () => {
    const own = new SlotPool();
    const record = slot(1).record;
    const one = new Slot(own, record, new Uint8Array(100), new Uint8Array(0));
    one.hold();
    one.release();
    expect(own.take(100)).not.toBe(one.dataHeader);
    one.release();
    expect(own.take(100).buffer).toBe(one.dataHeader.buffer);
    expect(() => one.hold()).toThrow();
  });
});

describe("sequencer", () => {
  function done(span: number): SpanDoneRecord {
    return {
      stream: 1,
      span,
      ledgers: 1,
      ledgerLast: 0,
      next: { ledger: 1, row: 0 },
      closedAtUnixSeconds: 0,
      rows: 0,
      rowsFiltered: 0,
      xdrBytes: 0,
      batches: 0,
      ledgersSkipped: 0,
      durationMs: 0,
    };
  }

  test("spans that arrive in any order leave in ledger order", () => {
    const seed = seedOf();
    const random = randomFrom(seed);
    for (let round = 0; round < 50; round++) {
      const out: number[] = [];
      const spans: number[] = [];
      const sequencer = new Sequencer(
        { ledger: 1, row: 0 },
        (emitted) => out.push(emitted.record.ledgerFirst),
        (record) => spans.push(record.span),
      );
      // three workers, each first-in first-out, interleaved at random
      const workers = [0, 1, 2].map((worker) =>
        Array.from({ length: 10 }, (_, turn) => turn * 3 + worker).flatMap((span) => [
          () => sequencer.batch(slot(span * 2 + 1, span)),
          () => sequencer.batch(slot(span * 2 + 2, span)),
          () => sequencer.done(done(span)),
        ]),
      );
      while (workers.some((queue) => queue.length > 0)) workers[Math.floor(random() * 3)]!.shift()?.();
      expect(out, `seed ${seed}`).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
      expect(spans).toEqual(Array.from({ length: 30 }, (_, index) => index));
    }
  });

  test("order is asserted: a batch that goes back is an error, never delivered", () => {
    const out: Slot[] = [];
    const sequencer = new Sequencer(
      { ledger: 5, row: 0 },
      (emitted) => out.push(emitted),
      () => {},
    );
    sequencer.batch(slot(5));
    expect(() => sequencer.batch(slot(5))).toThrow("ledger 6 row 0 was next");
    expect(out.length).toBe(1);
  });
});

describe("cursor", () => {
  test("round trip, and anything else is refused", () => {
    const position = { ledger: 58752000, row: 300 };
    expect(decodeCursor(encodeCursor(position))).toEqual(position);
    const partition = { index: 11, count: 16 };
    expect(decodeCursor(encodeCursor(position, { partition }))).toEqual({ ...position, partition });
    for (const bad of ["2.1.1.1", "2.1.1.1.1", "2.1.1.2.1"]) {
      expect(() => decodeCursor(Buffer.from(bad).toString("base64url")), bad).toThrow("cursor");
    }
    for (const bad of ["", "x", "MS4wLjA", "a".repeat(1000), Buffer.from("3.1.1").toString("base64url")]) {
      expect(() => decodeCursor(bad), bad).toThrow("cursor");
    }
  });
});
