/** Threads of decode workers begin with the first work for them. */
import { expect, test } from "bun:test";
import { RepeatingSource } from "../../src/sources/repeating.ts";
import { CountedSource, expectRows, sampleRows, TestServer } from "../regressions/support.ts";
import { recordThreads } from "../regressions/threads.ts";
import { SAMPLE } from "../support/processor.ts";

const FIRST = 1000;
const WORKERS = 8;

test("a server without a session has no decode threads, and then no more than it has spans for", async () => {
  using threads = recordThreads();
  const source = new CountedSource(await RepeatingSource.open(SAMPLE.folder));
  await using server = await TestServer.start(source, { WORKER_COUNT: String(WORKERS) });
  expect((await server.get("/ready")).status).toBe(200);
  expect(threads.decoders).toEqual([]);

  const one = await server.startSession(FIRST, FIRST, 50); // one ledger is one span
  expectRows(await server.read({ session: one }).rest(), sampleRows(FIRST, FIRST));
  expect(threads.decoders.length).toBe(1);

  const many = await server.startSession(FIRST, FIRST + 349, 50);
  expectRows(await server.read({ session: many }).rest(), sampleRows(FIRST, FIRST + 349));
  expect(threads.decoders.length).toBe(WORKERS);
});
