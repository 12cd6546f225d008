/** Calls about one session that cross each other, and what a hostile operator may send. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CodedError } from "../../src/error.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import { GetStatusResponse_Status as Status, StopMode } from "../../src/grpc/generated/control.ts";
import { failureOf } from "../support/failure.ts";
import { flightTotals } from "../support/flight-rows.ts";
import { GatedSource } from "../support/gated-source.ts";
import { type LocalServer, localServer } from "../support/local-server.ts";
import { SAMPLE } from "../support/processor.ts";
import { randomFrom, seedOf } from "../support/random.ts";
import { until } from "../support/until.ts";

const scratch = mkdtempSync(join(tmpdir(), "contract-data-races-"));
let source: GatedSource;
let server: LocalServer;
const folder = join(scratch, "state");

const open = () =>
  localServer(source, {
    "data-dir": folder,
    "sessions-max": "16",
    "channel-buffer-size": "4",
    "max-memory-mb": "1024",
    "checkpoint-interval": "50ms",
    sources: `lake=${SAMPLE.folder}`,
  });

/** What a restart makes of it: it must find a record that is whole. */
async function restart(): Promise<void> {
  await server.close();
  server = await open();
}

beforeAll(async () => {
  source = await GatedSource.open();
  server = await open();
});
afterAll(async () => {
  await server.close();
  await source.close();
  rmSync(scratch, { recursive: true, force: true });
});

const statusOf = async (sessionId: string) => (await server.control.getStatus({ sessionId })).status;
const ended = (sessionId: string) =>
  until(async () => [Status.STOPPED, Status.ERROR].includes((await statusOf(sessionId)) as never), "ended");

describe("calls that cross", () => {
  test("a session that is deleted while ResumeSession gets ready stays deleted, and the record stays whole", async () => {
    source.tip = 105;
    const { sessionId } = await server.control.startProcessing({ startLedger: 100 });
    await server.control.stopProcessing({ sessionId });
    const { sessions } = server.processor;
    const resumed = failureOf(sessions.resume(sessionId)); // waits for its source
    await sessions.remove(sessionId, false);
    expect((await resumed).toRecord()).toMatchObject({ code: "NOT_FOUND", reason: "SESSION_UNKNOWN" });
    expect((await failureOf(server.control.getStatus({ sessionId }))).code).toBe("NOT_FOUND");
    await restart(); // half of a record would be refused as damage
    expect((await failureOf(server.control.getStatus({ sessionId }))).code).toBe("NOT_FOUND");
  }, 30_000);

  test("any calls about a few sessions at once leave every one in a state that it can be in, now and after a restart", async () => {
    const seed = seedOf();
    const random = randomFrom(seed);
    const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
    source.tip = 140;
    const ids: string[] = [];
    const start = async (n: number) => {
      const request = { startLedger: 100, endLedger: pick([0, 120]), idempotencyKey: pick(["", `race-${n % 5}`]) };
      ids.push((await server.control.startProcessing(request)).sessionId);
    };
    for (let n = 0; n < 6; n++) await start(n).catch(() => {});
    const allowed = ["NOT_FOUND", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED"];
    for (let round = 0; round < 3; round++) {
      await Promise.all(
        Array.from({ length: 150 }, async (_, n) => {
          await Bun.sleep(random() * 150);
          const sessionId = pick(ids);
          const { control } = server;
          const calls = [
            () => start(n),
            () =>
              control.stopProcessing({ sessionId, mode: pick([StopMode.STOP_MODE_DRAIN, StopMode.STOP_MODE_DROP]) }),
            () => control.resumeSession({ sessionId }),
            () => control.resumeSession({ sessionId }),
            () => control.deleteSession({ sessionId, force: random() < 0.5 }),
            () => control.configureFilters({ sessionId: pick(["", sessionId]), includeDeleted: random() < 0.5 }),
            () => control.getSession({ sessionId }),
          ];
          try {
            await pick(calls)();
          } catch (thrown) {
            const { code, message } = CodedError.from(thrown);
            if (!allowed.includes(code)) throw new Error(`SEED=${seed}: ${code} ${message}`);
          }
        }),
      );
      const before = (await server.control.listSessions({ pageSize: 1000 })).sessions;
      await restart();
      const after = (await server.control.listSessions({ pageSize: 1000 })).sessions;
      expect(
        after.map(({ sessionId }) => sessionId),
        `SEED=${seed}`,
      ).toEqual(before.map(({ sessionId }) => sessionId));
      for (const { sessionId, filterHistory } of after) {
        const { session } = await server.control.getSession({ sessionId });
        const ledgers = session!.filterHistory.map(({ fromLedger }) => fromLedger);
        expect(ledgers, `SEED=${seed}`).toEqual([...new Set(ledgers)].sort((a, b) => a - b));
        expect(filterHistory).toEqual([]);
      }
      if (after.length > 0) ids.splice(0, ids.length, ...after.map(({ sessionId }) => sessionId));
    }
    for (const sessionId of new Set(ids)) await server.control.deleteSession({ sessionId, force: true });
    await until(() => source.reading === 0, "all reads have ended");
    expect(server.processor.sessions.totals().active).toBe(0);
    expect((await flightTotals(`127.0.0.1:${server.processor.addresses.flight.port}`)).clients).toBe(0);
  }, 120_000);

  test("a forced delete, or a stop that drops, does not wait for a stop that drains", async () => {
    for (const end of [
      (sessionId: string) => server.control.deleteSession({ sessionId, force: true }),
      (sessionId: string) => server.control.stopProcessing({ sessionId, mode: StopMode.STOP_MODE_DROP }),
    ]) {
      source.tip = Number.POSITIVE_INFINITY;
      const { sessionId } = await server.control.startProcessing({ startLedger: 100 });
      // A client that reads one batch and no more, and more than fits on the way to it: the stop would wait for an hour.
      const reader = new FlightClient(`127.0.0.1:${server.processor.addresses.flight.port}`, { windowBytes: 65_536 });
      const batches = reader.doGet(Buffer.from(JSON.stringify({ session: sessionId, from: "start" })));
      await batches.next();
      await until(
        async () => (await server.control.getMetrics({ sessionId })).retainedBytes > 2 ** 20,
        "it holds back",
      );
      const draining = server.control.stopProcessing({ sessionId, deadlineMs: 3_600_000 });
      draining.catch(() => {}); // of a deleted session there is no state to answer with
      await until(async () => (await statusOf(sessionId)) === Status.STOPPING, "stopping");
      await end(sessionId);
      await draining.catch(() => {});
      await batches.return(undefined).catch(() => {});
      reader.close();
      await server.control.deleteSession({ sessionId, force: true }).catch(() => {});
    }
  }, 90_000);
});

test("of ended sessions the last to end are kept, however long ago they began", async () => {
  source.tip = 101;
  const { sessionId } = await server.control.startProcessing({ startLedger: 100 });
  const newer: string[] = [];
  for (let n = 0; n < 260; n += 10) {
    const some = await Promise.all(
      Array.from({ length: 10 }, () => server.control.startProcessing({ startLedger: 100, endLedger: 100 })),
    );
    newer.push(...some.map((each) => each.sessionId));
    await Promise.all(some.map((each) => ended(each.sessionId).catch(() => {}))); // the first may be gone already
  }
  const { session } = await server.control.stopProcessing({ sessionId });
  expect(session!.status).toBe(Status.STOPPED);
  expect(await statusOf(sessionId)).toBe(Status.STOPPED);
  const { sessions, total } = await server.control.listSessions({ pageSize: 1000 });
  expect(total).toBe(256);
  const kept = new Set(sessions.map((each) => each.sessionId));
  expect(newer.filter((id) => !kept.has(id))).toHaveLength(newer.length + 1 - 256);
  expect(kept.has(newer.at(-1)!)).toBe(true);
}, 120_000);

describe("what a hostile operator sends", () => {
  test("labels, keys and ids of any characters come back as they were, also after a restart", async () => {
    source.tip = 100;
    const labels = new Map([
      ["größe", "日本語 \u{1f980}"],
      ["constructor", "toString"],
      ["prototype", "__proto__"],
      ["a\nb\u0000c", "\r\n\t\u007f"],
    ]);
    const request = { startLedger: 100, labels, idempotencyKey: "\u{1f511}\n" };
    const { sessionId } = await server.control.startProcessing(request);
    for (let time = 0; time < 2; time++) {
      const { session } = await server.control.getSession({ sessionId });
      expect([...session!.request!.labels].sort()).toEqual([...labels].sort());
      const found = await server.control.listSessions({ labels });
      expect(found.sessions.map((each) => each.sessionId)).toEqual([sessionId]);
      expect(await server.control.startProcessing(request)).toMatchObject({ sessionId, alreadyStarted: true });
      await restart();
    }
    const refused = await failureOf(
      server.control.startProcessing({ startLedger: 100, labels: new Map([["__proto__", "x"]]) }),
    );
    expect(refused.toRecord()).toMatchObject({ code: "INVALID_ARGUMENT", reason: "LABELS" });
    await server.control.deleteSession({ sessionId, force: true });
    for (const id of ["__proto__", "constructor", "🦀", "../../etc", "a\nb", "%00%n", "x".repeat(65)]) {
      for (const call of ["getStatus", "getSession", "getMetrics", "stopProcessing", "resumeSession"] as const) {
        expect((await failureOf(server.control[call]({ sessionId: id }))).code).toBe("NOT_FOUND");
      }
      expect((await failureOf(server.control.deleteSession({ sessionId: id, force: true }))).code).toBe("NOT_FOUND");
      expect((await failureOf(server.control.configureFilters({ sessionId: id }))).code).toBe("NOT_FOUND");
    }
  }, 30_000);

  test("fifty thousand labels are refused with both numbers, and soon", async () => {
    const labels = new Map(Array.from({ length: 50_000 }, (_, n) => [`label-${n}`, "x".repeat(200)]));
    const error = await failureOf(server.control.startProcessing({ startLedger: 100, labels }));
    expect(error.toRecord()).toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "LABELS",
      message: "50000 labels are given, over max 32",
    });
  }, 30_000);

  test("watches that nobody reads or closes do not hold up the end of the server", async () => {
    source.tip = 100;
    const { sessionId } = await server.control.startProcessing({ startLedger: 100 });
    const watches = Array.from({ length: 100 }, (_, n) =>
      server.control.watchSession({ sessionId: n % 2 === 0 ? sessionId : "", intervalMs: 50 }),
    );
    for (const watch of watches) watch.on("error", () => {});
    await new Promise((resolve) => watches[0]!.once("data", resolve));
    const begun = performance.now();
    await restart();
    expect(performance.now() - begun).toBeLessThan(20_000);
    for (const watch of watches) watch.cancel();
    expect(await statusOf(sessionId)).not.toBe(Status.UNKNOWN);
    await server.control.deleteSession({ sessionId, force: true });
  }, 60_000);
});
