/** Defect 16, when it is not a ledger that is broken but a worker: its sessions say so, the others never notice. */
import { expect, test } from "bun:test";
import { settlesWithin } from "../../src/base/settles-within.ts";
import { RepeatingSource } from "../../src/sources/repeating.ts";
import { SAMPLE } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { CountedSource, cursorOf, expectRows, sampleRows, TestServer, untilHeldBack } from "./support.ts";
import { recordThreads } from "./threads.ts";

const FIRST = 1000;
const FAR = FIRST + 1_000_000; // no test comes so far
const FAILURE_MS_MAX = 2000; // from a worker's death to the failure of a call that had work on it; more is another try

test("a decode worker that dies takes the sessions with work on it with it, and is replaced", async () => {
  using threads = recordThreads();
  const source = new CountedSource(await RepeatingSource.open(SAMPLE.folder));
  await using server = await TestServer.start(source, { WORKER_COUNT: "2", CHANNEL_BUFFER_SIZE: "3" });

  // One that is held back by its client, with all that it began in order: it has nothing on any worker.
  const waiting = await server.startSession(FIRST, FIRST + 349, 100);
  await untilHeldBack(source, () => server.session(waiting));
  // One that works all the time; it has an end, so that it is not resumed by itself.
  const busy = await server.startSession(FIRST, FAR, 100);
  const reader = server.read({ session: busy });
  await reader.next();
  const reading = reader.failure();
  await until(() => server.session(busy).ledgerCurrent > FIRST + 100, "it is well under way");
  expect(threads.decoders.length).toBe(2);
  // One of the two ends, and the one in its place, until it had work at that very moment.
  for (let worker = threads.decoders[0]!, deaths = 1; ; worker = threads.decoders.at(-1)!, deaths++) {
    await worker.terminate();
    await until(() => threads.decoders.length === 2 + deaths, "the worker is replaced");
    if (await settlesWithin(reading, FAILURE_MS_MAX)) break;
  }

  const failure = await reading;
  expect({ code: failure.code, reason: failure.reason }).toEqual({ code: "INTERNAL", reason: "WORKER_DIED" });
  const session = await server.reached(busy, "ERROR");
  expect(session.error).toMatchObject({ reason: "WORKER_DIED", message: failure.message });
  expect(failure.message).toMatch(/ledger \d+/);
  // What it had delivered is right, and the cursor goes on right behind it.
  const { ledger_last } = reader.batches.at(-1)!.metadata;
  expectRows(reader, sampleRows(FIRST, ledger_last).slice(0, reader.rows));
  expect(cursorOf(failure)).toBe(reader.cursor);
  expect(server.log.some((line) => line.includes("a decode worker died and is replaced"))).toBe(true);

  // The pool is whole again: the other session goes through, and so do new ones, on both workers.
  expectRows(await server.read({ session: waiting }).rest(), sampleRows(FIRST, FIRST + 349));
  const next = await server.startSession(FIRST, FIRST + 139, 50);
  expectRows(await server.read({ session: next }).rest(), sampleRows(FIRST, FIRST + 139));
  expect((await server.reached(next, "STOPPED")).errors).toBe(0);
  expect((await server.get("/health")).status).toBe(200);
});

test("workers that die with nothing to do are replaced, and no session notices", async () => {
  using threads = recordThreads();
  const source = new CountedSource(await RepeatingSource.open(SAMPLE.folder));
  await using server = await TestServer.start(source, { WORKER_COUNT: "2", CHANNEL_BUFFER_SIZE: "3" });
  for (const _worker of [1, 2]) {
    const session = await server.startSession(FIRST, FIRST + 139, 50); // each begins with another worker
    expectRows(await server.read({ session }).rest(), sampleRows(FIRST, FIRST + 139));
  }
  expect(threads.decoders.length).toBe(2);
  const takenBefore = source.taken;
  const waiting = await server.startSession(FIRST, FIRST + 349, 100);
  await untilHeldBack(source, () => server.session(waiting), takenBefore);
  await Promise.all(threads.decoders.slice().map((worker) => worker.terminate()));
  await until(() => threads.decoders.length === 4, "both are replaced");
  expect(server.session(waiting)).toMatchObject({ state: "RUNNING", errors: 0 });
  expectRows(await server.read({ session: waiting }).rest(), sampleRows(FIRST, FIRST + 349));
  expect((await server.reached(waiting, "STOPPED")).errors).toBe(0);
});
