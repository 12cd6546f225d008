/** The PostgreSQL sink on a real PostgreSQL: its rows, its state, its views, and what an operator sees. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import pg from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { connectControl } from "../../src/control/client.ts";
import { ComponentType } from "../../src/grpc/generated/flowctl-v1.ts";
import { COMMANDS } from "../../src/main.ts";
import { COLUMNS } from "../../src/sinks/columns.ts";
import { COPY_END, COPY_HEAD, Growing } from "../../src/sinks/postgres/copy-encoder.ts";
import { type CliRun, cli } from "../cli/harness.ts";
import { FlowctlStandIn } from "../flowctl/flowctl-stand-in.ts";
import { type PostgresServer, postgresPrograms, query, startPostgres } from "../support/postgres-server.ts";
import { PROGRAM, type Processor, ROOT, runCommand, SAMPLE, startProcessor } from "../support/processor.ts";
import { sinkKillRun } from "../support/sink-kill-run.ts";
import { postgresPlace } from "../support/sink-place.ts";
import { until } from "../support/until.ts";

const KILL_RUN_MS_MAX = 120_000;
const FIRST = Number(SAMPLE.first);
const LAST = Number(SAMPLE.last);
const BY_KEY = "ORDER BY ledger_sequence, transaction_order, change_index";
const PORT = ["--metrics-port", "127.0.0.1:0"];
const programs = postgresPrograms();
const folder = mkdtempSync(join(tmpdir(), "contract-data-postgres-sink-"));
let server: PostgresServer;
let processor: Processor;

function sink(url: string, ...words: string[]): Promise<CliRun> {
  return cli(["sink", "postgres", "--url", url, ...PORT, ...words], COMMANDS, { FLIGHT_ENDPOINT: processor.flight });
}

const range = (first: number, last: number) => ["--start-ledger", String(first), "--end-ledger", String(last)];

let sample: string | undefined;

/** A database of its own with the rows of the sample. */
async function filled(): Promise<string> {
  if (sample === undefined) {
    const url = await server.database();
    const run = await sink(url, ...range(FIRST, LAST));
    expect([run.code, run.out], run.err).toEqual([0, expect.stringContaining("311 rows of ledgers")]);
    sample = new URL(url).pathname.slice(1);
  }
  return server.database(`TEMPLATE ${sample}`);
}

describe.skipIf(programs === undefined)("sink postgres", () => {
  beforeAll(async () => {
    [server, processor] = await Promise.all([
      startPostgres(programs!),
      startProcessor([`--source-endpoint=${SAMPLE.folder}`]),
    ]);
  }, 60_000);

  afterAll(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
    expect(await processor.stop()).toBe(0);
  });

  describe("rows", () => {
    test("are those of the SQLite sink in every column, and so is current_state", async () => {
      const url = await filled();
      const path = join(folder, "rows.db");
      const env = { FLIGHT_ENDPOINT: processor.flight };
      expect((await cli(["sink", "sqlite", "--to", path, ...range(FIRST, LAST)], COMMANDS, env)).code).toBe(0);
      const other = new Database(path, { readonly: true });
      for (const table of ["entries", "current_state"]) {
        const ours = await query(url, `SELECT * FROM contract_data.${table} ${BY_KEY}`);
        const theirs = other.query(`SELECT * FROM ${table} ${BY_KEY}`).all() as Record<string, unknown>[];
        const parsed = theirs.map((row) => ({ ...row, ...parse(row, "key_json"), ...parse(row, "val_json") }));
        expect(ours.map(plain)).toEqual(parsed.map(plain));
      }
      other.close();
      const [live] = await query(url, "SELECT count(*)::int AS n FROM contract_data.current_states");
      const [all] = await query(url, "SELECT count(*)::int AS n FROM contract_data.current_state WHERE NOT deleted");
      expect(live).toEqual(all!);
    });

    test("amounts of every size", async () => {
      const amounts = ["0", "1", "-1", "9999", "10000", "-10000", "100000001", "4002027568"];
      amounts.push(String(2n ** 127n - 1n), String(-(2n ** 127n)), `1${"0".repeat(38)}`);
      const out = new Growing();
      for (const amount of amounts) {
        out.reserve(2);
        out.int16(1);
        out.numeric(Buffer.from(amount), 0, amount.length);
      }
      const client = new pg.Client(await server.database());
      await client.connect();
      await client.query("CREATE TABLE amounts (amount numeric(39, 0))");
      const pieces = [COPY_HEAD, out.bytes, COPY_END];
      await pipeline(Readable.from(pieces), client.query(copyFrom("COPY amounts FROM STDIN (FORMAT binary)")));
      const { rows } = await client.query("SELECT amount::text FROM amounts");
      await client.end();
      expect(rows.map(({ amount }) => amount)).toEqual(amounts);
    });

    test("overlapping ranges by several processes at once, into a database that none has made yet", async () => {
      const whole = await filled();
      const url = await server.database();
      const parts = [range(FIRST + 2, LAST), range(FIRST, LAST - 2), range(FIRST + 1, LAST - 1), range(FIRST, LAST)];
      for (const run of await Promise.all(parts.map((words) => sink(url, ...words)))) expect(run.code, run.err).toBe(0);
      expect((await sink(url, ...range(FIRST, LAST))).out).toStartWith("0 rows of");
      for (const table of ["entries", "current_state"]) {
        const names = COLUMNS.map(({ name }) => name).join(", ");
        const read = (from: string) => query(from, `SELECT ${names} FROM contract_data.${table} ${BY_KEY}`);
        expect(await read(url)).toEqual(await read(whole));
      }
    });

    test("a session's partitions; a session without removed entries is refused", async () => {
      const control = connectControl(processor.control);
      const start = (includeDeleted: boolean, partitions: number) =>
        control.startProcessing({
          ...{ startLedger: FIRST, endLedger: LAST, schemaVersion: 2, partitions, filters: { includeDeleted } },
        });
      const { sessionId } = await start(true, 2);
      const url = await server.database();
      const runs = await Promise.all([0, 1].map((n) => sink(url, "--session", sessionId, "--partition", `${n}`)));
      for (const run of runs) expect(run.out, run.err).toContain("it is complete");
      expect(await query(url, "SELECT count(*)::int AS n FROM contract_data.entries")).toEqual([{ n: 311 }]);
      const { sessionId: without } = await start(false, 1);
      const refused = await sink(url, "--session", without);
      expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("leaves removed entries out")]);
      control.close();
    });

    test("a back-fill does not bring back what is gone", async () => {
      const url = await filled();
      const gone = "SELECT * FROM contract_data.current_state WHERE deleted ORDER BY ledger_key_hash";
      const before = await query(url, gone);
      expect(before.length).toBeGreaterThan(0);
      for (const row of before) expect([row.balance, row.val_xdr, row.val_json]).toEqual([null, null, null]);
      await query(url, "DELETE FROM contract_data.entries");
      for (const part of [range(FIRST, LAST - 1), range(FIRST, LAST - 3)])
        expect((await sink(url, ...part)).code).toBe(0);
      expect(await query(url, gone)).toEqual(before);
    });

    test("of another network are refused", async () => {
      const url = await filled();
      await query(url, "UPDATE contract_data.consumer_positions SET network = 'Test SDF Network ; September 2015'");
      const run = await sink(url, ...range(LAST, LAST));
      expect([run.code, run.err]).toEqual([1, expect.stringContaining('has rows of the network "Test SDF')]);
    });
  });

  test("--dry-run says what would be done, and does nothing", async () => {
    const url = await server.database();
    expect((await sink(url, ...range(FIRST, LAST), "--dry-run")).out).toMatch(
      /^makes the schema contract_data in .*\nbegins at the start\nreads ledgers/,
    );
    expect(await query(url, "SELECT to_regnamespace('contract_data') AS made")).toEqual([{ made: null }]);
    const again = await sink(await filled(), ...range(FIRST, LAST), "--dry-run");
    expect(again.out).toContain("goes on at the cursor");
  });

  test("what an operator sees: status in the database, and health, metrics and statistics over HTTP", async () => {
    const url = await filled();
    const progress = (reader: string) =>
      query(
        url,
        "SELECT status, error_message, entries_processed::int AS n FROM contract_data.ingestion_progress WHERE reader = $1",
        [reader],
      );
    expect(await progress(`ledgers ${FIRST}-${LAST}`)).toEqual([{ status: "completed", error_message: null, n: 311 }]);
    const over = new AbortController();
    const words = ["sink", "postgres", "--url", url, ...PORT, ...range(FIRST, 0), "--commit-interval", "20ms"];
    const flowctl = await FlowctlStandIn.start();
    const env = { ENABLE_FLOWCTL: "true", FLOWCTL_ENDPOINT: flowctl.address, FLOWCTL_COMPONENT_ID: "consumer-1" };
    const follower = Bun.spawn([...PROGRAM, ...words], {
      cwd: join(import.meta.dir, "..", ".."),
      env: { ...process.env, ...env, FLOWCTL_HEARTBEAT_INTERVAL: "100ms", FLIGHT_ENDPOINT: processor.flight },
      ...{ stdout: "ignore", stderr: "pipe" },
    });
    let told = "";
    void (async () => {
      for await (const chunk of follower.stderr) told += new TextDecoder().decode(chunk);
    })();
    const address = await until(() => /"address":"([^"]+)"/.exec(told)?.[1], "metrics are served");
    const ask = (path: string) => fetch(`http://${address}${path}`);
    await until(async () => (await progress(`ledgers ${FIRST}-`))[0]?.n === 311 || undefined, "all rows are committed");
    expect(await progress(`ledgers ${FIRST}-`)).toMatchObject([{ status: "processing", error_message: null }]);
    for (const path of ["/health", "/ready"]) expect((await ask(path)).status).toBe(200);
    expect(await (await ask("/stats")).json()).toMatchObject({ received: 311, inserted: 0, ledger: LAST, errors: 0 });
    const metrics = await (await ask("/metrics")).text();
    expect(metrics).toContain("postgresql_consumer_records_received_total 311\n");
    expect(metrics).toContain("postgresql_consumer_records_inserted_total 0\n");
    for (const name of [
      "batches_processed_total 1",
      "errors_total 0",
      "database_connections 1",
      "batch_size_sum 311",
    ]) {
      expect(metrics).toContain(`postgresql_consumer_${name}\n`);
    }
    expect(metrics).toMatch(/postgresql_consumer_batch_insert_duration_seconds_count 1\n/);
    expect((await ask("/else")).status).toBe(404);
    await until(() => flowctl.components.get("consumer-1")?.metrics.get("batches_processed") === "1", "a heartbeat");
    const { info, status, metrics: beat } = flowctl.components.get("consumer-1")!;
    expect([info, status]).toMatchObject([
      { type: ComponentType.COMPONENT_TYPE_CONSUMER, name: "postgresql-consumer" },
      2,
    ]);
    expect(info.metadata.get("health_endpoint")).toBe(`http://${address}/health`);
    expect(Object.fromEntries(beat)).toMatchObject({ records_received: "311", current_ledger: String(LAST) });
    follower.kill("SIGKILL");
    await follower.exited;
    over.abort();
    await until(async () => (await progress(`ledgers ${FIRST}-`))[0]?.status === "failed" || undefined, "it is gone");
    expect((await progress(`ledgers ${FIRST}-`))[0]?.error_message).toContain("no process reads it");
    const whole = ["sink", "postgres", "--url", url, "--address", processor.flight, ...PORT, ...range(FIRST, LAST)];
    expect((await runCommand(whole, { env })).exitCode).toBe(0);
    expect(flowctl.count("UnregisterComponent")).toBe(1);
    expect(flowctl.components.size).toBe(0);
    flowctl.stop();
  });

  // The tables are made large enough that reading all of them costs more than an index.
  test("every view and function has a plan with an index", async () => {
    const url = await filled();
    const [holder] = await query(url, "SELECT * FROM contract_data.entries WHERE balance_holder IS NOT NULL");
    const { asset_code, asset_issuer, contract_id } = holder!;
    const names = COLUMNS.map(({ name }) => name);
    const made = (overrides: Record<string, string>) => names.map((name) => overrides[name] ?? name).join(", ");
    const others = {
      ledger_key_hash: "md5(n::text)",
      contract_id: "md5(n::text)",
      balance: "NULL",
      closed_at: "closed_at - interval '2 days'",
    };
    const rows = (columns: Record<string, string>) =>
      `SELECT ${made(columns)} FROM contract_data.entries, generate_series(1, 6000) AS n WHERE balance_holder IS NOT NULL`;
    await query(
      url,
      `INSERT INTO contract_data.entries (${names.join(", ")}) ${rows({ ...others, change_index: "1000 + n", balance_holder: "NULL" })}`,
    );
    await query(url, `INSERT INTO contract_data.current_state (${names.join(", ")}) ${rows(others)}`);
    for (const table of ["entries", "current_state"]) await query(url, `VACUUM ANALYZE contract_data.${table}`);
    for (const [sql, index] of [
      ["SELECT * FROM contract_data.asset_summary", "current_state_holders"],
      ["SELECT * FROM contract_data.recent_activity", "closed_at_idx"],
      [`SELECT * FROM contract_data.get_balance_history('${contract_id}', 10)`, "contract_id_ledger_sequence_idx"],
      [`SELECT * FROM contract_data.get_top_holders('${asset_code}', '${asset_issuer}', 10)`, "current_state_holders"],
    ] as const) {
      const plan = (await query(url, `EXPLAIN ${sql}`)).map((row) => row["QUERY PLAN"]).join("\n");
      expect(plan, sql).toContain(index);
      expect(plan, sql).not.toContain("Seq Scan");
    }
    expect(
      await query(
        url,
        `SELECT balance_holder, balance FROM contract_data.get_top_holders('${asset_code}', '${asset_issuer}')`,
      ),
    ).toEqual([{ balance_holder: holder!.balance_holder, balance: "4002027568" }]);
    expect(await query(url, "SELECT asset_code, holders::int, supply FROM contract_data.asset_summary")).toEqual([
      { asset_code: "KALE", holders: 1, supply: "4002027568" },
    ]);
    await query(url, "SELECT contract_data.refresh_current_states()");
  });

  test("docs/sinks.md: the holders of one asset, kept current", async () => {
    const page = readFileSync(join(ROOT, "docs", "sinks.md"), "utf8");
    const [serve, keep, ask] = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, code]) => code!);
    const lines = [serve, keep, ask].join("").replaceAll("\\\n", "").trim().split("\n");
    expect(lines.length).toBeLessThan(10);
    const lake = join(folder, "sample", "lake");
    cpSync(SAMPLE.folder, lake, { recursive: true });
    const newest = join(lake, "FC7F83FF--58752000-58815999", "FC7F83FF--58752000.xdr.zst");
    renameSync(newest, join(folder, "newest"));
    const { port } = new URL(await server.database());
    const env = {
      ...{ ...process.env, CI: "", PATH: `${join(ROOT, "scripts")}:${programs}:${process.env.PATH}` },
      ...{ GRPC_ADDRESS: "127.0.0.1:0", FLIGHT_ADDRESS: "127.0.0.1:0", HEALTH_PORT: "127.0.0.1:0" },
      ...{
        METRICS_PORT: "127.0.0.1:0",
        COMMIT_INTERVAL: "50ms",
        PGHOST: "127.0.0.1",
        PGPORT: port,
        PGUSER: "postgres",
      },
    };
    const shell = (code: string, more: Record<string, string> = {}) => {
      const child = Bun.spawn(["sh", "-ec", code.replaceAll("localhost", `127.0.0.1:${port}`)], {
        ...{ cwd: folder, env: { ...env, ...more }, stdout: "pipe", stderr: "pipe" },
      });
      let told = "";
      const follow = async (stream: ReadableStream<Uint8Array>) => {
        for await (const chunk of stream) told += new TextDecoder().decode(chunk);
      };
      const ended = Promise.all([follow(child.stdout), follow(child.stderr), child.exited]);
      return { child, ended, told: () => told };
    };
    const serving = shell(`exec ${serve}`);
    const flight = await until(() => /^ *flight +(\S+)[\s\S]*do_get\(/m.exec(serving.told())?.[1], "it serves");
    const keeping = shell(keep!.replace("contract-data-processor", "exec contract-data-processor"), {
      FLIGHT_ENDPOINT: flight.replace(/^\w*:?\/\//, ""),
    });
    const holders = async () => {
      const asked = shell(ask!);
      await asked.ended;
      return asked.told();
    };
    await until(() => keeping.told().includes('"committed"'), "the sink has committed");
    expect(await holders()).toContain("(0 rows)");
    renameSync(join(folder, "newest"), newest);
    const told = await until(async () => {
      const text = await holders();
      return text.includes("(1 row)") && text;
    }, "the new ledger's holder is there");
    expect(told).toMatch(/CADEI2\w+ \| 4002027568/);
    for (const { child, ended } of [keeping, serving]) {
      child.kill("SIGTERM");
      await ended;
    }
  });

  // One seed of each kind of run; `make soak` has a hundred. A failure prints its seed: --seed N --runs 1 runs it again.
  test.each([22, 23])(
    "everything is killed at random instants, seed %d",
    async (seed) => {
      const place = async () => postgresPlace(server, await server.database());
      const report = await sinkKillRun({ seed, faults: 4, ledgers: 400, place });
      expect(report.rows).toBeGreaterThan(0);
    },
    KILL_RUN_MS_MAX,
  );
});

function parse(row: Record<string, unknown>, name: string): Record<string, unknown> {
  return row[name] === null ? {} : { [name]: JSON.parse(row[name] as string) };
}

/** A row of either sink in the same words. */
function plain(row: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    COLUMNS.map(({ name, kind }) => {
      const value = row[name];
      if (value === null) return [name, null];
      if (kind === "time") return [name, new Date(value as string).toISOString()];
      if (kind === "flag") return [name, Boolean(value)];
      if (kind === "json") return [name, value];
      if (kind === "bytes") return [name, Buffer.from(value as Uint8Array).toString("hex")];
      return [name, String(value)];
    }),
  );
}
