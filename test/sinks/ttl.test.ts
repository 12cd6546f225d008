/** The dataset `ttl` in the SQLite sink: beside contract data in one file, in files of before, and by a session. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { COMMANDS } from "../../src/main.ts";
import { cli } from "../cli/harness.ts";
import { NETWORK } from "../ledger/build.ts";
import { LivingWorld } from "../support/living-world.ts";
import { type LocalServer, localServer } from "../support/local-server.ts";
import { ManyContractsSource } from "../support/many-contracts.ts";

const FIRST = 1000;
const LAST = 1039;
const world = new LivingWorld(FIRST, 7);
const source = new ManyContractsSource(true, (sequence) => world.ledger(sequence));
const folder = mkdtempSync(join(tmpdir(), "contract-data-ttl-sink-"));
let server: LocalServer;

beforeAll(async () => {
  server = await localServer(source, { "network-passphrase": NETWORK });
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

function sink(file: string, ...words: string[]) {
  const env = { FLIGHT_ENDPOINT: `127.0.0.1:${server.processor.addresses.flight.port}` };
  return cli(["sink", "sqlite", "--to", join(folder, file), ...words], COMMANDS, env);
}

function query(file: string, sql: string): Array<Record<string, unknown>> {
  const database = new Database(join(folder, file), { readonly: true });
  const rows = database.query(sql).all() as Array<Record<string, unknown>>;
  database.close();
  return rows;
}

const range = (first: number, last: number) => ["--start-ledger", String(first), "--end-ledger", String(last)];

test("both datasets in one file are what there is, live and expired; ranges may overlap and come late", async () => {
  expect((await sink("world.db", ...range(FIRST, LAST))).code).toBe(0);
  for (const [first, last] of [
    [FIRST + 20, LAST],
    [FIRST, FIRST + 25],
    [FIRST, FIRST + 25],
  ] as const) {
    const run = await sink("world.db", "--dataset", "ttl", ...range(first, last));
    expect(run.code, run.err).toBe(0);
    expect(run.out).toContain(`rows of ttl of ledgers ${first}-${last} committed`);
  }
  const found = query(
    "world.db",
    "SELECT ledger_key_hash, live_until_ledger FROM current_lives ORDER BY ledger_key_hash",
  );
  const expected = [...world.state(LAST)].map(([hash, { until }]) => ({
    ledger_key_hash: hash,
    live_until_ledger: until,
  }));
  expect(found).toEqual(expected.sort((a, b) => (a.ledger_key_hash < b.ledger_key_hash ? -1 : 1)));
  const [{ n } = {}] = query("world.db", `SELECT count(*) AS n FROM current_lives WHERE live_until_ledger < ${LAST}`);
  expect(n).toBe([...world.state(LAST).values()].filter(({ until }) => until < LAST).length);
  const keys = query("world.db", "SELECT DISTINCT ledger_sequence, transaction_order, change_index FROM ttl_changes");
  expect(query("world.db", "SELECT count(*) AS n FROM ttl_changes")).toEqual([{ n: keys.length }]);
  expect(query("world.db", "SELECT reader FROM consumer_positions ORDER BY reader")).toEqual([
    { reader: `ledgers ${FIRST}-${LAST}` },
    { reader: `ttl of ledgers ${FIRST}-${FIRST + 25}` },
    { reader: `ttl of ledgers ${FIRST + 20}-${LAST}` },
  ]);
});

test("a session of both fills the file by a reader for each, and --dataset says what goes with it", async () => {
  const request = { startLedger: FIRST, endLedger: LAST, datasets: ["contract_data", "ttl"], schemaVersion: 2 };
  const { sessionId } = await server.control.startProcessing(request);
  const [data, ttl] = await Promise.all([
    sink("session.db", "--session", sessionId),
    sink("session.db", "--session", sessionId, "--dataset", "ttl"),
  ]);
  expect([data.code, ttl.code], data.err + ttl.err).toEqual([0, 0]);
  const all = "SELECT * FROM ttl_changes ORDER BY ledger_sequence, transaction_order, change_index";
  expect(query("session.db", all)).toEqual(query("world.db", all));
  for (const [words, says] of [
    [["--dataset", "ttl", ...range(FIRST, LAST), "--asset-code", "KALE"], "--asset-code is a filter of contract_data"],
    [["--dataset", "code", ...range(FIRST, LAST)], "one of contract_data, ttl is accepted"],
  ] as const) {
    expect((await sink("refused.db", ...words)).err).toContain(says);
  }
  const postgres = await cli(
    ["sink", "postgres", "--url", "postgres://x@127.0.0.1:1/x", "--dataset", "ttl"],
    COMMANDS,
    {},
  );
  expect(postgres.err).toContain("sink postgres has no tables for --dataset ttl");
});
