/**
 * The PostgreSQL sink beside psql's own \copy: the same rows into the same tables of the same server, taking turns.
 *
 *     bun bench/sink-postgres.ts [--ledgers 300] [--rounds 3] [--commit-rows 1000]
 *     bun bench/sink-postgres.ts --memory 10000000               resident memory of the sink's process over so many rows
 *
 * The sink reads a range from a server of ours, with and without current_state; \copy reads a file of the rows, in text,
 * the format that it has by default. PostgreSQL has its own settings, but for the memory of one of today's machines.
 */
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ARROW_COLUMNS, COLUMNS } from "../src/sinks/columns.ts";
import { consume } from "../src/sinks/consume.ts";
import { PostgresSink } from "../src/sinks/postgres/postgres-sink.ts";
import { targetOf } from "../src/sinks/postgres/target.ts";
import { postgresPrograms, query, startPostgres } from "../test/support/postgres-server.ts";
import { ROOT, startProcessor } from "../test/support/processor.ts";
import { lakeFolder } from "./support/ledgers.ts";
import { Report } from "./support/report.ts";
import { median } from "./support/result.ts";

const FIRST = 1000;
const ROWS_KEPT = 1_000_000;
const { values } = parseArgs({
  options: {
    ledgers: { type: "string", default: "300" },
    rounds: { type: "string", default: "3" },
    "commit-rows": { type: "string" }, // the sink's own default
    memory: { type: "string" },
  },
});
const NAMES = COLUMNS.map(({ name }) => name).join(", ");
const TABLES = ["entries", "current_state", "consumer_positions"].map((name) => `contract_data.${name}`).join(", ");

const report = new Report("sink-postgres");
const programs = postgresPrograms();
if (programs === undefined) process.exit(1);
const isSpeed = values.memory === undefined;
const server = await startPostgres(programs, isSpeed ? ["shared_buffers=1GB", "max_wal_size=4GB"] : undefined);
const processor = await startProcessor([`--source-endpoint=repeat:${lakeFolder()}`]);
const url = await server.database();
if (isSpeed) await speed(Number(values.ledgers), Number(values.rounds));
else await memory(Number(values.memory));
await processor.stop();
await server.stop();
process.exit(isSpeed ? report.finish() : 0);

/** Rows per second of each way, and what they are of \copy's. */
async function speed(ledgers: number, rounds: number): Promise<void> {
  const selection = {
    ...{ start_ledger: FIRST, end_ledger: FIRST + ledgers - 1, columns: ARROW_COLUMNS },
    filters: { include_deleted: true },
  };
  const sink = (keepsState: boolean) => async () => {
    const { rows } = await consume({
      ...{ address: processor.flight, selection, sink: new PostgresSink(targetOf(url, {}), { keepsState }) },
      commitRows: values["commit-rows"] === undefined ? undefined : Number(values["commit-rows"]),
    });
    return rows;
  };
  const path = join(tmpdir(), `contract-data-bench-${process.pid}.txt`);
  const rows = await sink(true)();
  const order = "ORDER BY ledger_sequence, transaction_order, change_index";
  psql(`\\copy (SELECT ${NAMES} FROM contract_data.entries ${order}) TO '${path}'`);
  const ways = {
    "psql \\copy": async () => {
      psql(`\\copy contract_data.entries (${NAMES}) FROM '${path}'`);
      return rows;
    },
    "sink without current_state": sink(false),
    "sink postgres": sink(true),
  };
  const rates = Object.fromEntries(Object.keys(ways).map((name) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, way] of Object.entries(ways)) {
      await query(url, `TRUNCATE ${TABLES}`);
      await query(url, "CHECKPOINT");
      const begun = performance.now();
      const done = await way();
      const seconds = (performance.now() - begun) / 1000;
      const [{ n }] = (await query(url, "SELECT count(*)::int AS n FROM contract_data.entries")) as [{ n: number }];
      if (done !== rows || n !== rows) throw new Error(`${name}: ${done} rows, ${n} in the table, of ${rows}`);
      rates[name]!.push(rows / seconds);
    }
  }
  rmSync(path);
  const copies = rates["psql \\copy"]!;
  console.log(`${rows} rows, ${rounds} rounds`);
  for (const [name, each] of Object.entries(rates)) {
    const ratios = each.map((rate, round) => rate / copies[round]!);
    console.log(
      `${name.padEnd(28)} ${median(each).toFixed(0).padStart(7)} rows/s  ${median(ratios).toFixed(2)} of \\copy`,
    );
    report.keep(`rows a second, ${name}`, each);
    if (name === "sink postgres") report.figure("rows a second", ratios);
    else if (each !== copies) report.figure("rows a second, without current_state", ratios);
  }
}

/** The sink as its own process: its memory while rows come. */
async function memory(rowsWanted: number): Promise<void> {
  const words = ["sink", "postgres", "--url", url, "--start-ledger", String(FIRST), "--metrics-port", "127.0.0.1:0"];
  const child = Bun.spawn([process.execPath, join(ROOT, "src", "main.ts"), ...words], {
    ...{ env: { ...process.env, FLIGHT_ENDPOINT: processor.flight }, stdout: "ignore", stderr: "pipe" },
  });
  let next = 0;
  let emptied = 0;
  let rest = "";
  for await (const chunk of child.stderr) {
    const lines = (rest + new TextDecoder().decode(chunk)).split("\n");
    rest = lines.pop()!;
    const rows = Math.max(0, ...lines.map((line) => JSON.parse(line).rowsTotal ?? 0));
    if (rows - emptied >= ROWS_KEPT) {
      await query(url, "TRUNCATE contract_data.entries"); // the disk need not hold them all
      emptied = rows;
    }
    if (rows < next) continue;
    console.log(`${rows} rows: ${(residentBytes(child.pid) / 2 ** 20).toFixed(0)} MiB`);
    next = rows + rowsWanted / 20;
    if (rows >= rowsWanted) child.kill("SIGTERM");
  }
  await child.exited;
}

function residentBytes(pid: number): number {
  const { stdout } = spawnSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" });
  return Number(stdout) * 1024;
}

function psql(command: string): void {
  const { status, stderr } = spawnSync("psql", [url, "-q", "-v", "ON_ERROR_STOP=1", "-c", command], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`psql: ${stderr}`);
}
