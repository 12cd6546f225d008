/** Filters of sessions on the real server: how they change under way, and how long they may be. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { CodedError } from "../../src/error.ts";
import type { BatchMetadata } from "../../src/flight-client/client.ts";
import { formatStrkey, STRKEY_CONTRACT } from "../../src/xdr/strkey.ts";
import { failureOf } from "../support/failure.ts";
import { GatedSource } from "../support/gated-source.ts";
import type { LocalServer } from "../support/local-server.ts";
import { until } from "../support/until.ts";
import { liveServer, read, SESSIONS_MAX } from "./live-support.ts";

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

describe("ConfigureFilters on a running session", () => {
  test("holds from the ledger that the answer names, for every row of every worker", async () => {
    source.tip = Number.POSITIVE_INFINITY;
    const { sessionId } = await server.control.startProcessing({ startLedger: 1000, endLedger: 1699, batchSize: 50 });
    const everything = await server.control.startProcessing({ startLedger: 1000, endLedger: 1699, batchSize: 50 });
    const oracle = read(server, everything.sessionId);
    const steps = [{ from: 1000, contracts: [] as string[], deleted: true }];
    let batches = 0;
    const told: Array<{ last: number; from: number }> = [];
    const rows = await read(server, sessionId, undefined, async (batch, metadata) => {
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
      [{ sessionId: first, patch: { remove: { balances: true } } }, "PATCH_FIELDS"],
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
