/** Defect 3: two clients of one stream each got a disjoint half of it. */
import { expect, test } from "bun:test";
import { RepeatingSource } from "../../src/sources/repeating.ts";
import { SAMPLE } from "../support/processor.ts";
import { expectRows, sampleRows, TestServer } from "./support.ts";

const FIRST = 5000;
const LAST = FIRST + 139;

test("every client of a session gets the whole of it, whenever it comes and however it asks", async () => {
  await using server = await TestServer.start(await RepeatingSource.open(SAMPLE.folder), { WORKER_COUNT: "2" });
  const id = await server.startSession(FIRST, LAST, 100);
  const expected = sampleRows(FIRST, LAST);
  const early = [
    server.read({ session: id }),
    server.read({ session: id, from: "start" }),
    server.read("contract-data-stream"),
  ];
  for (const reader of early) await reader.next();
  await Promise.all(early.map((reader) => reader.rest()));
  await server.reached(id, "STOPPED");
  const late = await server.read({ session: id, from: "start" }).rest();
  for (const reader of [...early, late]) expectRows(reader, expected);
  // Each batch is the same one for everybody, cursor and all.
  const metadata = late.batches.map((batch) => batch.metadata);
  for (const reader of early) expect(reader.batches.map((batch) => batch.metadata)).toEqual(metadata);
});

test("each takes its own time", async () => {
  await using server = await TestServer.start(await RepeatingSource.open(SAMPLE.folder), { CHANNEL_BUFFER_SIZE: "8" });
  const id = await server.startSession(FIRST, LAST, 100);
  const readers = [1, 3, 10].map((pauseEvery) => ({ pauseEvery, reader: server.read({ session: id, from: "start" }) }));
  // all have joined before any reads on: what nobody needs any more makes room for what comes
  await Promise.all(readers.map(({ reader }) => reader.next()));
  await Promise.all(
    readers.map(async ({ pauseEvery, reader }) => {
      while ((await reader.next()) !== undefined) if (reader.batches.length % pauseEvery === 0) await Bun.sleep(1);
    }),
  );
  const expected = sampleRows(FIRST, LAST);
  for (const { reader } of readers) expectRows(reader, expected);
});
