/** Defect 2: a slow client made the server drop the oldest batches, silently. */
import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { RepeatingSource } from "../../src/sources/repeating.ts";
import { buildLedger, created, scBytes, scU32 } from "../ledger/build.ts";
import { SAMPLE } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { CountedSource, cursorOf, expectRows, keysOf, MadeSource, sampleRows, TestServer } from "./support.ts";

test("a client alone may be as slow as it likes: the source waits, and it gets every row", async () => {
  const source = new CountedSource(await RepeatingSource.open(SAMPLE.folder));
  const settings = { CHANNEL_BUFFER_SIZE: "3", SLOW_CLIENT_GRACE: "1ms", WORKER_COUNT: "2" };
  await using server = await TestServer.start(source, settings);
  const id = await server.startSession(1000, 1499, 300);
  const reader = server.read({ session: id });
  await reader.next();
  // Until what is on its way to this client has filled up, and then the stream, and then the source's way.
  let still = 0;
  let taken = 0;
  await until(async () => {
    still = source.ledgers === taken ? still + 1 : 0;
    taken = source.ledgers;
    await Bun.sleep(10);
    return still > 20;
  }, "the source is held back");
  expect(taken).toBeLessThan(500);
  while ((await reader.next()) !== undefined) await Bun.sleep(1);
  expectRows(reader, sampleRows(1000, 1499));
  expect((await server.reached(id, "STOPPED")).entriesProcessed).toBe(reader.rows);
});

test("one that holds up another is ended with RESOURCE_EXHAUSTED and a cursor that goes on exactly there", async () => {
  const slots = 8;
  const rowsEach = 24;
  const value = randomBytes(32 << 10); // 24 of these in base64 make a batch of a MiB, so that few fill the connection
  const allowed = { ledgers: 0, more: () => {} };
  const source = new MadeSource(async (sequence) => {
    while (sequence > allowed.ledgers) {
      await new Promise<void>((resolve) => {
        allowed.more = resolve;
      });
    }
    const data = Array.from({ length: rowsEach }, (_, key) => created({ key: scU32(key), val: scBytes(value) }));
    return buildLedger({ sequence, transactions: [{ operations: [data] }] });
  });
  const allow = (ledger: number) => {
    allowed.ledgers = ledger;
    allowed.more();
  };
  const settings = { CHANNEL_BUFFER_SIZE: `${slots}`, SLOW_CLIENT_GRACE: "1s", MAX_MEMORY_MB: "4096" };
  await using server = await TestServer.start(source, settings);
  const id = await server.startSession(1, 0);
  const sent = async () => (await server.metrics()).get("contract_data_flight_records_streamed_total")! / rowsEach;

  const slow = server.read({ session: id, from: "start" });
  const fast = server.read({ session: id, from: "start" });
  allow(1);
  await Promise.all([slow.next(), fast.next()]);
  let lookedAt = 0;
  await until(async () => {
    if (server.session(id).clients === 1) return true;
    // A batch at a time, so that the stream is full and no fuller: then all that the slow client lacks is still held.
    const onTheWay = (await sent()) - fast.batches.length + 1;
    const isMoving = onTheWay !== lookedAt;
    lookedAt = onTheWay;
    if (isMoving || allowed.ledgers - onTheWay >= slots) return false;
    allow(allowed.ledgers + 1);
    await fast.next();
    return false;
  }, "the slow client is ended");

  const error = await slow.failure();
  expect({ code: error.code, reason: error.reason }).toEqual({ code: "RESOURCE_EXHAUSTED", reason: "SLOW_CLIENT" });
  expect(error.message).toContain("over 1000 ms");
  expect(error.message).toContain("the app_metadata of the last batch");
  expect(allowed.ledgers - slow.batches.length).toBe(slots);
  const cursor = cursorOf(error)!;
  expect(cursor).toBe(slow.cursor!);

  const resumed = server.read({ session: id, from: cursor });
  await resumed.next();
  for (let more = 0; more < 3; more++) {
    allow(allowed.ledgers + 1);
    await Promise.all([fast.next(), resumed.next()]);
  }
  await server.control.stopProcessing({ sessionId: id });
  await Promise.all([fast.rest(), resumed.rest()]);
  expect(fast.rows).toBe(rowsEach * server.session(id).ledgerCurrent);
  expect(keysOf([...slow.batches, ...resumed.batches])).toEqual(keysOf(fast.batches));
});

test("one that still reads when its session is long over, and others too, loses nothing", async () => {
  const settings = { CHANNEL_BUFFER_SIZE: "1000", MAX_MEMORY_MB: "8192", SESSIONS_MAX: "8" };
  await using server = await TestServer.start(await RepeatingSource.open(SAMPLE.folder), settings);
  const id = await server.startSession(1000, 1499, 300);
  const reader = server.read({ session: id });
  await reader.next();
  await server.reached(id, "STOPPED");
  for (let other = 0; other < 8; other++) {
    const session = await server.startSession(5000, 5006);
    await server.read({ session }).rest();
    await server.reached(session, "STOPPED");
  }
  // Were its batches given up, it would have to be told so, never that this is all.
  expectRows(await reader.rest(), sampleRows(1000, 1499));
});
