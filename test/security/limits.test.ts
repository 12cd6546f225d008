/** Limits of a name, and the audit log. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { CodedError } from "../../src/error.ts";
import type { FlightClient } from "../../src/flight-client/client.ts";
import { SAMPLE } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { bearer, type GuardedServer, startGuarded } from "./support.ts";

const LEDGERS = { startLedger: SAMPLE.first, endLedger: SAMPLE.last };
const RANGE = Buffer.from(JSON.stringify({ start_ledger: SAMPLE.first, end_ledger: 0 })); // it goes on for ever
const reasonOf = (thrown: unknown) => CodedError.from(thrown).reason;

let server: GuardedServer;

beforeAll(async () => {
  server = await startGuarded({ LOG_LEVEL: "error", SOURCE_ENDPOINT: `repeat:${SAMPLE.folder}` });
}, 60_000);

afterAll(async () => {
  await server.close();
});

/** Reads until its first batch; `end` leaves. */
async function reading(client: FlightClient, ticket: Uint8Array) {
  const leave = new AbortController();
  const batches = client.doGet(ticket, leave.signal);
  await batches.next();
  return async () => {
    leave.abort();
    await batches.return(undefined);
  };
}

test("a name has so many streams and ranges at once, and room again when one ends", async () => {
  const client = server.flight("small-operator");
  const { sessionId } = await server.control("operator").startProcessing({ ...LEDGERS, endLedger: 0 });
  const session = Buffer.from(JSON.stringify({ session: sessionId }));
  const endRange = await reading(client, RANGE);
  expect(await reading(client, RANGE).catch(reasonOf)).toBe("NAME_LIMIT");
  const endSession = await reading(client, session);
  expect(await reading(client, session).catch(reasonOf)).toBe("NAME_LIMIT");
  const ofAnother = await reading(server.flight("reader"), RANGE); // others have limits of their own
  await endSession();
  const endSecond = await until(() => reading(client, session).catch(() => undefined), "room for a stream");
  await endRange();
  const endThird = await until(() => reading(client, RANGE).catch(() => undefined), "room for a range");
  for (const end of [endSecond, endThird, ofAnother]) await end();
}, 60_000);

test("a range that has been read to its end has made room", async () => {
  const client = server.flight("small-operator");
  const range = Buffer.from(JSON.stringify({ start_ledger: SAMPLE.first, end_ledger: SAMPLE.last }));
  for (let count = 0; count < 4; count++) {
    await until(async () => {
      let rows = 0;
      try {
        for await (const { metadata } of client.doGet(range)) rows += metadata.rows;
      } catch (thrown) {
        expect(reasonOf(thrown)).toBe("NAME_LIMIT"); // the end of the one before is told a moment later
      }
      return rows === SAMPLE.rows;
    }, "a range to its end");
  }
}, 60_000);

test("a name has so many active sessions, and the same request again is no second one", async () => {
  const control = server.control("small-operator");
  const request = { ...LEDGERS, endLedger: 0, idempotencyKey: "one" };
  const { sessionId } = await control.startProcessing(request);
  expect(await control.startProcessing({ ...LEDGERS, endLedger: 0 }).catch(reasonOf)).toBe("NAME_LIMIT");
  expect(await control.startProcessing(request)).toMatchObject({ sessionId, alreadyStarted: true });
  await server.control("operator").startProcessing(LEDGERS);
  await control.stopProcessing({ sessionId, mode: 1 });
  const next = await until(
    () => control.startProcessing({ ...LEDGERS, endLedger: 0 }).catch(() => undefined),
    "room for a session",
  );
  expect(await control.resumeSession({ sessionId }).catch(reasonOf)).toBe("NAME_LIMIT");
  await control.stopProcessing({ sessionId: next.sessionId, mode: 1 });
}, 60_000);

test("each call that changes something has a line in the audit log, at any LOG_LEVEL", async () => {
  const operator = server.control("operator");
  const { sessionId } = await operator.startProcessing({
    ...LEDGERS,
    labels: new Map([["team", "b"]]),
    idempotencyKey: "its own",
  });
  await operator.configureFilters({ sessionId, assetCodes: ["KALE"] }).catch(() => {});
  await operator.stopProcessing({ sessionId });
  await operator.resumeSession({ sessionId }).catch(() => {});
  await operator.deleteSession({ sessionId, force: true });
  expect(await operator.deleteSession({ sessionId }).catch(reasonOf)).toBe("SESSION_UNKNOWN");
  expect(await server.control("reader").stopProcessing({ sessionId }).catch(reasonOf)).toBe("ROLE");
  const overHttp = `http://${server.processor.http}/v1/sessions/${sessionId}/stop`;
  expect((await fetch(overHttp, { method: "POST", headers: bearer(server.keys.reader) })).status).toBe(403);
  await operator.listSessions({});
  const lines = () =>
    server.processor
      .output()
      .split("\n")
      .filter((line) => line.includes('"message":"audit: '))
      .map((line) => JSON.parse(line) as Record<string, string>)
      .filter((line) => `${line.session}${line.what}`.includes(sessionId) || line.who === "reader");
  await until(() => lines().length >= 8, "the lines");
  const seen = lines();
  expect(seen.map(({ message, who, outcome }) => [message, who, outcome === "OK" ? "OK" : outcome])).toEqual([
    ["audit: StartProcessing", "operator", "OK"],
    ["audit: ConfigureFilters", "operator", expect.any(String)],
    ["audit: StopProcessing", "operator", "OK"],
    ["audit: ResumeSession", "operator", expect.any(String)],
    ["audit: DeleteSession", "operator", "OK"],
    ["audit: DeleteSession", "operator", "NOT_FOUND / SESSION_UNKNOWN"],
    ["audit: StopProcessing", "reader", "PERMISSION_DENIED / ROLE"],
    [`audit: /v1/sessions/${sessionId}/stop`, "reader", "PERMISSION_DENIED / ROLE"],
  ]);
  expect(seen[0]!.what).toContain('"team":"b"');
  for (const { peer } of seen) expect(peer).toMatch(/^127\.0\.0\.1:\d+$/);
  expect(server.processor.output()).not.toContain("its own");
}, 60_000);
