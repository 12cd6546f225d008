/** Who has which chunk, with workers that live and workers that are lost, by a clock that the test moves. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ChunkBoard } from "../../src/backfill/chunk-board.ts";
import { putJob } from "../../src/backfill/job.ts";
import { LeaseQueue } from "../../src/backfill/lease-queue.ts";
import { LostWorkers } from "../../src/backfill/lost-workers.ts";
import { workerKey } from "../../src/backfill/worker-beat.ts";
import { settlesWithin } from "../../src/base/settles-within.ts";
import { CodedError } from "../../src/error.ts";
import { claimRange } from "../../src/export/ranges.ts";
import { jsonBytes, manifestKey } from "../../src/export/settings.ts";
import { openTarget } from "../../src/export/target.ts";
import { FolderStorage } from "../../src/sources/lake/lake-storage.ts";

const scratch = mkdtempSync(join(tmpdir(), "leases-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const LEASE_MS = 60; // also how long a queue sleeps between looks, six times over
const never = new AbortController().signal;
let places = 0;

/** A job of `chunks` chunks, and its workers by name. */
async function jobOf(chunks: number, triesMax = 2) {
  const storage = new FolderStorage(join(scratch, String(places++)));
  const choice = {
    dataset: "contract_data",
    networkPassphrase: "",
    filters: {},
    knownAssets: [],
    partitionBy: "ledger-range",
  } as const;
  const target = await openTarget(storage, { ...choice, chunkLedgers: 10 });
  const range = { ledgerFirst: 10, ledgerLast: 10 * chunks + 9 };
  await claimRange(storage, range);
  const job = (await putJob(storage, 1, { range, leaseMs: LEASE_MS, triesMax }))!;
  const clock = { ms: 0 };
  const queue = async (name: string, index = 0) => {
    const board = await ChunkBoard.open(target, job);
    return new LeaseQueue(board, new LostWorkers(storage, job, () => clock.ms), name, index, LEASE_MS);
  };
  let beats = 0;
  const beat = (name: string) => storage.replace(workerKey(job, name), jsonBytes({ beat: beats++ }));
  const done = (ledgerFirst: number) =>
    storage.putIfAbsent(manifestKey({ ledgerFirst, ledgerLast: ledgerFirst + 9 }), new Uint8Array(1));
  return { storage, target, job, clock, queue, beat, done };
}

/** Not while `waiting` waits for others. */
const soon = <T>(waiting: Promise<T>): Promise<T | "waits"> =>
  Promise.race([waiting, Bun.sleep(3 * LEASE_MS).then(() => "waits" as const)]);

/** What comes of waiting once a lease is over, as the clock counts from the first look on. */
async function leaseOver<T>(clock: { ms: number }, waiting: Promise<T>): Promise<T> {
  expect(await soon(waiting)).toBe("waits");
  while (!(await settlesWithin(waiting, LEASE_MS))) clock.ms += LEASE_MS;
  return waiting;
}

describe("a chunk", () => {
  test("has one worker, whoever comes at the same instant", async () => {
    const { queue } = await jobOf(6);
    const workers = await Promise.all(["a", "b", "c", "d", "e", "f"].map((name) => queue(name)));
    const taken = await Promise.all(workers.map((each) => each.take(never)));
    expect(taken.map((each) => each!.chunk.ledgerFirst).sort()).toEqual([10, 20, 30, 40, 50, 60]);
  });

  test("is taken from a worker only after it has renewed nothing for a lease", async () => {
    const { clock, queue, beat, done } = await jobOf(1);
    await beat("a");
    expect((await (await queue("a")).take(never))!.number).toBe(1);
    const waiting = (await queue("b")).take(never);
    for (let turn = 0; turn < 3; turn++) {
      clock.ms += LEASE_MS - 1; // an eternity of these, and it is renewed each time
      expect(await soon(waiting)).toBe("waits");
      await beat("a");
      await Bun.sleep(LEASE_MS);
    }
    expect(await leaseOver(clock, waiting)).toMatchObject({ number: 2, chunk: { ledgerFirst: 10 } });
    await done(10); // by the first one, which was only slow
    expect(await (await queue("c")).take(never)).toBeUndefined();
  });

  test("that loses its workers is set aside after as many tries as there may be", async () => {
    const { clock, queue, target, job } = await jobOf(1);
    await (await queue("a")).take(never);
    expect((await leaseOver(clock, (await queue("b")).take(never)))!.number).toBe(2);
    expect(await leaseOver(clock, (await queue("c")).take(never))).toBeUndefined();
    const board = await ChunkBoard.open(target, job);
    expect(board.in("set aside").length).toBe(1);
    const why = await board.log.reasonOf(board.chunks[0]!, board.triesOf(board.chunks[0]!));
    expect(why).toMatchObject({ reason: "BACKFILL_WORKER_LOST", message: expect.stringContaining("worker b") });
  });

  test("that was returned or has failed is tried again behind the others", async () => {
    const { queue } = await jobOf(2);
    const [a, b] = [await queue("a"), await queue("b")];
    const given = (await a.take(never))!;
    await given.giveUp("failed", new CodedError("DATA_LOSS", "CHAIN_BROKEN", "no"));
    expect((await b.take(never))!.chunk.ledgerFirst).toBe(20);
    const again = (await b.take(never))!;
    expect([again.chunk.ledgerFirst, again.number]).toEqual([10, 2]);
    for (let number = 2; number < 6; number++) {
      const tried = number === 2 ? again : (await b.take(never))!;
      expect(tried.number).toBe(number);
      await tried.giveUp("returned", new CodedError("UNAVAILABLE", "BACKFILL_WORKER_STOPPED", "asked to end"));
    }
  });

  test("whose answer was lost is the worker's own", async () => {
    const { queue, storage } = await jobOf(1);
    const putIfAbsent = storage.putIfAbsent.bind(storage);
    const a = await queue("a");
    storage.putIfAbsent = async (key, bytes) => {
      await putIfAbsent(key, bytes);
      return false; // as a store says whose first answer has not come
    };
    expect(await a.take(never)).toMatchObject({ number: 1, chunk: { ledgerFirst: 10 } });
  });
});
