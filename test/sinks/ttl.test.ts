/** The dataset `ttl` in sinks: beside contract data in one file or database, in those of before, and by a session. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { COMMANDS } from "../../src/main.ts";
import { TTL_COLUMNS } from "../../src/sinks/columns.ts";
import { cli } from "../cli/harness.ts";
import { NETWORK } from "../ledger/build.ts";
import { LivingWorld } from "../support/living-world.ts";
import { type LocalServer, localServer } from "../support/local-server.ts";
import { ManyContractsSource } from "../support/many-contracts.ts";
import { type PostgresServer, postgresPrograms, query as rowsOf, startPostgres } from "../support/postgres-server.ts";
import { ROOT } from "../support/processor.ts";

const FIRST = 1000;
const LAST = 1039;
const world = new LivingWorld(FIRST, 7);
const source = new ManyContractsSource(true, (sequence) => world.ledger(sequence));
const programs = postgresPrograms();
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

/** The query of docs/sinks.md. */
const EXPIRED = /```sql\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, "docs", "sinks.md"), "utf8"))![1]!;

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

test("the query of docs/sinks.md says what has expired", async () => {
  const ttl = ["--dataset", "ttl"];
  for (const words of [[], ttl]) expect((await sink("query.db", ...words, ...range(FIRST, LAST))).code).toBe(0);
  const expired = query("query.db", EXPIRED).filter((row) => row.expired === 1);
  const expected = [...world.state(LAST)].filter(([, { until }]) => until < LAST).map(([hash]) => hash);
  expect(expected.length).toBeGreaterThan(0);
  expect(expired.map(({ ledger_key_hash }) => String(ledger_key_hash)).sort()).toEqual(expected.sort());
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
});

describe.skipIf(programs === undefined)("in PostgreSQL", () => {
  let postgres: PostgresServer;

  beforeAll(async () => {
    postgres = await startPostgres(programs!);
  }, 60_000);

  afterAll(() => postgres.stop());

  const fill = (url: string, ...words: string[]) => {
    const env = { FLIGHT_ENDPOINT: `127.0.0.1:${server.processor.addresses.flight.port}` };
    return cli(["sink", "postgres", "--url", url, "--metrics-port", "127.0.0.1:0", ...words], COMMANDS, env);
  };

  test("tables of both datasets are the SQLite sink's, by overlapping ranges and by a session's partitions", async () => {
    const url = await postgres.database();
    expect((await fill(url, ...range(FIRST, LAST))).code).toBe(0);
    const request = { startLedger: FIRST, endLedger: LAST, datasets: ["ttl"], partitions: 2 };
    const { sessionId } = await server.control.startProcessing(request);
    const ttl = ["--dataset", "ttl"];
    const runs = await Promise.all([
      fill(url, ...ttl, ...range(FIRST + 20, LAST)),
      ...["0", "1"].map((partition) => fill(url, ...ttl, "--session", sessionId, "--partition", partition)),
    ]);
    for (const { code, err } of runs) expect(code, err).toBe(0);
    expect((await sink("same.db", ...ttl, ...range(FIRST, LAST))).code).toBe(0);
    for (const table of ["ttl_changes", "current_ttl"]) {
      const columns = TTL_COLUMNS.map(({ name, kind }) => (kind === "time" ? `extract(epoch from ${name})` : name));
      const sql = `SELECT ${columns.join(", ")} FROM contract_data.${table} ORDER BY 1, 2, 3`;
      const ours = (await rowsOf(url, sql)).map((row) => Object.values(row).map(plain));
      const names = TTL_COLUMNS.map(({ name, kind }) => (kind === "time" ? `unixepoch(${name})` : name));
      const theirs = query("same.db", `SELECT ${names.join(", ")} FROM ${table} ORDER BY 1, 2, 3`);
      expect(ours.length).toBeGreaterThan(0);
      expect(ours).toEqual(theirs.map((row) => Object.values(row).map(plain)));
    }
    const lives = await rowsOf(url, "SELECT ledger_key_hash, live_until_ledger FROM contract_data.current_lives");
    const expected = [...world.state(LAST)].map(([hash, { until }]) => `${hash} ${until}`);
    expect(lives.map((row) => `${row.ledger_key_hash} ${row.live_until_ledger}`).sort()).toEqual(expected.sort());
    const documented = await rowsOf(url, EXPIRED.replaceAll("FROM ", "FROM contract_data."));
    expect(documented.filter((row) => row.expired).length).toBe(
      [...world.state(LAST).values()].filter(({ until }) => until < LAST).length,
    );
    const positions =
      "SELECT dataset, status FROM contract_data.consumer_positions JOIN contract_data.ingestion_progress USING (reader)";
    const found = (await rowsOf(url, positions)).map((row) => `${row.dataset} ${row.status}`);
    expect(found.sort()).toEqual(["contract_data completed", ...Array(3).fill("ttl completed")]);
  });

  test("a database of the version before gets their tables, and keeps what it has", async () => {
    const url = await postgres.database();
    expect((await fill(url, ...range(FIRST, FIRST + 5))).code).toBe(0);
    const count = "SELECT count(*) AS n FROM contract_data.entries";
    const [before] = await rowsOf(url, count);
    await rowsOf(url, "DROP VIEW contract_data.current_lives");
    await rowsOf(url, "DROP TABLE contract_data.ttl_changes, contract_data.current_ttl");
    await rowsOf(url, "UPDATE contract_data.schema_version SET version = 1");
    expect((await fill(url, "--dataset", "ttl", ...range(FIRST, FIRST + 5))).code).toBe(0);
    expect(await rowsOf(url, count)).toEqual([before!]);
    expect(Number((await rowsOf(url, "SELECT count(*) AS n FROM contract_data.current_lives"))[0]!.n)).toBeGreaterThan(
      0,
    );
  });
});

/** A value of either database in the same words. */
function plain(value: unknown): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : String(value).replace(/\.0+$/, "");
}
