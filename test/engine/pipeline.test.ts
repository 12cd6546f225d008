/** The pipeline as a whole: order, backpressure, shares of memory, failures. Made ledgers, real workers and rings. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { HubStream } from "../../src/delivery/hub-stream.ts";
import type { EngineStream } from "../../src/engine/engine-stream.ts";
import { planMemory } from "../../src/engine/memory-plan.ts";
import { CodedError } from "../../src/error.ts";
import { decodeCursor } from "../../src/threads/cursor.ts";
import { buildLedger, created, id, scBytes, scU32 } from "../ledger/build.ts";
import { failureMessage } from "../support/failure.ts";
import { MadeSource, plainObject, readAll, TestPipeline } from "../support/pipeline.ts";
import { until } from "../support/until.ts";

/** A ledger of `rows` rows whose values have `valBytes` bytes. */
function ledgerOf(sequence: number, rows: number, valBytes = 20): Uint8Array {
  const changes = Array.from({ length: rows }, (_, row) =>
    created({ contract: id(1 + (row % 3)), key: scU32(row), val: scBytes(new Uint8Array(valBytes).fill(row)) }),
  );
  return buildLedger({ sequence, transactions: [{ operations: [changes] }] });
}

const sequences = (rows: string[]) => rows.map((row) => Number(row.split("|")[0]));
const ascending = (numbers: number[]) => numbers.every((n, i) => i === 0 || n >= numbers[i - 1]!);

let pipeline: TestPipeline;
beforeAll(async () => {
  pipeline = await TestPipeline.start({ workers: 2 });
});
afterAll(async () => {
  await pipeline.close();
  expect(pipeline.threads).toBe(0);
});

describe("order and cursors", () => {
  test("cursors inside a ledger count its own rows, also behind ledgers that have none", async () => {
    const rowsIn = (ledger: number) => (ledger % 2 === 0 ? 0 : 700);
    const source = new MadeSource((ledger) => plainObject(ledger, ledgerOf(ledger, rowsIn(ledger))));
    const [, stream] = await pipeline.open({ source, ledgerEnd: 12, batchRows: 300 });
    let had = 0;
    const { rows } = await readAll(stream, (slot) => {
      had += slot.record.rows;
      const { ledger, row } = slot.record.next;
      let before = 0;
      for (let earlier = 1; earlier < ledger; earlier++) before += rowsIn(earlier);
      expect(before + row).toBe(had);
    });
    expect(rows.length).toBe(6 * 700);
    expect(ascending(sequences(rows))).toBe(true);
  });

  test("when nothing matches, batches without rows carry the progress, and the last one the end", async () => {
    const own = await TestPipeline.start({ workers: 2, flushIntervalMs: 30 });
    const source = new MadeSource(async (ledger) => {
      await new Promise((resolve) => setTimeout(resolve, 10));
      return plainObject(ledger, ledgerOf(ledger, ledger === 3 ? 5 : 0));
    });
    const [, stream] = await own.open({ source, ledgerEnd: 40 });
    const { rows, metadata } = await readAll(stream);
    expect(rows.length).toBe(5);
    expect(metadata.length).toBeGreaterThan(3);
    const complete = metadata.map((batch) => batch.ledger_complete as number);
    expect(ascending(complete)).toBe(true);
    expect(complete.at(-1)).toBe(40);
    expect(decodeCursor(metadata.at(-1)!.cursor as string)).toEqual({ ledger: 41, row: 0 });
    await own.close();
  });

  test("at the tip too, and without a reader progress fills no slots", async () => {
    const own = await TestPipeline.start({ workers: 1, flushIntervalMs: 20 });
    const source = new MadeSource(async (ledger, signal) => {
      while (ledger > 30 && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, 5));
      await new Promise((resolve) => setTimeout(resolve, 8));
      return plainObject(ledger, ledgerOf(ledger, 0));
    });
    const [engineStream, stream] = await own.open({ source, slotsMax: 3 });
    await until(() => stream.log.endPosition.ledger === 31, "ledger 30 is told");
    expect(stream.log.endNumber).toBe(1);
    expect(stream.log.full).toBe(false);
    engineStream.stop();
    await engineStream.over;
    await own.close();
  });
});

describe("backpressure", () => {
  test("without a reader the source is stopped, and moves again at once; nothing in flight stays counted", async () => {
    const source = new MadeSource((ledger) => plainObject(ledger, ledgerOf(ledger, 100)));
    const [engineStream, stream] = await pipeline.open({ source, ledgerEnd: 2000, slotsMax: 4, batchRows: 100 });
    // up to the limit: what would go over it is not begun
    await until(() => stream.log.heldBatches >= 3, "the stream is full");
    let before = -1;
    await until(() => {
      const same = before === source.read_;
      before = source.read_;
      return same && pipeline.engine.inFlight.usedBytes === 0;
    }, "the source rests");
    expect(stream.log.heldBatches).toBeLessThanOrEqual(4);
    const { rows } = await readAll(stream);
    expect(rows.length).toBe(200_000);
    expect(await engineStream.over).toBeUndefined();
    expect(source.open).toBe(0);
    await until(() => pipeline.engine.inFlight.usedBytes === 0, "all is given back");
    expect(stream.waitingSpans).toBe(0);
  }, 60_000);

  test("a stream that stands still holds no worker: another one runs to its end beside it", async () => {
    const make = (ledger: number) => plainObject(ledger, ledgerOf(ledger, 50));
    const [stalled, stalledStream] = await pipeline.open({ source: new MadeSource(make), slotsMax: 1, batchRows: 50 });
    await until(() => stalledStream.log.full, "the first stream is full");
    const [, stream] = await pipeline.open({ source: new MadeSource(make), ledgerEnd: 300 });
    expect((await readAll(stream)).rows.length).toBe(15_000);
    stalled.stop();
    await stalled.over;
    stalled.forget();
  });

  test("ledgers in flight are bounded in bytes over all streams, and a larger one goes through alone", async () => {
    const memory = { ...planMemory(64 << 20, 2), inFlightBytesMax: 300_000 };
    const own = await TestPipeline.start({ workers: 2, memory });
    let most = 0;
    const source = () =>
      new MadeSource((ledger) => {
        most = Math.max(most, own.engine.inFlight.usedBytes);
        return plainObject(ledger, ledgerOf(ledger, 100, ledger % 50 === 0 ? 8000 : 100));
      });
    const streams = await Promise.all([1, 2, 3].map(() => own.open({ source: source(), ledgerEnd: 200 })));
    const all = await Promise.all(streams.map(([, stream]) => readAll(stream)));
    expect(all.map(({ rows }) => rows.length)).toEqual([20_000, 20_000, 20_000]);
    expect(most).toBeGreaterThan(100_000);
    expect(most).toBeLessThan(900_000); // the large ledger
    await until(() => own.engine.inFlight.usedBytes === 0, "all is given back");
    expect(own.engine.inFlight.waiting).toBe(0);
    await own.close();
  }, 60_000);
});

describe("memory", () => {
  const make = (ledger: number) => plainObject(ledger, ledgerOf(ledger, 100, 2000));

  test("one stream too many is refused with both numbers; its place comes back with another's end", async () => {
    const memory = { ...planMemory(64 << 20, 1), streamsBytesMax: 14 << 20 };
    const own = await TestPipeline.start({ workers: 1, memory, streamsMax: 3 });
    const open = () => own.open({ source: new MadeSource(make), slotsMax: 100 });
    const streams = [await open(), await open(), await open()];
    const openAll = async () => {
      for (;;) streams.push(await open());
    };
    const refusal = await failureMessage(openAll());
    expect(refusal).toMatch(
      /needs 2 MiB for its batches, and (0|1)(\.\d)? of the 14 MiB that MAX_MEMORY_MB leaves for them are free \(\d streams/,
    );
    const [first] = streams[0]!;
    first.stop();
    await first.over;
    first.forget();
    await until(() => own.engine.stream(first.number) === undefined, "the first stream is gone");
    await open();
    await own.close();
  });

  test("64 streams that nobody reads begin, and another is read to its end at once; all within the limit", async () => {
    const streamsBytesMax = 280 << 20;
    const memory = { ...planMemory(512 << 20, 2), streamsBytesMax };
    const own = await TestPipeline.start({ workers: 2, memory, streamsMax: 64 + 4 });
    const source = () => new MadeSource(make);
    let retainedMost = 0;
    const looking = setInterval(() => {
      retainedMost = Math.max(retainedMost, own.hub.slotBytes.retained);
    }, 5);
    const unread: [EngineStream, HubStream][] = [];
    for (let index = 0; index < 64; index++) unread.push(await own.open({ source: source() }));
    await until(() => unread.every(([{ cell }]) => !cell.open && cell.get("batches") > 0), "all wait for a reader");

    const [read, readStream] = await own.open({ source: source(), ledgerEnd: 200, kind: "range" });
    const { rows } = await readAll(readStream);
    expect(rows.length).toBe(200 * 100);
    expect(await read.over).toBeUndefined();
    read.forget();

    // One that has waited is read: it is lent more, though those before it hold what they hold.
    const [engineStream, stream] = unread.at(-1)!;
    const before = engineStream.retainedBytesMax;
    const reader = stream.log.join(0);
    stream.cell.set("clients", 1);
    await until(() => engineStream.retainedBytesMax > before + (8 << 20), "its share grows");
    let batches = 0;
    while (batches < 100) {
      (await reader.next(() => 0))!.release();
      batches += 1;
    }
    clearInterval(looking);
    expect(retainedMost).toBeGreaterThan(64 << 20);
    expect(retainedMost).toBeLessThan(streamsBytesMax);
    await own.close();
  }, 60_000);

  test("a stream that is alone has its whole share, gives of it to others, and gets it back", async () => {
    const memory = { ...planMemory(64 << 20, 1), streamsBytesMax: 64 << 20 };
    const own = await TestPipeline.start({ workers: 1, memory, streamsMax: 4 });
    const whole = 16 * 1.25 * (1 << 20);
    const open = () => own.open({ source: new MadeSource(make), slotsMax: 16, kind: "range" });
    const [first, firstStream] = await open();
    expect(first.retainedBytesMax).toBe(whole);
    const reader = firstStream.log.join(0);
    while (firstStream.log.retainedBytes < whole / 2 || firstStream.log.heldBytes > whole / 2) {
      (await reader.next(() => 0))!.release(); // consumed batches stay, as far as nobody else needs their room
    }
    const others = [await open(), await open(), await open()].map(([stream]) => stream);
    const all = [first, ...others];
    expect(all.reduce((sum, { retainedBytesMax }) => sum + retainedBytesMax, 0)).toBeLessThanOrEqual(64 << 20);
    for (let batch = 0; batch < 20; batch++) (await reader.next(() => 0))!.release();
    await until(() => all.every(({ retainedBytesMax }) => retainedBytesMax === 16 << 20), "all have as much");
    for (const other of others) {
      other.stop();
      other.forget();
    }
    await until(() => first.retainedBytesMax === whole, "it has its whole share again");
    await own.close();
  });

  test("what finished streams retain makes room for new ones, and is not lost to the limit", async () => {
    const memory = { ...planMemory(64 << 20, 1), streamsBytesMax: 20 << 20 };
    const own = await TestPipeline.start({ workers: 1, memory });
    for (let round = 0; round < 6; round++) {
      const [engineStream, stream] = await own.open({ source: new MadeSource(make), ledgerEnd: 25 });
      const held = await readAll(stream);
      expect(held.rows.length).toBe(2500);
      expect(await engineStream.over).toBeUndefined();
      await until(() => own.hub.slotBytes.retained <= 20 << 20, "retained batches are within the limit");
    }
    await own.close();
  });

  test("a share holds also where batches are much larger than expected", async () => {
    const memory = { ...planMemory(64 << 20, 1), streamsBytesMax: 16 << 20 };
    const own = await TestPipeline.start({ workers: 1, memory });
    const [engineStream, stream] = await own.open({ source: new MadeSource(make), slotsMax: 1000 });
    await until(() => stream.log.heldBytes > 6 << 20, "the share is used");
    await new Promise((resolve) => setTimeout(resolve, 100));
    // over it by no more than one span that was begun before
    expect(stream.log.heldBytes).toBeLessThan(engineStream.retainedBytesMax + (2 << 20));
    await own.close();
  });
});

describe("failures", () => {
  const make = (ledger: number) => plainObject(ledger, ledgerOf(ledger, 50));
  const damaged = (ledger: number) => {
    const bytes = ledgerOf(ledger, 50);
    return plainObject(ledger, bytes.subarray(0, bytes.length - 1000));
  };

  test("a ledger that cannot be decoded ends its stream with ledger, offset and path, after all rows before it", async () => {
    const source = new MadeSource((ledger) => (ledger === 70 ? damaged(ledger) : make(ledger)));
    const [engineStream, stream] = await pipeline.open({ source, ledgerEnd: 200 });
    const rows: number[] = [];
    const reading = readAll(stream, (slot) => {
      for (let row = 0; row < slot.record.rows; row++) rows.push(0);
    });
    expect(await failureMessage(reading)).toMatch(
      /^ledger 70: made ledger 70: .*\(.* at byte \d+, LedgerCloseMeta\.v1\./,
    );
    expect(rows.length).toBe(69 * 50);
    expect((await engineStream.over)?.code).toBe("DATA_LOSS");
    await until(() => pipeline.engine.inFlight.usedBytes === 0 && source.open === 0, "everything is freed");
  });

  test("ON_ERROR=skip leaves such ledgers out, counts them, and says so in the next batch", async () => {
    const own = await TestPipeline.start({ workers: 2, onError: "skip" });
    const source = new MadeSource((ledger) => (ledger % 30 === 0 ? damaged(ledger) : make(ledger)));
    const [engineStream, stream] = await own.open({ source, ledgerEnd: 120 });
    const { rows, metadata } = await readAll(stream);
    expect(rows.length).toBe(116 * 50);
    expect(sequences(rows)).not.toContain(60);
    expect(metadata.flatMap((batch) => (batch.skipped_ledgers as number[] | undefined) ?? [])).toEqual([
      30, 60, 90, 120,
    ]);
    expect(metadata.at(-1)!.ledger_complete).toBe(120);
    expect([engineStream.cell.get("ledgersSkipped"), engineStream.cell.get("ledgers")]).toEqual([4, 116]);
    await own.close();
  });

  test("skip also holds for what the source finds damaged, but not for a source that is broken", async () => {
    const own = await TestPipeline.start({ workers: 2, onError: "skip" });
    const source = new MadeSource((ledger) => {
      if (ledger % 10 === 5) throw new CodedError("DATA_LOSS", "ZSTD_CORRUPT", `file of ${ledger} is cut off`);
      return make(ledger);
    });
    const [, stream] = await own.open({ source, ledgerEnd: 35 });
    const { rows, metadata } = await readAll(stream);
    expect(rows.length).toBe(31 * 50);
    expect(metadata.flatMap((batch) => (batch.skipped_ledgers as number[] | undefined) ?? [])).toEqual([5, 15, 25, 35]);
    expect(metadata.at(-1)!.ledger_complete).toBe(35);
    const broken = new MadeSource(() => {
      throw new CodedError("DATA_LOSS", "LAKE_LAYOUT", "this is no lake");
    });
    const [, second] = await own.open({ source: broken });
    expect(await failureMessage(readAll(second))).toContain("this is no lake");
    await own.close();
  });

  test("a thread that dies takes only the streams with work on it; the pool heals, and nothing is left", async () => {
    const own = await TestPipeline.start({ workers: 2 });
    let killed = false;
    for (let round = 0; round < 4; round++) {
      killed = false;
      const source = new MadeSource(make); // as fast as can be: both workers have spans
      const [engineStream, stream] = await own.open({ source, ledgerEnd: 100_000 });
      const reading = readAll(stream, async () => {
        if (!killed) killed = await own.killWorker(round);
      });
      expect(await failureMessage(reading)).toMatch(
        /decode worker \d died: worker exited with code: .*; ledger \d+ is the last complete one/,
      );
      expect((await engineStream.over)?.reason).toBe("WORKER_DIED");
      engineStream.forget();
      await until(() => source.open === 0 && own.engine.inFlight.usedBytes === 0, "everything is freed");
      // the next stream finds a whole pool
      const [, next] = await own.open({ source: new MadeSource(make), ledgerEnd: 20 });
      expect((await readAll(next)).rows.length).toBe(1000);
    }
    expect(own.deaths.length).toBe(4);
    await own.close();
    expect(own.threads).toBe(0);
  });

  test("closing ends workers that wait for room in their rings", async () => {
    const own = await TestPipeline.start({ workers: 2 });
    own.hub.close(); // nobody takes batches any more
    const begun = performance.now();
    void own.engine.open({
      id: "x",
      source: new MadeSource(make),
      start: { ledger: 1, row: 0 },
      ledgerEnd: 0,
      filters: [{ ledgerFrom: 1, filter: {} }],
      schemaVersion: 1,
      compression: "none",
      batchRows: 0,
      slotsMax: 10,
    });
    await own.pool.close(0);
    expect(performance.now() - begun).toBeLessThan(4000);
    expect(own.threads).toBe(0);
  });
});
