/** A lake in a folder: ranges of it, what is missing or bad, and what it is when it is opened. */
import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { CodedError } from "../../src/error.ts";
import { Inflater } from "../../src/sources/file/inflate.ts";
import { Lake, type LakeOptions } from "../../src/sources/lake/lake.ts";
import { BATCH_BYTES_MAX } from "../../src/sources/limits.ts";
import { failureOf } from "../support/failure.ts";
import { SINGLE, TemporaryLake, tinyLedger } from "./lake-fixture.ts";
import { never, readAll, sleep } from "./local-lake-support.ts";

/** Makes a file look as if nobody has written to it for a minute. */
function makeOld(file: string): void {
  const then = Date.now() / 1000 - 60;
  utimesSync(file, then, then);
}

describe("reading a range", () => {
  test("every file in order, over partition boundaries", async () => {
    using lake = new TemporaryLake().putAll(5, 47);
    const source = await Lake.open(lake.folder);
    const objects = await readAll(source, 7, 42);
    expect(objects.map((object) => object.ledgerFirst)).toEqual(Array.from({ length: 36 }, (_, i) => 7 + i));
    const inflater = new Inflater(BATCH_BYTES_MAX);
    for (const { name, ledgerFirst, ledgerLast, encoding, container, bytes } of objects) {
      expect({ name, ledgerLast, encoding, container }).toEqual({
        name: lake.pathOf(ledgerFirst),
        ledgerLast: ledgerFirst,
        encoding: "zstd",
        container: "batch",
      });
      expect(
        Buffer.from(inflater.inflate(name, bytes, "zstd"))
          .subarray(12)
          .equals(tinyLedger(ledgerFirst)),
      ).toBe(true);
    }
  });

  test("several ledgers a file: the first may begin before the start, the last end after the end", async () => {
    using lake = new TemporaryLake({ ledgersPerBatch: 8, batchesPerPartition: 3, extension: "zst" }).putAll(16, 63);
    const source = await Lake.open(lake.folder);
    const objects = await readAll(source, 21, 41);
    expect(objects.map(({ ledgerFirst, ledgerLast }) => [ledgerFirst, ledgerLast])).toEqual([
      [16, 23],
      [24, 31],
      [32, 39],
      [40, 47],
    ]);
    expect(await source.ledgerRange()).toEqual({ ledgerFirst: 16, ledgerLast: 63 });
  });

  test("no partitions; one ledger; the same source twice and at once", async () => {
    using lake = new TemporaryLake({ ledgersPerBatch: 1, batchesPerPartition: 1, extension: "zst" }).putAll(10, 30);
    const source = await Lake.open(lake.folder);
    expect((await readAll(source, 30, 30)).length).toBe(1);
    const [a, b] = await Promise.all([readAll(source, 10, 30), readAll(source, 10, 30)]);
    expect(a.length).toBe(21);
    expect(b.map((object) => object.name)).toEqual(a.map((object) => object.name));
  });

  test("both extensions in one lake", async () => {
    using lake = new TemporaryLake();
    for (let ledger = 1; ledger <= 20; ledger++)
      lake.put(ledger, { ...SINGLE, extension: ledger < 8 ? "zstd" : "zst" });
    expect((await readAll(await Lake.open(lake.folder), 1, 20)).length).toBe(20);
  });

  test("read-ahead is bounded", async () => {
    using lake = new TemporaryLake().putAll(1, 40);
    const fileBytes = statSync(lake.pathOf(1)).size;
    // All files become empty while the reader pauses: what it still yields it had already read.
    const ahead = async (options: LakeOptions) => {
      lake.putAll(1, 40);
      const source = await Lake.open(lake.folder, { growingStillMsMax: 0, ...options });
      const reader = source.read(1, 40, never);
      await reader.next();
      await sleep(50);
      for (let ledger = 1; ledger <= 40; ledger++) writeFileSync(lake.pathOf(ledger), "");
      for (let count = 0; ; count++) if ((await reader.next().catch(() => undefined)) === undefined) return count;
    };
    expect(await ahead({ readAheadFiles: 5 })).toBeLessThanOrEqual(5);
    expect(await ahead({ readAheadFiles: 30, readAheadBytes: 3 * fileBytes + 9 })).toBeLessThanOrEqual(3);
    expect(await ahead({ readAheadFiles: 1 })).toBeLessThanOrEqual(1);
  });

  test("stops without an error when the signal aborts or the source is closed", async () => {
    using lake = new TemporaryLake().putAll(1, 40);
    const source = await Lake.open(lake.folder);
    const stop = new AbortController();
    const seen: number[] = [];
    for await (const { ledgerFirst } of source.read(1, 40, stop.signal)) {
      seen.push(ledgerFirst);
      if (ledgerFirst === 5) stop.abort();
    }
    expect(seen).toEqual([1, 2, 3, 4, 5]);
    expect(await readAll(source, 1, 40, AbortSignal.abort())).toEqual([]);
    await source.close();
    expect(await readAll(source, 1, 40)).toEqual([]);
  });
});

describe("what is not there", () => {
  test("a gap names the ledger and the path", async () => {
    using lake = new TemporaryLake().putAll(1, 40);
    lake.remove(17);
    const source = await Lake.open(lake.folder);
    const seen: number[] = [];
    const run = async () => {
      for await (const { ledgerFirst } of source.read(10, 40, never)) seen.push(ledgerFirst);
    };
    const error = await failureOf(run());
    expect([error.code, error.reason]).toEqual(["NOT_FOUND", "LEDGER_MISSING"]);
    expect(error.message).toContain("ledger 17 is missing");
    expect(error.message).toContain(lake.pathOf(17));
    expect(seen).toEqual([10, 11, 12, 13, 14, 15, 16]);
  });

  test("before the first and after the last ledger", async () => {
    using lake = new TemporaryLake().putAll(11, 40);
    const source = await Lake.open(lake.folder, { settledFileMs: 0 });
    for (const [start, end] of [
      [10, 40],
      [1, 0],
    ] as const) {
      const error = await failureOf(readAll(source, start, end));
      expect([error.code, error.reason]).toEqual(["OUT_OF_RANGE", "LEDGER_BEFORE_SOURCE"]);
      expect(error.message).toContain(`ledger ${start} was asked for`);
      expect(error.message).toContain("holds ledgers 11 to 40");
    }
    const after = await failureOf(readAll(source, 39, 41));
    expect([after.code, after.reason]).toEqual(["OUT_OF_RANGE", "LEDGER_AFTER_SOURCE"]);
    expect(after.message).toContain("ledgers up to 41 were asked for");
    expect(after.message).toContain("holds ledgers 11 to 40");
  });

  test.each([
    [0, 5],
    [5, 4],
    [-1, 0],
    [1.5, 2],
    [1, 2 ** 32],
    [Number.NaN, 0],
  ])("ledgers %p to %p are no range", async (start, end) => {
    using lake = new TemporaryLake().putAll(1, 3);
    const error = await failureOf(readAll(await Lake.open(lake.folder), start, end));
    expect([error.code, error.reason]).toEqual(["INVALID_ARGUMENT", "LEDGER_RANGE_INVALID"]);
  });
});

describe("bad files", () => {
  test("followed, a bad file is corrupt once it is settled with later ones there, and may still come until then", async () => {
    using lake = new TemporaryLake().putAll(1, 9);
    const whole = lake.put(9);
    const halves = { cutOff: whole.subarray(0, whole.length - 1), hole: new Uint8Array(whole).fill(0, 20, -8) };
    const read = async (end: number, settledFileMs: number) => {
      const source = await Lake.open(lake.folder, { growingStillMsMax: 0, settledFileMs });
      const { code, reason, message } = await failureOf(readAll(source, 9, end));
      return [code, reason, message.includes("so the rest may still come")];
    };
    const [young, old] = [60_000, 0];
    writeFileSync(lake.pathOf(9), halves.cutOff);
    expect(await read(0, young)).toEqual(["UNAVAILABLE", "ZSTD_TRUNCATED", true]);
    expect(await read(0, old)).toEqual(["UNAVAILABLE", "ZSTD_TRUNCATED", true]);
    expect(await read(9, young)).toEqual(["UNAVAILABLE", "ZSTD_TRUNCATED", true]);
    expect(await read(9, old)).toEqual(["DATA_LOSS", "ZSTD_TRUNCATED", false]);
    makeOld(lake.pathOf(9)); // as copies do that keep times: the file itself has just come
    expect(await read(9, young)).toEqual(["UNAVAILABLE", "ZSTD_TRUNCATED", true]);
    writeFileSync(lake.pathOf(9), halves.hole);
    expect(await read(0, old)).toEqual(["UNAVAILABLE", "ZSTD_CORRUPT", true]);
    writeFileSync(lake.pathOf(9), halves.cutOff);
    lake.put(10);
    expect(await read(0, young)).toEqual(["UNAVAILABLE", "ZSTD_TRUNCATED", true]);
    expect(await read(0, old)).toEqual(["DATA_LOSS", "ZSTD_TRUNCATED", false]);
    expect(await read(10, young)).toEqual(["DATA_LOSS", "ZSTD_TRUNCATED", false]);
  });

  test("what it tries again is told", async () => {
    using lake = new TemporaryLake().putAll(1, 5);
    const source = await Lake.open(lake.folder, { followPollMs: 2, lateFileMsMax: 60_000 });
    const told: string[] = [];
    const tell = (trouble: CodedError | undefined) => trouble && told.push(`${trouble.reason}: ${trouble.message}`);
    const reader = source.read(6, 0, never, tell);
    const sixth = reader.next();
    await sleep(20);
    expect(told).toEqual([]); // nothing new is no trouble
    lake.put(7);
    while (told.length === 0) await sleep(2);
    expect(told[0]).toStartWith("LEDGER_MISSING: ledger 6 is missing");
    lake.put(6);
    expect((await sixth).value?.ledgerFirst).toBe(6);
    await reader.return(undefined);

    told.length = 0;
    const ahead = source.read(50, 0, never, tell);
    const fiftieth = ahead.next();
    while (told.length === 0) await sleep(2);
    expect(told[0]).toContain("holds ledgers 1 to 7");
    lake.put(50);
    await fiftieth;
    await ahead.return(undefined);
  });

  test("one that stays cut off is corrupt, at once if it is old", async () => {
    using lake = new TemporaryLake().putAll(1, 20);
    const whole = lake.put(9);
    writeFileSync(lake.pathOf(9), whole.subarray(0, whole.length - 1));
    const young = await failureOf(readAll(await Lake.open(lake.folder, { growingStillMsMax: 100 }), 1, 20));
    makeOld(lake.pathOf(9));
    // With the default patience a young file would cost seconds: an old one must not.
    const begun = Date.now();
    const old = await failureOf(readAll(await Lake.open(lake.folder), 1, 20));
    expect(Date.now() - begun).toBeLessThan(4_000);
    for (const error of [young, old]) {
      expect([error.code, error.reason]).toEqual(["DATA_LOSS", "ZSTD_TRUNCATED"]);
      expect(error.message).toContain(lake.pathOf(9));
    }
  });

  test("empty, garbage, a folder or a named pipe in the place of a file, too large, not readable", async () => {
    using lake = new TemporaryLake().putAll(1, 20);
    const source = await Lake.open(lake.folder, { fileBytesMax: 10_000 });
    const read = () => failureOf(readAll(source, 1, 20));

    writeFileSync(lake.pathOf(9), "");
    makeOld(lake.pathOf(9));
    expect((await read()).reason).toBe("ZSTD_TRUNCATED");

    writeFileSync(lake.pathOf(9), "this is not zstd at all");
    expect((await read()).reason).toBe("ZSTD_CORRUPT");

    writeFileSync(lake.pathOf(9), new Uint8Array(10_001));
    const large = await read();
    expect([large.code, large.reason]).toEqual(["RESOURCE_EXHAUSTED", "LAKE_FILE_TOO_LARGE"]);
    expect(large.message).toContain("10001 B, over max 10000 B");

    rmSync(lake.pathOf(9));
    mkdirSync(lake.pathOf(9));
    expect((await read()).reason).toBe("FILE_UNREADABLE");

    rmSync(lake.pathOf(9), { recursive: true });
    Bun.spawnSync(["mkfifo", lake.pathOf(9)]);
    expect((await read()).reason).toBe("FILE_UNREADABLE");

    rmSync(lake.pathOf(9));
    lake.put(9);
    if (process.getuid?.() !== 0) {
      chmodSync(lake.pathOf(9), 0);
      expect((await read()).code).toBe("PERMISSION_DENIED");
    }
  });
});

describe("opening", () => {
  test("without a manifest the names tell the layout", async () => {
    using lake = new TemporaryLake({ ledgersPerBatch: 4, batchesPerPartition: 5, extension: "zstd" }, "none");
    lake.putAll(40, 103);
    lake.write("notes.txt", new Uint8Array(3));
    const source = await Lake.open(lake.folder);
    expect(source.layout).toEqual(lake.layout);
    expect(await source.networkPassphrase()).toBeUndefined();
    expect((await readAll(source, 40, 103)).length).toBe(16);
  });

  test("two layouts in one folder are refused", async () => {
    using lake = new TemporaryLake(SINGLE, "none");
    lake.put(5);
    lake.put(64, { ledgersPerBatch: 8, batchesPerPartition: 4, extension: "zst" });
    const error = await failureOf(Lake.open(lake.folder));
    expect([error.code, error.reason]).toEqual(["DATA_LOSS", "LAKE_LAYOUT"]);
    expect(error.message).toContain("8 ledgers a file, 4 files a partition");
  });

  test("a manifest that says otherwise than the names is refused", async () => {
    using lake = new TemporaryLake(SINGLE, { ledgersPerBatch: 8 });
    lake.put(5);
    const error = await failureOf(Lake.open(lake.folder));
    expect(error.reason).toBe("LAKE_LAYOUT");
    expect(error.message).toContain("says 8 ledgers a file and 10 files a partition");
  });

  test("a bad manifest, no lake, no folder", async () => {
    using lake = new TemporaryLake();
    writeFileSync(lake.path(".config.json"), "{");
    expect((await failureOf(Lake.open(lake.folder))).reason).toBe("LAKE_MANIFEST");
    rmSync(lake.path(".config.json"));
    const empty = await failureOf(Lake.open(lake.folder));
    expect([empty.code, empty.reason]).toEqual(["NOT_FOUND", "LAKE_NOT_FOUND"]);
    expect((await failureOf(Lake.open(lake.path("nowhere")))).reason).toBe("FILE_NOT_FOUND");
    writeFileSync(lake.path("file"), "");
    expect((await failureOf(Lake.open(lake.path("file")))).reason).toBe("LAKE_NOT_FOUND");
  });

  test("ledgerLatest sees the lake grow, and passes over empty partitions", async () => {
    using lake = new TemporaryLake().putAll(1, 5);
    mkdirSync(path.join(lake.folder, "FFFFFFE1--30-39"));
    const source = await Lake.open(lake.folder);
    expect(await source.ledgerLatest()).toBe(5);
    expect(await source.ledgerLatest()).toBe(5);
    lake.putAll(6, 23);
    expect(await source.ledgerLatest()).toBe(23);
    expect(source.description).toBe(`lake ${lake.folder}`);
  });
});
