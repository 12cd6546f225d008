/** Sessions on the real server: filters that change under way, stops of every kind, idempotency, watches, limits. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import * as grpc from "@grpc/grpc-js";
import type { CodedError } from "../../src/error.ts";
import type { BatchMetadata } from "../../src/flight-client/client.ts";
import { ContractDataService } from "../../src/grpc/generated/contract-data-service.ts";
import { ContractDataService as StellarService } from "../../src/grpc/generated/contract-data-service-stellar.ts";
import {
  GetStatusResponse_Status as Status,
  StopMode,
  type WatchSessionResponse,
} from "../../src/grpc/generated/control.ts";
import { serviceClient } from "../../src/grpc/service.ts";
import { formatStrkey, STRKEY_CONTRACT } from "../../src/xdr/strkey.ts";
import { flightTotals } from "../support/flight-rows.ts";
import { GatedSource } from "../support/gated-source.ts";
import { failureOf, type LocalServer, localServer, until } from "../support/local-server.ts";
import { SAMPLE } from "../support/processor.ts";

const SESSIONS_MAX = 8;
let source: GatedSource;
let server: LocalServer;

beforeAll(async () => {
  source = await GatedSource.open();
  server = await localServer(source, {
    "sessions-max": String(SESSIONS_MAX),
    "channel-buffer-size": "4",
    "max-memory-mb": "512",
    "checkpoint-interval": "50ms",
    sources: `lake=${SAMPLE.folder},away=/no/such/lake`,
  });
});
afterAll(async () => {
  await server.close();
  await source.close();
});

const stateOf = async (sessionId: string) => (await server.control.getStatus({ sessionId })).status;
const ended = (sessionId: string) =>
  until(async () => [Status.STOPPED, Status.ERROR].includes((await stateOf(sessionId)) as never), "ended");

interface Row {
  ledger: number;
  contract: string;
  deleted: boolean;
}

async function read(
  session: string,
  signal?: AbortSignal,
  onBatch?: (rows: Row[], metadata: BatchMetadata) => unknown,
): Promise<Row[]> {
  const all: Row[] = [];
  const ticket = Buffer.from(JSON.stringify({ session, from: "start" }));
  for await (const { table, metadata } of server.flight.doGet(ticket, signal)) {
    const rows = Array.from({ length: table.numRows }, (_, row) => ({
      ledger: Number(table.getChild("ledger_sequence")!.get(row)),
      contract: String(table.getChild("contract_id")!.get(row)),
      deleted: Boolean(table.getChild("deleted")!.get(row)),
    }));
    all.push(...rows);
    await onBatch?.(rows, metadata);
  }
  return all;
}

describe("ConfigureFilters on a running session", () => {
  test("holds from the ledger that the answer names, for every row of every worker", async () => {
    source.tip = Number.POSITIVE_INFINITY;
    const { sessionId } = await server.control.startProcessing({ startLedger: 1000, endLedger: 1699, batchSize: 50 });
    const everything = await server.control.startProcessing({ startLedger: 1000, endLedger: 1699, batchSize: 50 });
    const oracle = read(everything.sessionId);
    const steps = [{ from: 1000, contracts: [] as string[], deleted: true }];
    let batches = 0;
    const told: Array<{ last: number; from: number }> = [];
    const rows = await read(sessionId, undefined, async (batch, metadata) => {
      told.push({
        last: metadata.ledger_last,
        from: (metadata as BatchMetadata & { filters_from: number }).filters_from,
      });
      batches += 1;
      if (batches % 20 !== 0 || steps.length > 3) return;
      const contracts = [...new Set(batch.map(({ contract }) => contract))].slice(0, 2);
      const deleted = steps.length % 2 === 0;
      const { applied } = await server.control.configureFilters({
        sessionId,
        contractIds: contracts,
        includeDeleted: deleted,
      });
      expect(applied).toHaveLength(1);
      steps.push({ from: applied[0]!.fromLedger, contracts, deleted });
    });
    expect(steps.length).toBeGreaterThan(1);
    const expected = (await oracle).filter(({ ledger, contract, deleted }) => {
      const step = steps.findLast(({ from }) => from <= ledger)!;
      return (step.contracts.length === 0 || step.contracts.includes(contract)) && (step.deleted || !deleted);
    });
    expect(rows).toEqual(expected);
    for (const { last, from } of told) expect(from).toBe(steps.findLast((step) => step.from <= last)!.from);
    const { session } = await server.control.getSession({ sessionId });
    const history = session!.filterHistory.map(({ fromLedger, filters }) => ({
      from: fromLedger,
      contracts: filters!.contractIds,
      deleted: filters!.includeDeleted,
    }));
    expect(history).toEqual(steps);
    expect(session!.metrics).toMatchObject({ contractsProcessed: rows.length, rowsDelivered: rows.length });
    expect(session!.metrics!.entriesSkipped).toBe((await oracle).length - rows.length);
  }, 120_000);

  test("without a session: the default and all that have not ended; patches add and take out", async () => {
    source.tip = 105;
    const first = (await server.control.startProcessing({ startLedger: 100 })).sessionId;
    const own = (
      await server.control.startProcessing({
        startLedger: 100,
        filters: { assetCodes: ["AQUA"], includeDeleted: true },
      })
    ).sessionId;
    const before = await server.control.configureFilters({ includeDeleted: true });
    expect(before.applied.map(({ sessionId }) => sessionId).sort()).toEqual([first, own].sort());
    expect(before.defaultFilters).toMatchObject({ assetCodes: [], includeDeleted: true });
    const patched = await server.control.configureFilters({
      patch: { add: { assetCodes: ["USDC", "EURC"] }, includeDeleted: false },
    });
    expect(patched.defaultFilters).toMatchObject({ assetCodes: ["USDC", "EURC"], includeDeleted: false });
    const out = await server.control.configureFilters({
      sessionId: first,
      patch: { remove: { assetCodes: ["USDC"] }, minBalance: "5" },
    });
    expect(out.applied[0]!.filters).toMatchObject({ assetCodes: ["EURC"], minBalance: "5", includeDeleted: false });
    expect(out.defaultFilters).toBeUndefined();
    // A repeated change changes nothing: a call whose answer was lost can be repeated.
    const again = await server.control.configureFilters({ sessionId: first, patch: { minBalance: "5" } });
    expect(again.applied).toEqual(out.applied);
    const third = (await server.control.startProcessing({ startLedger: 100 })).sessionId;
    const { session } = await server.control.getSession({ sessionId: third });
    expect(session!.filterHistory[0]!.filters).toMatchObject({ assetCodes: ["USDC", "EURC"] });
    for (const [request, reason] of [
      [{ sessionId: first, patch: { remove: { assetCodes: ["EURC"] } } }, "INVALID_FILTER"],
      [{ sessionId: first, patch: { add: { minBalance: "1" } } }, "PATCH_FIELDS"],
      [{ sessionId: first, assetCodes: ["A"], filters: {} }, "FILTERS_AMBIGUOUS"],
      [{ sessionId: first, contractIds: Array.from({ length: 10_001 }, (_, n) => `C${n}`) }, "FILTER_TOO_LONG"],
      [{ filters: { changeTypes: ["moved"] } }, "INVALID_FILTER"],
      [{ filters: { minBalance: "-1" } }, "INVALID_FILTER"],
    ] as const) {
      const error = await failureOf(server.control.configureFilters(request as object));
      expect(error.toRecord()).toMatchObject({ code: "INVALID_ARGUMENT", reason });
    }
    for (const sessionId of [first, own, third]) await server.control.deleteSession({ sessionId, force: true });
    await server.control.configureFilters({ includeDeleted: true });
  }, 60_000);
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
    await ended(sessionId);
    await server.control.deleteSession({ sessionId });
    const anew = await server.control.startProcessing(request);
    expect(anew.alreadyStarted).toBe(false);
    await ended(anew.sessionId);
  }, 30_000);

  test("a named source; one that is unknown or away is an error and no session", async () => {
    const { sessionId } = await server.control.startProcessing({
      startLedger: SAMPLE.first,
      endLedger: SAMPLE.last,
      source: "lake",
      schemaVersion: 2,
    });
    await ended(sessionId);
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
    const reading = read(sessionId, undefined, (batch) => {
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
    const reading = read(sessionId, undefined, async (batch) => {
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

describe("long filters", () => {
  const ids = (from: number) =>
    Array.from({ length: 10_000 }, (_, n) => {
      const id = new Uint8Array(32);
      new DataView(id.buffer).setUint32(0, from + n);
      return formatStrkey(id, STRKEY_CONTRACT);
    });

  test("of many sessions come in pages, and no answer is too long for its client", async () => {
    source.tip = 100;
    const filters = { contractIds: ids(0), includeDeleted: true };
    const labels = new Map([["long", "yes"]]);
    const started: string[] = [];
    for (let n = 0; n < SESSIONS_MAX; n++) {
      started.unshift((await server.control.startProcessing({ startLedger: 100, filters, labels })).sessionId);
    }
    const listed: string[] = [];
    let pageToken = "";
    let pages = 0;
    do {
      const page = await server.control.listSessions({ labels, pageSize: 1000, pageToken });
      expect(page.total).toBe(SESSIONS_MAX);
      listed.push(...page.sessions.map(({ sessionId }) => sessionId));
      pageToken = page.nextPageToken;
      pages += 1;
    } while (pageToken !== "");
    expect(listed).toEqual(started);
    expect(pages).toBeGreaterThan(1);
    const other = { contractIds: ids(20_000), includeDeleted: true };
    const { applied, defaultFilters } = await server.control.configureFilters({ filters: other });
    expect(applied).toHaveLength(SESSIONS_MAX);
    expect(applied.every((each) => each.fromLedger > 0 && each.filters === undefined)).toBe(true);
    expect(defaultFilters!.contractIds).toEqual(other.contractIds);
    const { session } = await server.control.getSession({ sessionId: started[0]! });
    expect(session!.filterHistory.at(-1)!.filters!.contractIds).toEqual(other.contractIds);
    await server.control.configureFilters({ includeDeleted: true });
    for (const sessionId of started) await server.control.deleteSession({ sessionId, force: true });
  }, 60_000);

  test("of one session add up to a limit that names both numbers, and the filter in force stays", async () => {
    source.tip = 100;
    const { sessionId } = await server.control.startProcessing({ startLedger: 100 });
    let refusal: CodedError | undefined;
    let taken = 0;
    while (refusal === undefined && taken < 30) {
      await until(async () => (await server.control.getStatus({ sessionId })).currentLedger === source.tip, "tip");
      const filters = { contractIds: ids(taken) };
      await server.control.configureFilters({ sessionId, filters }).then(
        () => {
          taken += 1;
        },
        (thrown: CodedError) => {
          refusal = thrown;
        },
      );
      source.tip += 1;
    }
    expect(taken).toBe(20);
    expect(refusal!.toRecord()).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "FILTER_STEPS_VALUES" });
    expect(refusal!.message).toContain("210000 values together, over max 200000");
    await server.control.deleteSession({ sessionId, force: true });
  }, 60_000);
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
    const rows = await Promise.all(again.map(({ sessionId }) => read(sessionId)));
    expect(new Set(rows.map(({ length }) => length)).size).toBe(1);
    expect(rows[0]!.length).toBeGreaterThan(0);
    for (const { sessionId } of again) {
      await ended(sessionId);
      await control.deleteSession({ sessionId });
    }
    // One connection to the data plane and its other end may be new, and threads of the runtime come and go.
    await until(() => held().files <= before.files + 4 && held().threads <= before.threads + 2, "given back");
  },
  120_000,
);
