/** What a restart keeps: the real server, ended in order and started again on the same folder. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectControl } from "../../src/control/client.ts";
import { GetStatusResponse_Status as Status } from "../../src/grpc/generated/control.ts";
import { failureOf } from "../support/failure.ts";
import { GatedSource } from "../support/gated-source.ts";
import { type LocalServer, localServer } from "../support/local-server.ts";
import { PORTS, runCommand, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";

const scratch = mkdtempSync(join(tmpdir(), "contract-data-restart-"));
let source: GatedSource;
let folders = 0;
const folder = () => join(scratch, `state-${++folders}`);
const open = (path: string, flags: Record<string, string> = {}) =>
  localServer(source, { "data-dir": path, "checkpoint-interval": "50ms", ...flags });

beforeAll(async () => {
  source = await GatedSource.open();
});
afterAll(async () => {
  await source.close();
  rmSync(scratch, { recursive: true, force: true });
});

async function readFrom(
  server: LocalServer,
  session: string,
  from: string,
): Promise<{ ledgers: number[]; cursor: string }> {
  const ledgers: number[] = [];
  let cursor = from;
  for await (const { table, metadata } of server.flight.doGet(Buffer.from(JSON.stringify({ session, from })))) {
    const column = table.getChild("ledger_sequence")!;
    for (let row = 0; row < table.numRows; row++) ledgers.push(Number(column.get(row)));
    cursor = metadata.cursor;
  }
  return { ledgers, cursor };
}

const ended = (server: LocalServer, sessionId: string) =>
  until(async () => (await server.control.getStatus({ sessionId })).status === Status.STOPPED, "ended");

test("an unfinished session goes on by itself; its client is told to come back, and does, with its cursor", async () => {
  const path = folder();
  source.tip = 140;
  let server = await open(path);
  const request = { startLedger: 100, endLedger: 180, batchSize: 33, labels: new Map([["a", "b"]]) };
  const { sessionId } = await server.control.startProcessing(request);
  const got: number[] = [];
  let cursor = "start";
  const reading = (async () => {
    const ticket = Buffer.from(JSON.stringify({ session: sessionId, from: "start" }));
    for await (const { table, metadata } of server.flight.doGet(ticket)) {
      const column = table.getChild("ledger_sequence")!;
      for (let row = 0; row < table.numRows; row++) got.push(Number(column.get(row)));
      cursor = metadata.cursor;
    }
  })();
  const cut = failureOf(reading);
  await until(async () => (await server.control.getStatus({ sessionId })).currentLedger === 140, "at the tip");
  const { applied } = await server.control.configureFilters({ sessionId, includeDeleted: false });
  const before = await server.control.getMetrics({ sessionId });
  await server.close();
  expect((await cut).toRecord()).toMatchObject({ code: "UNAVAILABLE", reason: "SERVER_STOPPING" });

  source.tip = 180;
  server = await open(path);
  const { session } = await server.control.getSession({ sessionId });
  expect(session).toMatchObject({ resumes: 1, request: { startLedger: 100, endLedger: 180, batchSize: 33 } });
  expect(session!.request!.labels.get("a")).toBe("b");
  expect(session!.filterHistory.map(({ fromLedger }) => fromLedger)).toEqual([100, applied[0]!.fromLedger]);
  expect(session!.metrics!.contractsProcessed).toBeGreaterThanOrEqual(before.contractsProcessed);
  expect(session!.createdAtMs).toBeLessThan(session!.updatedAtMs + 1);
  const rest = await readFrom(server, sessionId, cursor);
  await ended(server, sessionId);
  const metrics = await server.control.getMetrics({ sessionId });
  expect(got.length + rest.ledgers.length).toBe(metrics.contractsProcessed);
  expect(metrics).toMatchObject({ ledgersProcessed: 81, currentLedger: 180, errors: 0 });
  const all = await readFrom(server, sessionId, "start");
  expect(all.ledgers).toEqual([...got, ...rest.ledgers]);
  await server.close();

  // Complete, and still there to be read by whoever comes late.
  server = await open(path);
  expect(await server.control.getStatus({ sessionId })).toMatchObject({
    status: Status.STOPPED,
    currentLedger: 180,
    entriesProcessed: metrics.contractsProcessed,
    errorMessage: "completed at ledger 180",
  });
  expect((await readFrom(server, sessionId, cursor)).ledgers).toEqual(rest.ledgers);
  await server.close();
}, 60_000);

test("a default set by ConfigureFilters holds until the configuration is changed", async () => {
  const path = folder();
  source.tip = 101;
  let server = await open(path);
  await server.control.configureFilters({ assetCodes: ["USDC"] });
  await server.close();
  server = await open(path);
  expect(server.processor.sessions.defaultFilter).toEqual({ assetCodes: ["USDC"], includeDeleted: false });
  await server.close();
  server = await open(path, { "filter-asset-codes": "AQUA" });
  expect(server.processor.sessions.defaultFilter).toEqual({ assetCodes: ["AQUA"], includeDeleted: true });
  await server.close();
}, 30_000);

test("an idempotency key is known after a restart; stopped, failed and deleted sessions stay so", async () => {
  const path = folder();
  source.tip = 105;
  let server = await open(path);
  const request = { startLedger: 100, endLedger: 0, idempotencyKey: "nightly" };
  const kept = (await server.control.startProcessing(request)).sessionId;
  const stopped = (await server.control.startProcessing({ startLedger: 100 })).sessionId;
  const gone = (await server.control.startProcessing({ startLedger: 100 })).sessionId;
  await server.control.stopProcessing({ sessionId: stopped });
  await server.control.deleteSession({ sessionId: gone, force: true });
  await server.close();
  server = await open(path);
  expect(await server.control.startProcessing(request)).toMatchObject({ sessionId: kept, alreadyStarted: true });
  const { sessions } = await server.control.listSessions({});
  expect(sessions.map(({ sessionId }) => sessionId)).toEqual([stopped, kept]);
  expect(sessions[0]).toMatchObject({ status: Status.STOPPED, message: expect.stringContaining("cancelled") });
  // A session that was stopped goes on when it is asked to, also after a restart.
  source.tip = 107;
  await server.control.resumeSession({ sessionId: stopped });
  await until(
    async () => (await server.control.getMetrics({ sessionId: stopped })).ledgersProcessed === 8,
    "goes on behind its checkpoint",
  );
  await server.close();
}, 30_000);

describe("the executable", () => {
  const serve = (path: string, ...flags: string[]) => [
    `--source-endpoint=${SAMPLE.folder}`,
    "--include-deleted",
    "--worker-count=1",
    `--data-dir=${path}`,
    ...flags,
  ];

  test("the same command line after a restart means the same session", async () => {
    const path = folder();
    const flags = serve(path, `--start-ledger=${SAMPLE.first}`, `--end-ledger=${SAMPLE.last}`);
    const ids: string[] = [];
    for (let time = 0; time < 2; time++) {
      const server = await startProcessor(flags);
      const control = connectControl(server.control);
      const { sessions } = await control.listSessions({});
      ids.push(...sessions.map(({ sessionId }) => sessionId));
      control.close();
      expect(await server.stop()).toBe(0);
    }
    expect(ids).toHaveLength(2);
    expect(new Set(ids).size).toBe(1);
  }, 60_000);

  test("a damaged record stops the start with the way out, and recover is it", async () => {
    const path = folder();
    const server = await startProcessor(serve(path, `--start-ledger=${SAMPLE.first}`));
    // One server to a folder.
    const second = await runCommand(["serve", ...PORTS, ...serve(path)]);
    expect([second.exitCode, second.stderr]).toEqual([1, expect.stringContaining("is in use by another process")]);
    expect(await server.stop()).toBe(0);
    writeFileSync(join(path, "sessions.sqlite"), Buffer.alloc(4096, 7));
    const refused = await runCommand(["serve", ...PORTS, ...serve(path)]);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain("is damaged");
    expect(refused.stderr).toContain("recover");
    const recovered = await runCommand(["recover", "--data-dir", path]);
    expect(recovered.stdout).toContain("0 sessions kept");
    expect([recovered.exitCode, recovered.stderr]).toEqual([1, expect.stringContaining("no session could be saved")]);
    const again = await startProcessor(serve(path));
    expect(await again.stop()).toBe(0);
  }, 60_000);
});
