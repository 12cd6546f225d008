import { describe, expect, test } from "bun:test";
import { readlinkSync, rmSync } from "node:fs";
import type { CodedError } from "../../../src/error.ts";
import { MetaSource } from "../../../src/sources/meta/meta-source.ts";
import { PipeFeed } from "../../../src/sources/meta/pipe-feed.ts";
import { RUN_BYTES_MIN } from "../../../src/sources/meta/whole-ledgers.ts";
import { failureOf } from "../../support/failure.ts";
import { randomFrom, seedOf } from "../../support/random.ts";
import { until } from "../../support/until.ts";
import { tinyLedger } from "../lake-fixture.ts";
import { Fifo, FifoStream, largeLedger, record, records, sequence } from "./meta-fixture.ts";

const never = new AbortController().signal;
const WINDOW = 4 << 20;
const LARGE = 1 << 20; // three fit the window, and a pipe holds a sixteenth of one
const RUN = Math.ceil(RUN_BYTES_MIN / 412);

class Stream extends FifoStream {
  constructor(fifo?: Fifo, outageMsMax?: number) {
    super(WINDOW, fifo, { outageMsMax });
  }

  /** Ledgers that a read gives. */
  async read(start: number, end: number, seen: number[] = []): Promise<number[]> {
    for await (const { ledgerFirst } of this.source.read(start, end, never)) seen.push(ledgerFirst);
    return seen;
  }
}

/** Such ledgers, and a tiny one behind them. */
const large = (first: number, last: number) =>
  Buffer.concat([records(first, last, (ledger) => largeLedger(ledger, LARGE)), record(tinyLedger(last + 1))]);

/** Whether the process has the file open for its output. */
function openBy(pid: number, file: string): boolean {
  return readlinkSync(`/proc/${pid}/fd/1`) === file;
}

describe("a FIFO", () => {
  test("ledgers of a writer, in whatever pieces it writes", async () => {
    await using stream = new Stream();
    const reading = stream.read(10, 300);
    const seed = seedOf();
    const random = randomFrom(seed);
    const bytes = records(10, 300);
    const writer = stream.fifo.writer();
    for (let at = 0; at < bytes.length; ) {
      const length = 1 + Math.floor(random() ** 3 * 20_000);
      await writer.write(bytes.subarray(at, at + length));
      at += length;
    }
    expect([`SEED=${seed}`, ...(await reading)]).toEqual([`SEED=${seed}`, ...sequence(10, 300)]);
    expect(await stream.source.ledgerLatest()).toBe(300);
    expect(await stream.source.networkPassphrase()).toBeUndefined();
  });

  test("without a reader no writer is held back, and the newest ledgers are kept", async () => {
    await using stream = new Stream();
    expect(await stream.fifo.write(large(1, 40)).exited).toBe(0);
    await stream.until(41);
    expect(await stream.read(39, 41)).toEqual([39, 40, 41]);
    const error = await failureOf(stream.read(20, 41));
    expect([error.code, error.reason]).toEqual(["OUT_OF_RANGE", "LEDGER_BEFORE_SOURCE"]);
    expect(error.message).toBe(
      `ledger 20 was asked for, and the oldest that the meta stream ${stream.fifo.path} has is 38`,
    );
    expect(await stream.read(38, 38)).toEqual([38]);
  });

  test("a reader that is slow holds the writer back, and loses nothing", async () => {
    await using stream = new Stream();
    const slow = stream.source.read(1, 40, never)[Symbol.asyncIterator]();
    const first = slow.next();
    const writer = stream.fifo.write(large(1, 40));
    let exited = false;
    void writer.exited.then(() => {
      exited = true;
    });
    expect((await first).value?.ledgerFirst).toBe(1);
    await stream.until(3); // what fits
    const fast: number[] = [];
    const reading = stream.read(1, 40, fast);
    await until(() => fast.length === 3, "the fast reader has had the window");
    await Bun.sleep(100);
    expect([exited, fast.length, await stream.source.ledgerLatest()]).toEqual([false, 3, 3]);
    const seen = [1];
    for (let next = await slow.next(); !next.done; next = await slow.next()) seen.push(next.value.ledgerFirst);
    expect(seen).toEqual(sequence(1, 40));
    expect(await reading).toEqual(sequence(1, 40));
    expect(await writer.exited).toBe(0);
  });

  test("a reader that leaves holds nobody back any more", async () => {
    await using stream = new Stream();
    const stop = new AbortController();
    const slow = stream.source.read(1, 0, stop.signal)[Symbol.asyncIterator]();
    const first = slow.next();
    const writer = stream.fifo.write(large(1, 20));
    await first;
    await stream.until(3);
    await slow.return?.();
    expect(await writer.exited).toBe(0);
    await stream.until(21);
  });

  test("a ledger that is larger than the window is let in alone", async () => {
    await using stream = new Stream();
    const reading = stream.read(1, 6);
    const ledgers = (ledger: number) => largeLedger(ledger, 2 * WINDOW);
    expect(await stream.fifo.write(records(1, 7, ledgers)).exited).toBe(0);
    expect(await reading).toEqual(sequence(1, 6));
  });

  test("many readers from places of their own", async () => {
    await using stream = new Stream();
    const readings = sequence(1, 20).map((start) => stream.read(start * 10, 400));
    const writer = stream.fifo.writer();
    for (const ledger of sequence(10, 400)) await writer.write(record(tinyLedger(ledger)));
    for (const [index, reading] of readings.entries()) expect(await reading).toEqual(sequence(index * 10 + 10, 400));
  });

  test("a later ledger is waited for", async () => {
    await using stream = new Stream();
    const reading = stream.read(50, 52);
    await stream.fifo.write(records(10, 60)).exited;
    expect(await reading).toEqual([50, 51, 52]);
    expect(await stream.read(10, 12)).toEqual([10, 11, 12]);
  });

  test("a stop is prompt: of a read, of the source, with and without a writer", async () => {
    await using stream = new Stream();
    const stop = new AbortController();
    const reading = Array.fromAsync(stream.source.read(5, 0, stop.signal));
    await Bun.sleep(50);
    stop.abort();
    expect(await reading).toEqual([]);
    const other = stream.read(5, 0);
    await stream.source.close();
    expect(await other).toEqual([]);

    await using written = new Stream();
    await written.fifo.writer().write(record(tinyLedger(5)));
    const following = written.read(5, 0);
    await written.until(5);
    await written.source.close();
    expect(await following).toEqual([5]);
  });
});

describe("writers come and go", () => {
  test("one is killed inside a ledger, and the next one begins earlier: none is lost, none comes twice", async () => {
    await using stream = new Stream();
    const seen: number[] = [];
    const reading = stream.read(1, 400, seen);
    const seed = seedOf();
    const random = randomFrom(seed);
    for (let next = 1; seen.length < 400; ) {
      const writer = stream.fifo.writer();
      const last = Math.min(400, next + Math.floor(random() * 60));
      const cut = record(tinyLedger(last + 1)).subarray(0, Math.floor(random() * 416));
      await writer.write(Buffer.concat([records(Math.max(1, next - 20), last), cut]));
      await until(() => seen.at(-1)! >= last, `SEED=${seed}: ledger ${last}`);
      await writer.kill();
      next = last + 1;
    }
    expect([`SEED=${seed}`, ...(await reading)]).toEqual([`SEED=${seed}`, ...sequence(1, 400)]);
  });

  test("the next one writes before the last one's end was seen", async () => {
    await using stream = new Stream();
    const slow = stream.source.read(1, 0, never)[Symbol.asyncIterator]();
    const first = slow.next();
    const writer = stream.fifo.writer();
    // the window is full with three, and the fourth is cut in the pipe
    await writer.write(large(1, 4).subarray(0, 3 * (LARGE + 4) + 30_000));
    await first;
    await stream.until(3);
    const next = stream.fifo.writer();
    const again = records(2, 4 + RUN);
    await next.write(again.subarray(0, 1_000)); // it has the FIFO open when these are in it
    await until(() => openBy(next.pid, stream.fifo.path), "the next writer has opened the FIFO");
    await writer.kill();
    const writing = next.write(again.subarray(1_000));
    const seen = [1];
    while (seen.at(-1) !== 4 + RUN) seen.push((await slow.next()).value!.ledgerFirst);
    expect(seen).toEqual(sequence(1, 4 + RUN));
    await writing;
    await slow.return?.();
  });

  test("a ledger that the next one leaves out", async () => {
    await using stream = new Stream();
    const seen: number[] = [];
    const reading = stream.read(1, 20, seen);
    const later = stream.read(12, 13);
    await stream.fifo.write(records(1, 5)).exited;
    await stream.until(5);
    const writer = stream.fifo.writer();
    await writer.write(records(8, 20));
    const error = await failureOf(reading);
    expect([error.code, error.reason]).toEqual(["NOT_FOUND", "LEDGER_MISSING"]);
    expect(error.message).toContain("ledger 8 came where 6 should");
    expect(seen).toEqual(sequence(1, 5));
    expect(await later).toEqual([12, 13]);
    expect(await stream.read(8, 20)).toEqual(sequence(8, 20));
    expect((await failureOf(stream.read(6, 20))).message).toContain("ledger 6 was asked for, and the oldest");
  });

  test("one that only repeats itself", async () => {
    await using stream = new Stream();
    const reading = failureOf(stream.read(1, 0));
    const writer = stream.fifo.writer();
    for (let round = 0; round < 120; round++) await writer.write(records(1, 10));
    const error = await reading;
    expect([error.code, error.reason]).toEqual(["DATA_LOSS", "LEDGER_OUT_OF_STEP"]);
  });

  test("a fault ends its readers once, and the stream goes on", async () => {
    await using stream = new Stream();
    const seen: number[] = [];
    const reading = failureOf(stream.read(1, 0, seen));
    const writer = stream.fifo.writer();
    const over = record(tinyLedger(4));
    new DataView(over.buffer).setUint32(0, 0xffff_ffff);
    await writer.write(Buffer.concat([records(1, 3), over]));
    const error = await reading;
    expect([error.code, error.reason]).toEqual(["RESOURCE_EXHAUSTED", "LEDGER_TOO_LARGE"]);
    expect(seen).toEqual([1, 2, 3]);
    const again = stream.read(100, 100 + RUN);
    await writer.kill();
    await stream.fifo.write(records(100, 100 + RUN)).exited;
    expect(await again).toEqual(sequence(100, 100 + RUN));
  });
});

describe("what is no FIFO", () => {
  test("a path that is not there is waited for", async () => {
    await using stream = new Stream(new Fifo({ make: false }));
    const told: Array<CodedError | undefined> = [];
    const reading = Array.fromAsync(stream.source.read(1, 9, never, (trouble) => told.push(trouble)));
    await until(() => told.length > 0, "the trouble is told");
    expect([told[0]?.code, told[0]?.reason]).toEqual(["NOT_FOUND", "FILE_NOT_FOUND"]);
    expect(told[0]?.message).toContain(stream.fifo.path);
    stream.fifo.make();
    await stream.fifo.write(records(1, 9)).exited;
    expect((await reading).length).toBe(9);
    rmSync(stream.fifo.path);
    stream.fifo.make(); // another one of the same name
    await stream.fifo.write(records(8, 12)).exited;
    await stream.until(12);
  });

  test("a folder, a device", async () => {
    for (const wrong of [import.meta.dir, "/dev/null"]) {
      const source = new MetaSource(new PipeFeed(wrong), WINDOW);
      const error = await failureOf(Array.fromAsync(source.read(1, 0, never)));
      expect([error.code, error.reason]).toEqual(["DATA_LOSS", "FILE_UNREADABLE"]);
      expect(error.message).toContain(`${wrong}: not a FIFO`);
      await source.close();
    }
  });

  test("nobody writes: a read tells it, and gives up after so long", async () => {
    await using stream = new Stream(new Fifo(), 300);
    const told: Array<CodedError | undefined> = [];
    const reading = Array.fromAsync(stream.source.read(1, 0, never, (trouble) => told.push(trouble)));
    const error = await failureOf(reading);
    expect([error.code, error.reason]).toEqual(["UNAVAILABLE", "SOURCE_UNAVAILABLE"]);
    expect(error.message).toMatch(/nobody writes to it; no ledger for \d+ ms, over max 300 ms/);
    expect(told[0]?.message).toBe(`meta stream ${stream.fifo.path}: nobody writes to it`);
  });
});
