/** With the default limits a few sessions that nobody read had all the memory: the eighth was refused, and every range. */
import { expect, test } from "bun:test";
import { RepeatingSource } from "../../src/sources/repeating.ts";
import { SAMPLE } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { expectRows, sampleRows, TestServer } from "./support.ts";

test("as many sessions as SESSIONS_MAX wait for clients, and ranges and one of the sessions are read beside them", async () => {
  await using server = await TestServer.start(await RepeatingSource.open(SAMPLE.folder), { WORKER_COUNT: "2" });
  const ids: string[] = [];
  for (let count = 0; count < 63; count++) ids.push(await server.startSession(1000, 0));
  await until(
    () => ids.every((id) => server.session(id).message.startsWith("waits for a reader: ")),
    "every session waits",
  );
  const read = await server.startSession(1000, 1699);
  const [session, ...ranges] = await Promise.all([
    server.read({ session: read }).rest(),
    ...[1, 2, 3, 4].map((part) =>
      server.read(JSON.stringify({ start_ledger: part * 1000, end_ledger: part * 1000 + 139 })).rest(),
    ),
  ]);
  expectRows(session!, sampleRows(1000, 1699));
  for (const [index, range] of ranges.entries()) {
    expectRows(range, sampleRows((index + 1) * 1000, (index + 1) * 1000 + 139));
  }
  expect(server.session(ids[0]!).message).toMatch(/^waits for a reader: \d+ batch(es are| is) held, /);
}, 120_000);
