/** A lake that grows while it is read. */
import { describe, expect, test } from "bun:test";
import { appendFileSync, writeFileSync } from "node:fs";
import { Lake } from "../../src/sources/lake/lake.ts";
import { failureOf } from "../support/failure.ts";
import { TemporaryLake } from "./lake-fixture.ts";
import { never, readAll, sleep } from "./local-lake-support.ts";

describe("following the tip", () => {
  const options = { followPollMs: 2, lateFileMsMax: 300 };

  test("new files are handed out as they come, over a partition boundary", async () => {
    using lake = new TemporaryLake().putAll(1, 5);
    const source = await Lake.open(lake.folder, options);
    const stop = new AbortController();
    const seen: number[] = [];
    const writer = (async () => {
      for (let ledger = 6; ledger <= 25; ledger++) {
        await sleep(5);
        lake.put(ledger);
      }
    })();
    for await (const { ledgerFirst } of source.read(3, 0, stop.signal)) {
      seen.push(ledgerFirst);
      if (ledgerFirst === 25) stop.abort();
    }
    await writer;
    expect(seen).toEqual(Array.from({ length: 23 }, (_, i) => 3 + i));
    expect(await source.ledgerLatest()).toBe(25);
  });

  test("a lake that is still empty", async () => {
    using lake = new TemporaryLake();
    const source = await Lake.open(lake.folder, options);
    expect(await source.ledgerLatest()).toBeUndefined();
    expect((await failureOf(readAll(source, 3, 9))).reason).toBe("LEDGER_AFTER_SOURCE");
    const reader = source.read(3, 0, never);
    const first = reader.next();
    await sleep(20);
    lake.put(3);
    expect((await first).value?.ledgerFirst).toBe(3);
    await reader.return(undefined);
  });

  test("waiting ends at once, and quietly, when the signal aborts", async () => {
    using lake = new TemporaryLake().putAll(1, 5);
    const source = await Lake.open(lake.folder, { followPollMs: 60_000 });
    const stop = new AbortController();
    const seen: number[] = [];
    for await (const { ledgerFirst } of source.read(4, 0, stop.signal)) {
      seen.push(ledgerFirst);
      if (ledgerFirst === 5) setTimeout(() => stop.abort(), 30); // while it waits for the next look, a minute away
    }
    expect(seen).toEqual([4, 5]);
  });

  test("files that come newest first are waited for", async () => {
    using lake = new TemporaryLake().putAll(1, 5);
    const source = await Lake.open(lake.folder, { followPollMs: 2, lateFileMsMax: 30_000 });
    const stop = new AbortController();
    const seen: number[] = [];
    const writer = (async () => {
      for (let ledger = 12; ledger >= 6; ledger--) {
        lake.put(ledger);
        await sleep(10);
      }
    })();
    for await (const { ledgerFirst } of source.read(5, 0, stop.signal)) {
      seen.push(ledgerFirst);
      if (ledgerFirst === 12) stop.abort();
    }
    await writer;
    expect(seen).toEqual([5, 6, 7, 8, 9, 10, 11, 12]);
  });

  test("a file that never comes is a gap", async () => {
    using lake = new TemporaryLake().putAll(1, 5);
    lake.put(7);
    const source = await Lake.open(lake.folder, options);
    const error = await failureOf(readAll(source, 5, 0));
    expect([error.code, error.reason]).toEqual(["NOT_FOUND", "LEDGER_MISSING"]);
    expect(error.message).toContain("ledger 6 is missing");
  });

  test("a gap before files of another layout names both layouts", async () => {
    using lake = new TemporaryLake().putAll(60, 63);
    const source = await Lake.open(lake.folder, options);
    const failed = failureOf(readAll(source, 60, 0));
    lake.put(64, { ledgersPerBatch: 8, batchesPerPartition: 4, extension: "zst" });
    const error = await failed;
    expect([error.code, error.reason]).toEqual(["NOT_FOUND", "LEDGER_MISSING"]);
    expect(error.message).toContain("ledger 64 is missing");
    expect(error.message).toContain(
      "FFFFFFBF--64-95/FFFFFFBF--64-71.xdr.zst, is of another lake or of changed settings (8 ledgers a file, 4 files a partition, and the lake has 1 ledgers a file, 10 files a partition)",
    );
  });

  test("a file that is still being written is waited for", async () => {
    using lake = new TemporaryLake().putAll(1, 5);
    const whole = lake.put(6);
    writeFileSync(lake.pathOf(6), "");
    const source = await Lake.open(lake.folder, options);
    const reader = source.read(6, 0, never);
    const next = reader.next();
    for (let at = 0; at < whole.length; at += 20) {
      await sleep(3);
      appendFileSync(lake.pathOf(6), whole.subarray(at, at + 20));
    }
    const { value } = await next;
    expect(Buffer.from(value!.bytes).equals(whole)).toBe(true);
    await reader.return(undefined);
  });
});
