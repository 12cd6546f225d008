/** What becomes of sessions while their source fails: real files that change under a running server, a real gRPC source. */
import { afterEach, describe, expect, test } from "bun:test";
import { appendFileSync, chmodSync, cpSync, mkdirSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { GetStatusResponse_Status as Status } from "../../src/grpc/generated/control.ts";
import { Lake, type LakeOptions } from "../../src/sources/lake/lake.ts";
import { RawLedgerSource } from "../../src/sources/raw-ledger/raw-ledger-grpc.ts";
import type { LedgerSource } from "../../src/sources/source.ts";
import { batchOf, TemporaryLake } from "../sources/lake-fixture.ts";
import { RawLedgerServer } from "../sources/raw-ledger-service.ts";
import { type LocalServer, type LogLine, localServer } from "../support/local-server.ts";
import { SAMPLE } from "../support/processor.ts";
import { until } from "../support/until.ts";

const FAST: LakeOptions = { followPollMs: 5, lateFileMsMax: 200, growingStillMsMax: 100 };
const opened: Array<() => unknown> = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

async function serve(source: LedgerSource, flags: Record<string, string> = {}) {
  const lines: LogLine[] = [];
  const server = await localServer(source, { "network-passphrase": "test", ...flags }, lines);
  opened.push(() => server.close());
  return { server, lines };
}

async function serveLake(options: LakeOptions = {}, flags: Record<string, string> = {}) {
  const lake = new TemporaryLake().putAll(1, 5);
  opened.push(() => lake[Symbol.dispose]());
  const source = await Lake.open(lake.folder, { ...FAST, ...options });
  return { lake, ...(await serve(source, flags)) };
}

async function start({ control }: LocalServer, endLedger = 0): Promise<string> {
  const { sessionId } = await control.startProcessing({ startLedger: 1, endLedger, labels: new Map([["team", "a"]]) });
  return sessionId;
}

/** The file of `ledger`, as a whole. */
const fileOf = (ledger: number) => new Uint8Array(Bun.zstdCompressSync(batchOf(ledger, ledger)));

const reached = (server: LocalServer, sessionId: string, ledger: number) =>
  until(async () => (await server.control.getStatus({ sessionId })).currentLedger === ledger, `at ledger ${ledger}`);

/** Until its status says so; it must be RUNNING all the while. */
const waits = (server: LocalServer, sessionId: string, what: string) =>
  until(async () => {
    const { status, errorMessage } = await server.control.getStatus({ sessionId });
    expect(status).toBe(Status.RUNNING);
    return errorMessage.includes(what);
  }, what);

async function expectAll(server: LocalServer, sessionId: string, ledgers: number) {
  await reached(server, sessionId, ledgers);
  const status = await server.control.getStatus({ sessionId });
  expect(status).toMatchObject({ status: Status.RUNNING, errorMessage: "" });
  const metrics = await server.control.getMetrics({ sessionId });
  expect(metrics).toMatchObject({ ledgersProcessed: ledgers, ledgersSkipped: 0, errors: 0 });
}

const http = ({ processor }: LocalServer, path: string) =>
  fetch(`http://127.0.0.1:${processor.addresses.http.port}${path}`);

const failed = async (server: LocalServer, sessionId: string) => {
  await until(async () => (await server.control.getStatus({ sessionId })).status === Status.ERROR, "failed");
  return (await server.control.getSession({ sessionId })).session!.error!;
};

describe("a continuous session waits for its source, and says so", () => {
  test("while its folder is away, and the log says it once at each end", async () => {
    const { lake, server, lines } = await serveLake();
    const session = await start(server);
    await reached(server, session, 5);
    renameSync(lake.folder, `${lake.folder}.away`);
    opened.push(() => rmSync(`${lake.folder}.away`, { recursive: true, force: true }));
    await waits(server, session, "waiting for ledger 6: ");
    await until(() => lines.some(({ message }) => message === "a session waits for its source"), "logged");
    const { errorMessage } = await server.control.getStatus({ sessionId: session });
    expect(errorMessage).toMatch(
      /^waiting for ledger 6: .*: there is no such file or folder, since \d{4}-\d\d-\d\dT[\d:]+Z, (next try in \d+ s|trying now)$/,
    );
    const ready = await http(server, "/ready");
    expect(ready.status).toBe(200);
    expect(await ready.json()).toMatchObject({
      status: "healthy",
      ready: true,
      components: {
        source: { healthy: true, ready: false, message: expect.stringContaining("waiting for ledger 6: ") },
      },
    });
    const metrics = await (await http(server, "/metrics")).text();
    expect(metrics).toContain(`contract_data_session_source_waiting{session="${session}",label_team="a"} 1\n`);
    const page = await http(server, "/status.json");
    const { sessions } = (await page.json()) as { sessions: Array<{ message: string; sourceWait: unknown }> };
    expect(sessions[0]!.message).toStartWith("waiting for ledger 6: ");
    expect(sessions[0]!.sourceWait).toMatchObject({ ledger: 6, error: { reason: "FILE_NOT_FOUND" } });

    renameSync(`${lake.folder}.away`, lake.folder);
    lake.putAll(6, 9);
    await expectAll(server, session, 9);
    expect(await (await http(server, "/health")).json()).toMatchObject({ components: { source: { ready: true } } });
    const waited = lines.filter(({ message }) => /source/.test(message));
    expect(waited).toMatchObject([
      { level: "warn", message: "a session waits for its source", session, labels: { team: "a" }, ledger: 6 },
      { level: "info", message: "its source delivers again", session, labels: { team: "a" }, ledger: 6 },
    ]);
    expect(waited[1]!.waitedMs).toBeGreaterThan(2_000);
  }, 120_000);

  test("for a newest file that has stopped half way, however long that is", async () => {
    const { lake, server } = await serveLake({ settledFileMs: 0 });
    const session = await start(server);
    await reached(server, session, 5);
    const whole = fileOf(6);
    writeFileSync(lake.pathOf(6), whole.subarray(0, whole.length >> 1));
    utimesSync(lake.pathOf(6), 1, 1);
    await waits(server, session, "it is the newest file, so the rest may still come");
    appendFileSync(lake.pathOf(6), whole.subarray(whole.length >> 1));
    await expectAll(server, session, 6);
  }, 120_000);

  test("for a newest file with a hole in it, which nothing but decoding shows", async () => {
    const { lake, server } = await serveLake();
    const session = await start(server);
    await reached(server, session, 5);
    const whole = fileOf(6);
    writeFileSync(lake.pathOf(6), new Uint8Array(whole).fill(0, 20, -8));
    await waits(server, session, "it is the newest file, so the rest may still come");
    lake.put(6);
    await expectAll(server, session, 6);
  }, 120_000);

  test("for ledgers that come after later ones, with every row in order", async () => {
    const lake = new TemporaryLake({ ledgersPerBatch: 1, batchesPerPartition: 64_000, extension: "zst" }, "none");
    opened.push(() => lake[Symbol.dispose]());
    cpSync(join(SAMPLE.folder, ".config.json"), lake.path(".config.json"));
    const copy = (ledger: number) => {
      mkdirSync(dirname(lake.pathOf(ledger)), { recursive: true });
      cpSync(lake.pathOf(ledger).replace(lake.folder, SAMPLE.folder), lake.pathOf(ledger));
    };
    const source = await Lake.open(lake.folder, FAST);
    const { server } = await serve(source, { "network-passphrase": (await source.networkPassphrase())! });
    const { sessionId } = await server.control.startProcessing({ startLedger: SAMPLE.first });
    copy(SAMPLE.first);
    await reached(server, sessionId, SAMPLE.first);
    const numbers: number[] = [];
    const stop = new AbortController();
    opened.push(() => stop.abort());
    const ticket = Buffer.from(JSON.stringify({ session: sessionId, from: "start" }));
    const reading = (async () => {
      for await (const { table } of server.flight.doGet(ticket, stop.signal)) {
        const column = table.getChild("ledger_sequence")!;
        for (let row = 0; row < table.numRows; row++) numbers.push(Number(column.get(row)));
      }
    })();
    reading.catch(() => {}); // cut off by the test
    for (let ledger = SAMPLE.last; ledger > SAMPLE.first + 1; ledger--) copy(ledger);
    await waits(server, sessionId, `ledger ${SAMPLE.first + 1} is missing`);
    await Bun.sleep(1_000); // longer than a file may be late
    copy(SAMPLE.first + 1);
    await until(() => numbers.length === SAMPLE.rows, "all rows");
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  }, 120_000);

  test("for the right to read a file", async () => {
    if (process.getuid?.() === 0) return; // may read everything
    const { lake, server } = await serveLake();
    const session = await start(server);
    await reached(server, session, 5);
    writeFileSync(lake.pathOf(6), fileOf(6), { mode: 0 });
    lake.put(7);
    await waits(server, session, "not readable by this user");
    chmodSync(lake.pathOf(6), 0o644);
    await expectAll(server, session, 7);
  }, 120_000);

  test("for a service that is not there, and for one that goes away", async () => {
    const script = async (call: { startLedger: number; sendAll(first: number, last: number): Promise<void> }) =>
      call.sendAll(call.startLedger, 20);
    const found = await RawLedgerServer.start(script);
    const port = Number(found.address.split(":")[1]);
    found[Symbol.dispose]();
    const { server } = await serve(new RawLedgerSource(found.address, { outageMsMax: 500 }));
    const session = await start(server);
    await waits(server, session, "waiting for ledger 1: ");
    await waits(server, session, "no ledger for"); // the source has given up, the session has not
    const service = await RawLedgerServer.start(script, port);
    opened.push(() => service[Symbol.dispose]());
    await reached(server, session, 20);
    expect((await server.control.getMetrics({ sessionId: session })).ledgersProcessed).toBe(20);
    service[Symbol.dispose]();
    await waits(server, session, "waiting for ledger 21: ");
  }, 120_000);

  test("and stops at once when it is told to", async () => {
    const { lake, server } = await serveLake();
    const session = await start(server);
    await reached(server, session, 5);
    renameSync(lake.folder, `${lake.folder}.away`);
    opened.push(() => rmSync(`${lake.folder}.away`, { recursive: true, force: true }));
    await waits(server, session, "waiting for ledger 6: ");
    const { message } = await server.control.stopProcessing({ sessionId: session });
    expect(message).toBe("cancelled after ledger 5");
    expect(await server.control.getStatus({ sessionId: session })).toMatchObject({
      status: Status.STOPPED,
      errorMessage: "cancelled after ledger 5",
    });
  }, 120_000);
});

describe("what waiting does not mend", () => {
  test("a settled file before others that cannot be decoded is DATA_LOSS", async () => {
    const { lake, server, lines } = await serveLake({ settledFileMs: 1_500 });
    const session = await start(server);
    await reached(server, session, 5);
    writeFileSync(lake.pathOf(6), fileOf(6).subarray(0, 20));
    lake.put(7);
    await waits(server, session, "it has changed within 1500 ms, so the rest may still come");
    expect(await failed(server, session)).toMatchObject({ code: "DATA_LOSS", reason: "ZSTD_TRUNCATED" });
    expect(lines.find(({ message }) => message === "session failed")).toMatchObject({
      level: "error",
      session,
      ledger: 5,
      code: "DATA_LOSS",
      reason: "ZSTD_TRUNCATED",
    });
    const health = await http(server, "/health");
    expect(health.status).toBe(200);
    expect(await health.json()).toMatchObject({
      status: "healthy",
      ready: true,
      components: { source: { ready: true }, sessions: { ready: false, message: expect.stringContaining(session) } },
    });
  }, 120_000);

  test("a session with an end is told of what is missing", async () => {
    const { lake, server } = await serveLake();
    lake.remove(3);
    const session = await start(server, 5);
    expect(await failed(server, session)).toMatchObject({ code: "NOT_FOUND", reason: "LEDGER_MISSING" });
  }, 120_000);

  test("a first ledger that the lake does not reach back to", async () => {
    const { lake, server } = await serveLake({ settledFileMs: 0 });
    lake.remove(1);
    expect(await failed(server, await start(server))).toMatchObject({ reason: "LEDGER_BEFORE_SOURCE" });
  }, 120_000);
});

describe("ON_ERROR=skip", () => {
  test("skips no file that may still come, and tells of what it skips", async () => {
    const { lake, server, lines } = await serveLake({ settledFileMs: 300 }, { "on-error": "skip" });
    const session = await start(server);
    await reached(server, session, 5);
    writeFileSync(lake.pathOf(6), "");
    await waits(server, session, "it is the newest file, so the rest may still come");
    await Bun.sleep(1_000); // settled by then
    await waits(server, session, "it is the newest file, so the rest may still come");
    expect((await server.control.getMetrics({ sessionId: session })).ledgersSkipped).toBe(0);
    lake.put(6);
    await expectAll(server, session, 6);

    writeFileSync(lake.pathOf(7), "no zstd");
    lake.putAll(8, 9);
    await reached(server, session, 9);
    const { status, errorMessage } = await server.control.getStatus({ sessionId: session });
    expect(status).toBe(Status.RUNNING);
    expect(errorMessage).toStartWith("1 ledger was skipped (ON_ERROR=skip), the last one for this: ledger 7: ");
    expect(lines.filter(({ message }) => message === "a ledger was skipped")).toMatchObject([
      { level: "warn", session, ledger: 7, code: "DATA_LOSS", reason: "ZSTD_CORRUPT" },
    ]);
  }, 120_000);

  test("nor the newest file of a session with an end, while it may be under way", async () => {
    const { lake, server } = await serveLake({}, { "on-error": "skip" });
    writeFileSync(lake.pathOf(5), "");
    expect(await failed(server, await start(server, 5))).toMatchObject({
      code: "UNAVAILABLE",
      reason: "ZSTD_TRUNCATED",
    });
  }, 120_000);

  test("logs the first ten a minute, and keeps the count", async () => {
    const { lake, server, lines } = await serveLake({ settledFileMs: 0 }, { "on-error": "skip" });
    lake.putAll(6, 40);
    for (let ledger = 2; ledger <= 31; ledger++) writeFileSync(lake.pathOf(ledger), "no zstd");
    const session = await start(server);
    await reached(server, session, 40);
    const { errorMessage } = await server.control.getStatus({ sessionId: session });
    expect(errorMessage).toContain("30 ledgers were skipped (ON_ERROR=skip), the last one for this: ledger 31: ");
    expect(lines.filter(({ message }) => message === "a ledger was skipped").map(({ ledger }) => ledger)).toHaveLength(
      10,
    );
  }, 120_000);
});
