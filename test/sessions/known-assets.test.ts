/**
 * What sessions know of assets, on the real server: over SIGKILL between learning and use, for clients that read
 * everything again, and with tables at the start. The oracle is one decoder that keeps the rule.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Table } from "apache-arrow";
import { type ControlClient, connectControl } from "../../src/control/client.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import { GetStatusResponse_Status as Status } from "../../src/grpc/generated/control.ts";
import { ASSET_DELAY_LEDGERS } from "../../src/ledger/known-assets.ts";
import { batchRange, type LakeLayout, lakeKey } from "../../src/sources/lake/lake-layout.ts";
import { NETWORK } from "../ledger/build.ts";
import { batchOf, TemporaryLake } from "../sources/lake-fixture.ts";
import { ASSET_ISSUER, AssetWorld, type OracleOptions } from "../support/asset-world.ts";
import { failureOf } from "../support/failure.ts";
import { flightCalls } from "../support/flight-rows.ts";
import { type Processor, runCommand, startProcessor } from "../support/processor.ts";
import { randomFrom, seedOf } from "../support/random.ts";
import { until } from "../support/until.ts";

const LAYOUT: LakeLayout = { ledgersPerBatch: 4, batchesPerPartition: 1000, extension: "zst" };
const FIRST = 8;
const LAST = 8 + ASSET_DELAY_LEDGERS + 139; // what the first of them teach counts for the last
const seed = seedOf();
const world = new AssetWorld(seed);
const lake = new TemporaryLake(LAYOUT, { networkPassphrase: NETWORK });
for (let ledger = FIRST; ledger <= LAST; ledger += LAYOUT.ledgersPerBatch) {
  const { ledgerFirst, ledgerLast } = batchRange(LAYOUT, ledger);
  const bytes = batchOf(ledgerFirst, ledgerLast, (sequence) => world.ledger(sequence));
  lake.write(lakeKey(LAYOUT, ledger), Bun.zstdCompressSync(bytes as Uint8Array<ArrayBuffer>));
}
const scratch = mkdtempSync(join(tmpdir(), "contract-data-assets-"));
afterAll(() => {
  lake[Symbol.dispose]();
  rmSync(scratch, { recursive: true, force: true });
});

const oracle = (options: Partial<OracleOptions> = {}) =>
  world.rows(FIRST, LAST, { schemaVersion: 2, delayLedgers: ASSET_DELAY_LEDGERS, ...options });

interface Up {
  processor: Processor;
  control: ControlClient;
  flight: FlightClient;
  down(signal: NodeJS.Signals): Promise<void>;
}

async function up(workers: number, flags: string[]): Promise<Up> {
  const processor = await startProcessor([
    `--source-endpoint=${lake.folder}`,
    `--network-passphrase=${NETWORK}`,
    `--worker-count=${workers}`,
    "--checkpoint-interval=50ms",
    "--channel-buffer-size=4",
    ...flags,
  ]);
  const control = connectControl(processor.control, { deadlineMs: 60_000 });
  const flight = new FlightClient(processor.flight);
  return {
    processor,
    control,
    flight,
    async down(signal) {
      control.close();
      flight.close();
      processor.kill(signal);
      await processor.exited;
    },
  };
}

function rowsOf(table: Table): string[] {
  const columns = table.schema.fields.map(({ name }) => table.getChild(name)!);
  return Array.from({ length: table.numRows }, (_, row) => columns.map((column) => String(column.get(row))).join("|"));
}

/** Rows of a ticket, up to the first batch that is behind that ledger. */
async function read(
  { flight }: Up,
  ticket: object,
  ledgerMax = Number.POSITIVE_INFINITY,
): Promise<{ rows: string[]; cursor: string }> {
  const stop = new AbortController();
  const rows: string[] = [];
  let cursor = "";
  for await (const { table, metadata } of flight.doGet(Buffer.from(JSON.stringify(ticket)), stop.signal)) {
    rows.push(...rowsOf(table));
    cursor = metadata.cursor;
    if (metadata.ledger_last >= ledgerMax) break;
  }
  stop.abort();
  return { rows, cursor };
}

const completed = (server: Up, sessionId: string) =>
  until(async () => (await server.control.getStatus({ sessionId })).status === Status.STOPPED, "completed");

test(`killed between learning and use, a session gives the rows that it would have given (SEED=${seed})`, async () => {
  const random = randomFrom(seed);
  const data = `--data-dir=${join(scratch, "killed")}`;
  let server = await up(2, [data]);
  const { sessionId } = await server.control.startProcessing({
    startLedger: FIRST,
    endLedger: LAST,
    batchSize: 40,
    schemaVersion: 2,
  });
  const rows: string[] = [];
  let from = "start";
  for (let kills = 0; kills < 4; kills++) {
    const part = await read(server, { session: sessionId, from }, FIRST + (kills + random()) * ((LAST - FIRST) / 4));
    rows.push(...part.rows);
    from = part.cursor;
    await server.down("SIGKILL");
    server = await up([1, 3, 2, 2][kills]!, [data]);
  }
  rows.push(...(await read(server, { session: sessionId, from })).rows);
  await completed(server, sessionId);
  const expected = oracle();
  expect(expected).not.toEqual(oracle({ learns: false }));
  expect(rows).toEqual(expected);
  // What it retains is a few batches: this comes from the source again, by what the session has learned.
  expect((await read(server, { session: sessionId, from: "start" })).rows).toEqual(expected);
  await server.down("SIGTERM");
  server = await up(3, [data]);
  expect((await read(server, { session: sessionId, from: "start" })).rows).toEqual(expected);
  await server.down("SIGTERM");
}, 120_000);

describe("a table at the start", () => {
  const given = ["AST0", "AST1", "AST2"].map((code) => `${code}:${ASSET_ISSUER}`);
  const [ofServer, ofRequest, ofTicket] = given as [string, string, string];

  test("is the server's and the request's, is kept with the session, and decides what an asset filter selects", async () => {
    const data = `--data-dir=${join(scratch, "given")}`;
    let server = await up(2, [data, `--known-assets=${ofServer}`]);
    const filter = { assetCodes: ["AST0", "AST1"] };
    const { sessionId } = await server.control.startProcessing({
      startLedger: FIRST,
      endLedger: LAST,
      batchSize: 40,
      schemaVersion: 2,
      knownAssets: [ofRequest],
      filters: filter,
    });
    const expected = oracle({ given: [ofServer, ofRequest], filters: [{ ledgerFrom: FIRST, filter }] });
    expect(expected).not.toEqual(oracle({ filters: [{ ledgerFrom: FIRST, filter }] }));
    expect((await read(server, { session: sessionId, from: "start" })).rows).toEqual(expected);
    const { session } = await server.control.getSession({ sessionId });
    expect(session!.request!.knownAssets).toEqual([ofRequest]);
    await completed(server, sessionId);
    await server.down("SIGTERM");
    server = await up(2, [data, `--known-assets=${ofTicket}`]);
    expect((await read(server, { session: sessionId, from: "start" })).rows).toEqual(expected);

    const range = { start_ledger: FIRST, end_ledger: LAST, schema_version: 2, batch_size: 30 };
    const whole = oracle({ given: [ofTicket, ofRequest], learns: false });
    const all = await read(server, { ...range, assets: [ofRequest] });
    expect(all.rows).toEqual(whole);
    const begun = await read(server, { ...range, assets: [ofRequest] }, FIRST + 300);
    const rest = await read(server, { ...range, assets: [ofRequest], from: begun.cursor });
    expect([...begun.rows, ...rest.rows]).toEqual(whole);

    const calls = flightCalls(server.processor.flight);
    const cmd = Buffer.from(JSON.stringify({ ...range, assets: [ofRequest], partitions: 3 }));
    const { endpoint } = await calls.getFlightInfo({ type: 2, cmd });
    calls.close();
    const parts: string[] = [];
    for (const { ticket } of endpoint) {
      const part = JSON.parse(Buffer.from(ticket!.ticket).toString()) as object;
      parts.push(...(await read(server, part)).rows);
    }
    expect(endpoint).toHaveLength(3);
    expect(parts).toEqual(whole);
    await server.down("SIGTERM");
  }, 60_000);

  test("that has a bad entry is refused with its index, wherever it is given", async () => {
    const bad = [ofServer, "USD"];
    const server = await up(1, []);
    const start = server.control.startProcessing({ startLedger: FIRST, endLedger: LAST, knownAssets: bad });
    expect((await failureOf(start)).toRecord()).toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_ASSET",
      message: expect.stringContaining("known_assets[1]"),
    });
    const range = { start_ledger: FIRST, end_ledger: LAST, assets: bad };
    expect((await failureOf(read(server, range))).toRecord()).toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_ASSET",
      message: expect.stringContaining("[1]"),
    });
    const many = Array.from({ length: 10_001 }, () => ofServer);
    const long = server.control.startProcessing({ startLedger: FIRST, endLedger: LAST, knownAssets: many });
    expect((await failureOf(long)).toRecord()).toMatchObject({ reason: "ASSETS_TOO_LONG" });
    await server.down("SIGTERM");
    const configured = await runCommand(["serve", `--known-assets=${bad}`]);
    expect(configured.exitCode).not.toBe(0);
    expect(configured.stderr).toContain("entry[1]");
  }, 60_000);

  test("and what ledgers show is what decode goes by, over all its files", async () => {
    const files: string[] = [];
    for (let ledger = FIRST; ledger <= LAST; ledger += LAYOUT.ledgersPerBatch) files.push(lake.pathOf(ledger));
    const flags = ["--format=ndjson", "--schema-version=2", `--network-passphrase=${NETWORK}`];
    for (const known of [[], [ofServer, ofRequest]]) {
      const run = await runCommand(["decode", ...flags, ...known.map((asset) => `--known-asset=${asset}`), ...files]);
      expect(run.stderr).toBe("");
      const rows = run.stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .map((row) => `${row.ledger_sequence}|${row.contract_id}|${row.asset_code ?? null}`);
      expect(rows).toEqual(oracle({ given: known, columns: ["ledger_sequence", "contract_id", "asset_code"] }));
    }
  }, 60_000);
});
