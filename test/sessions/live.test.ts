/** Sessions on the real server: the calls of both services, stops of every kind, idempotency, watches, limits. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import * as grpc from "@grpc/grpc-js";
import { ContractDataService } from "../../src/grpc/generated/contract-data-service.ts";
import { ContractDataService as StellarService } from "../../src/grpc/generated/contract-data-service-stellar.ts";
import {
  GetStatusResponse_Status as Status,
  StopMode,
  type WatchSessionResponse,
} from "../../src/grpc/generated/control.ts";
import { serviceClient } from "../../src/grpc/service.ts";
import { failureOf } from "../support/failure.ts";
import { flightTotals } from "../support/flight-rows.ts";
import { GatedSource } from "../support/gated-source.ts";
import type { LocalServer } from "../support/local-server.ts";
import { SAMPLE } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { ended, liveServer, read, SESSIONS_MAX } from "./live-support.ts";

let source: GatedSource;
let server: LocalServer;

beforeAll(async () => {
  source = await GatedSource.open();
  server = await liveServer(source);
});
afterAll(async () => {
  await server.close();
  await source.close();
});

describe("ContractDataService, in both packages", () => {
  for (const service of [ContractDataService, StellarService]) {
    test(service.typeName, async () => {
      const channel = new grpc.Client(server.address, grpc.credentials.createInsecure());
      const calls = serviceClient(channel, service as typeof ContractDataService);
      source.tip = 106;
      const { sessionId } = await server.control.startProcessing({ startLedger: 100 });
      await until(async () => (await server.control.getStatus({ sessionId })).currentLedger > 100, "progress");
      const info = await calls.getServiceInfo({});
      expect(info).toMatchObject({
        name: "contract-data-processor",
        arrowFlightEndpoint: expect.stringMatching(/:\d+$/),
      });
      const status = await calls.getStatus({});
      expect(status).toMatchObject({ isHealthy: true, errorMessage: "" });
      expect(status.currentLedger).toBeGreaterThan(100);
      const config = { assetCodes: ["USDC"], minBalance: "9", includeDeleted: true, modifiedAfterLedger: 5 };
      await calls.updateFilterConfig(config);
      expect(await calls.getFilterConfig({})).toMatchObject(config);
      const { session } = await server.control.getSession({ sessionId });
      expect(session!.filterHistory.at(-1)!.filters).toMatchObject(config);
      await calls.updateFilterConfig({ includeDeleted: true });
      await server.control.deleteSession({ sessionId, force: true });
      channel.close();
    }, 60_000);
  }
});

describe("StartProcessing", () => {
  test("a repeated idempotency key is answered with the first session; with another request it is refused", async () => {
    source.tip = 105;
    const request = { startLedger: 100, endLedger: 103, idempotencyKey: "job-1", labels: new Map([["a", "b"]]) };
    const answers = await Promise.all(Array.from({ length: 20 }, () => server.control.startProcessing(request)));
    expect(new Set(answers.map(({ sessionId }) => sessionId)).size).toBe(1);
    expect(answers.filter(({ alreadyStarted }) => !alreadyStarted)).toHaveLength(1);
    const error = await failureOf(server.control.startProcessing({ ...request, endLedger: 104 }));
    expect(error.toRecord()).toMatchObject({ code: "FAILED_PRECONDITION", reason: "IDEMPOTENCY_KEY_REUSED" });
    const { sessionId } = answers[0]!;
    await ended(server, sessionId);
    await server.control.deleteSession({ sessionId });
    const anew = await server.control.startProcessing(request);
    expect(anew.alreadyStarted).toBe(false);
    await ended(server, anew.sessionId);
  }, 30_000);

  test("a named source; one that is unknown or away is an error and no session", async () => {
    const { sessionId } = await server.control.startProcessing({
      startLedger: SAMPLE.first,
      endLedger: SAMPLE.last,
      source: "lake",
      schemaVersion: 2,
    });
    await ended(server, sessionId);
    const { session } = await server.control.getSession({ sessionId });
    expect(session).toMatchObject({ status: Status.STOPPED, sourceDescription: `lake ${SAMPLE.folder}` });
    expect(session!.metrics!.contractsProcessed).toBe(SAMPLE.rows);
    expect(session!.request!.schemaVersion).toBe(2);
    const total = (await server.control.listSessions({})).total;
    const unknown = await failureOf(server.control.startProcessing({ startLedger: 1, source: "nowhere" }));
    expect(unknown.toRecord()).toMatchObject({ code: "NOT_FOUND", reason: "SOURCE_UNKNOWN" });
    expect(unknown.message).toContain("lake, away");
    expect((await failureOf(server.control.startProcessing({ startLedger: 1, source: "away" }))).code).toBe(
      "NOT_FOUND",
    );
    expect((await server.control.listSessions({})).total).toBe(total);
  }, 30_000);

  test("limits have a reason each", async () => {
    const labels = (count: number, length: number) =>
      new Map(Array.from({ length: count }, (_, n) => [`label-${n}`, "x".repeat(length)]));
    for (const [request, reason] of [
      [{ startLedger: 0 }, "START_LEDGER_MISSING"],
      [{ startLedger: 9, endLedger: 8 }, "LEDGER_RANGE_INVALID"],
      [{ startLedger: 1, batchSize: 1_000_001 }, "REQUEST_INVALID"],
      [{ startLedger: 1, schemaVersion: 3 }, "UNKNOWN_SCHEMA_VERSION"],
      [{ startLedger: 1, partitions: 17 }, "PARTITIONS"],
      [{ startLedger: 1, labels: labels(33, 1) }, "LABELS"],
      [{ startLedger: 1, labels: labels(1, 257) }, "LABELS"],
      [{ startLedger: 1, idempotencyKey: "x".repeat(129) }, "IDEMPOTENCY_KEY"],
      [{ startLedger: 1, filters: { contractIds: ["CABC"] } }, "INVALID_STRKEY"],
    ] as const) {
      const error = await failureOf(server.control.startProcessing(request as object));
      expect(error.toRecord(), reason).toMatchObject({ code: "INVALID_ARGUMENT", reason });
    }
  });
});

describe("StopProcessing", () => {
  test("drain with a deadline waits for the clients, and says what they got", async () => {
    source.tip = Number.POSITIVE_INFINITY;
    const { sessionId } = await server.control.startProcessing({ startLedger: 100 });
    let rows = 0;
    const reading = read(server, sessionId, undefined, (batch) => {
      rows += batch.length;
    });
    await until(() => rows > 1000, "some rows");
    const { session, message } = await server.control.stopProcessing({ sessionId, deadlineMs: 30_000 });
    const all = await reading;
    expect(session!.status).toBe(Status.STOPPED);
    expect(message).toMatch(/^cancelled after ledger \d+$/);
    expect(session!.metrics).toMatchObject({ contractsProcessed: all.length, rowsDelivered: all.length, clients: 0 });
    expect(session!.deliveries).toMatchObject([{ peer: expect.stringContaining("127.0.0.1"), rows: all.length }]);
    expect(session!.deliveries[0]!.leftAtMs).toBeGreaterThan(0);
  }, 60_000);

  test("drop ends clients with CANCELLED, and the session can go on from there", async () => {
    source.tip = Number.POSITIVE_INFINITY;
    const { sessionId } = await server.control.startProcessing({ startLedger: 100 });
    let rows = 0;
    const reading = read(server, sessionId, undefined, async (batch) => {
      rows += batch.length;
      await Bun.sleep(20);
    });
    const failure = failureOf(reading);
    await until(() => rows > 500, "some rows");
    const { session } = await server.control.stopProcessing({ sessionId, mode: StopMode.STOP_MODE_DROP });
    expect(session!.status).toBe(Status.STOPPED);
    expect(session!.message).toContain("dropped");
    expect(session!.deliveries).toHaveLength(1);
    expect(session!.deliveries[0]!.rows).toBe(session!.metrics!.rowsDelivered);
    expect((await failure).toRecord()).toMatchObject({ code: "CANCELLED", reason: "SESSION_DROPPED" });
    expect((await server.control.getMetrics({ sessionId })).errors).toBe(0);
    source.tip = session!.checkpoint!.ledger + 3;
    await server.control.resumeSession({ sessionId });
    await until(async () => (await server.control.getStatus({ sessionId })).currentLedger === source.tip, "goes on");
    await server.control.deleteSession({ sessionId, force: true });
  }, 60_000);
});

describe("WatchSession and ListSessions", () => {
  test("tells of every change of state and of progress, and ends with the session", async () => {
    source.tip = 102;
    source.closed = true;
    const { sessionId } = await server.control.startProcessing({ startLedger: 100, endLedger: 110 });
    const seen: WatchSessionResponse[] = [];
    const watch = server.control.watchSession({ sessionId, intervalMs: 50 });
    const over = new Promise<void>((resolve, reject) => watch.on("end", resolve).on("error", reject));
    watch.on("data", (message: WatchSessionResponse) => seen.push(message));
    const last = () => seen.at(-1)?.session;
    await until(() => last()?.status === Status.STARTING, "starting");
    source.closed = false;
    await until(() => last()?.metrics?.currentLedger === 102, "progress");
    source.tip = 110;
    await over;
    const states = seen.map(({ session }) => session!.status);
    expect(states.filter((state, index) => state !== states[index - 1]) as number[]).toEqual([
      Status.STARTING,
      Status.RUNNING,
      Status.STOPPED,
    ]);
    expect(last()).toMatchObject({ status: Status.STOPPED, message: "completed at ledger 110" });
  }, 30_000);

  test("lists by label and state, in pages that new sessions do not disturb", async () => {
    source.tip = 100;
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) {
      const labels = new Map([["page", n % 2 === 0 ? "even" : "odd"]]);
      ids.unshift((await server.control.startProcessing({ startLedger: 100, labels })).sessionId);
    }
    const first = await server.control.listSessions({ labels: new Map([["page", "even"]]), pageSize: 2 });
    expect(first.sessions.map(({ sessionId }) => sessionId)).toEqual([ids[0]!, ids[2]!]);
    expect(first.total).toBe(3);
    const added = await server.control.startProcessing({ startLedger: 100, labels: new Map([["page", "even"]]) });
    const pageToken = first.nextPageToken;
    const second = await server.control.listSessions({ labels: new Map([["page", "even"]]), pageSize: 2, pageToken });
    expect(second.sessions.map(({ sessionId }) => sessionId)).toEqual([ids[4]!]);
    expect(second.nextPageToken).toBe("");
    expect((await failureOf(server.control.listSessions({ pageToken: "gone" }))).reason).toBe("PAGE_TOKEN");
    expect((await failureOf(server.control.listSessions({ pageSize: 1001 }))).reason).toBe("PAGE_SIZE");
    for (const sessionId of [...ids, added.sessionId]) await server.control.deleteSession({ sessionId, force: true });
  }, 30_000);
});

/** What a process holds that it could fail to give back. */
const held = () => ({
  threads: readdirSync("/proc/self/task").length,
  files: readdirSync("/proc/self/fd").length,
});

test.skipIf(process.platform !== "linux")(
  "1,000 calls at once: limits are answered with RESOURCE_EXHAUSTED, and nothing is left behind",
  async () => {
    source.tip = 101;
    const { control } = server;
    const active = () => control.listSessions({ statuses: [Status.RUNNING, Status.STARTING], pageSize: 1000 });
    expect((await active()).total).toBe(0);
    const before = held();
    const known: string[] = [];
    for (let n = 0; n < SESSIONS_MAX / 2; n++) {
      known.push((await control.startProcessing({ startLedger: 100 })).sessionId);
    }
    const counts = { started: 0, refused: 0, status: 0, stopped: 0 };
    const startOne = async () => {
      let sessionId: string;
      try {
        ({ sessionId } = await control.startProcessing({ startLedger: 100 }));
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "SESSIONS_MAX" });
        counts.refused += 1;
        return;
      }
      counts.started += 1;
      known.push(sessionId);
      await control.getStatus({ sessionId });
      await control.stopProcessing({ sessionId });
    };
    await Promise.all(
      Array.from({ length: 1000 }, async (_, n) => {
        const sessionId = known[n % known.length]!;
        if (n % 3 === 0) await startOne();
        else if (n % 3 === 1) {
          await control.getStatus({ sessionId });
          counts.status += 1;
        } else {
          const { session } = await control.stopProcessing({ sessionId });
          expect(session!.status).toBe(Status.STOPPED);
          counts.stopped += 1;
        }
      }),
    );
    expect([counts.status, counts.stopped]).toEqual([333, 333]);
    expect(counts.started + counts.refused).toBe(334);
    expect(counts.refused).toBeGreaterThan(0);
    expect((await active()).total).toBe(0);
    await Promise.all(known.map((sessionId) => control.deleteSession({ sessionId })));
    await until(() => source.reading === 0, "all reads have ended");
    expect(server.processor.sessions.totals().active).toBe(0);
    expect((await flightTotals(`127.0.0.1:${server.processor.addresses.flight.port}`)).clients).toBe(0);

    // Shares of memory, room in the rings and places for sessions: as many as ever run, and get through.
    source.tip = 110;
    const again = await Promise.all(
      Array.from({ length: SESSIONS_MAX }, () => control.startProcessing({ startLedger: 100, endLedger: 110 })),
    );
    const rows = await Promise.all(again.map(({ sessionId }) => read(server, sessionId)));
    expect(new Set(rows.map(({ length }) => length)).size).toBe(1);
    expect(rows[0]!.length).toBeGreaterThan(0);
    for (const { sessionId } of again) {
      await ended(server, sessionId);
      await control.deleteSession({ sessionId });
    }
    // One connection to the data plane and its other end may be new, and threads of the runtime come and go.
    await until(() => held().files <= before.files + 4 && held().threads <= before.threads + 2, "given back");
  },
  120_000,
);
