/** Large ledgers of a meta stream are given while they come, and only as far as they are known to be ledgers. */
import { describe, expect, test } from "bun:test";
import { settlesWithin } from "../../../src/base/settles-within.ts";
import type { ComingBytes, LedgerObject } from "../../../src/sources/source.ts";
import { buildLedger, created, scBytes, scU32 } from "../../ledger/build.ts";
import { tinyLedger } from "../lake-fixture.ts";
import { Fifo, FifoStream, record } from "./meta-fixture.ts";

const WINDOW = 16 << 20;

/** A ledger of 5 MB. */
function large(sequence: number): Uint8Array {
  const changes = Array.from({ length: 2500 }, (_, row) =>
    created({ key: scU32(row), val: scBytes(new Uint8Array(2000).fill(row)) }),
  );
  return buildLedger({ sequence, transactions: [{ operations: [changes] }] });
}

class Stream extends FifoStream {
  constructor(comingPauseMsMax?: number) {
    super(WINDOW, new Fifo(), { comingPauseMsMax });
  }

  read(start: number, end: number, signal = new AbortController().signal): AsyncIterator<LedgerObject> {
    return this.source.read(start, end, signal, () => {}, true)[Symbol.asyncIterator]();
  }

  /** A writer that has come to the half of the second ledger, and a read that has been given it. */
  async halfOfSecond(end: number) {
    const writer = this.fifo.writer();
    await writer.write(first);
    const reading = this.read(1, end);
    await next(reading);
    const pending = nextComing(reading);
    await writer.write(record(second).subarray(0, half));
    return { writer, reading, ...(await pending) };
  }
}

async function next(reading: AsyncIterator<LedgerObject>): Promise<LedgerObject> {
  const { value, done } = await reading.next();
  if (done) throw new Error("the read is over");
  return value;
}

/** The object, which comes. */
async function nextComing(reading: AsyncIterator<LedgerObject>): Promise<LedgerObject & { coming: ComingBytes }> {
  const object = await next(reading);
  const { coming } = object;
  if (coming === undefined) throw new Error(`ledger ${object.ledgerFirst} was given whole`);
  return { ...object, coming };
}

const first = record(tinyLedger(1));
const second = large(2);
const half = second.length >> 1;

describe("a large ledger", () => {
  test("is given by its beginning, to all who read, and is whole when it has come", async () => {
    await using stream = new Stream();
    const writer = stream.fifo.writer();
    await writer.write(first);
    const readings = [stream.read(1, 3), stream.read(1, 3)];
    for (const reading of readings) expect((await next(reading)).ledgerFirst).toBe(1);
    const pending = readings.map(nextComing);
    await writer.write(record(second).subarray(0, 4 + half));
    const objects = await Promise.all(pending);
    for (const { ledgerFirst, bytes, coming } of objects) {
      expect([ledgerFirst, bytes.length, await coming.until(half)]).toEqual([2, second.length, true]);
      expect(coming.filled()).toBe(half);
      expect(Buffer.from(bytes.subarray(0, half)).equals(second.subarray(0, half))).toBe(true);
    }
    expect(await stream.source.ledgerLatest()).toBe(1);
    const whole = objects.map(({ coming }) => coming.until(second.length));
    await writer.write(record(second).subarray(4 + half));
    await writer.write(record(tinyLedger(3)));
    expect(await Promise.all(whole)).toEqual([true, true]);
    for (const { bytes } of objects) expect(Buffer.from(bytes).equals(second)).toBe(true);
    for (const reading of readings) expect((await next(reading)).ledgerFirst).toBe(3);
    for (const reading of readings) expect((await reading.next()).done).toBe(true);
  });

  test("is given whole to a read that comes later, and to one that does not take it otherwise", async () => {
    await using stream = new Stream();
    const writer = stream.fifo.writer();
    await writer.write(first);
    await stream.until(1);
    const plain = stream.source.read(2, 2, new AbortController().signal)[Symbol.asyncIterator]();
    const given = next(plain);
    await writer.write(record(second).subarray(0, half));
    expect(await settlesWithin(given, 50)).toBe(false);
    await writer.write(record(second).subarray(half));
    expect((await given).coming).toBeUndefined();
    const later = await next(stream.read(2, 2));
    expect([later.coming, Buffer.from(later.bytes).equals(second)]).toEqual([undefined, true]);
  });

  test("is lost where its writer ends, and given again by the next one", async () => {
    await using stream = new Stream();
    const { writer, reading, coming } = await stream.halfOfSecond(2);
    const whole = coming.until(second.length);
    await writer.kill();
    expect(await whole).toBe(false);
    const again = next(reading);
    const { exited } = stream.fifo.write(Buffer.concat([record(second), record(tinyLedger(3))]));
    const object = await again;
    if (object.coming !== undefined) expect(await object.coming.until(second.length)).toBe(true);
    expect(Buffer.from(object.bytes).equals(second)).toBe(true);
    expect(await exited).toBe(0);
    expect((await reading.next()).done).toBe(true);
  });

  test("is lost where another writer's records follow in its middle", async () => {
    await using stream = new Stream();
    const { writer, reading, coming, bytes } = await stream.halfOfSecond(3);
    const whole = coming.until(bytes.length);
    // the rest of the record's length is the beginning of what the other one writes
    await writer.write(Buffer.concat([record(second), record(large(3)), record(tinyLedger(4))]));
    expect(await whole).toBe(false);
    expect(coming.filled()).toBeLessThan(bytes.length);
    const object = await next(reading);
    expect([object.ledgerFirst, Buffer.from(object.bytes).equals(second)]).toEqual([2, true]);
    expect((await next(reading)).ledgerFirst).toBe(3);
  });

  test("that stands still is given whole, once it is", async () => {
    await using stream = new Stream(100);
    const { writer, reading, coming } = await stream.halfOfSecond(2);
    expect(await coming.until(second.length)).toBe(false);
    const again = next(reading);
    expect(await settlesWithin(again, 50)).toBe(false);
    await writer.write(record(second).subarray(half));
    const object = await again;
    expect([object.coming, Buffer.from(object.bytes).equals(second)]).toEqual([undefined, true]);
  });

  test("nobody waits for more of it once the read is to stop, or the source", async () => {
    await using stream = new Stream();
    const writer = stream.fifo.writer();
    await writer.write(first);
    const stop = new AbortController();
    const readings = [stream.read(1, 2, stop.signal), stream.read(1, 2)];
    for (const reading of readings) await next(reading);
    const pending = readings.map(nextComing);
    await writer.write(record(second).subarray(0, half));
    const [one, other] = await Promise.all(pending);
    const ends = [one!.coming.until(second.length), other!.coming.until(second.length)];
    stop.abort();
    expect(await ends[0]).toBe(false);
    expect((await readings[0]!.next()).done).toBe(true);
    expect(await settlesWithin(ends[1]!, 50)).toBe(false);
    await stream.source.close();
    expect(await ends[1]).toBe(false);
    expect((await readings[1]!.next()).done).toBe(true);
  });
});
