/**
 * `make soak`: the long versions of the tests, one after the other; each is a command that can be run alone. Ends with
 * `N passed, N failed`.
 *
 *   bun test/soak.ts [name…]     only those whose name contains one of the words
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const bun = process.execPath;

const TTL_FIXTURES = ["58752000.xdr.zst", "FCD285FF--53312000.xdr.zstd", "load-test-ledgers.xdr.zstd", "ttl-only.xdr"];

/** Name, command, additional environment. */
const SOAKS: readonly [name: string, command: string[], env?: Record<string, string>][] = [
  ["SIGKILL at 100 random instants", [bun, "test/sessions/kill-soak.ts", "--kills", "100"]],
  ["no stall in 200 streams of 1 GiB, 64 KiB to 2 MiB bodies", [bun, "test/http2/stall-stress.ts", "--streams", "25"]],
  ["everything killed around SQLite sinks, 100 seeds", [bun, "test/sinks/kill-soak.ts", "--runs", "100"]],
  [
    "everything killed around PostgreSQL sinks, 100 seeds",
    [bun, "test/sinks/kill-soak.ts", "--sink", "postgres", "--runs", "100"],
  ],
  [
    "Parquet: 50 times as many random tables for other readers, and an export that is killed 100 times",
    [bun, "test", "--timeout", "1800000", "test/parquet", "test/export/export.test.ts"],
    { PARQUET_ROUNDS: "50", EXPORT_LIVES: "100" },
  ],
  ["Spark and DuckLake read an export", [bun, "test/export/other-readers.ts"]],
  [
    "a back-fill of 20,000 ledgers by 4 workers, killed with NATS and JetStream all the time",
    [bun, "test/backfill/kill-soak.ts"],
  ],
  ["first row within a second of ready", [bun, "test/flight/first-row.ts", "--runs", "10"]],
  [
    "1 GB of decoded rows from one DoGet, 10 times a client",
    [bun, "test/flight/stream-bytes.ts", "--bytes", "1000000000", "--runs", "10"],
  ],
  [
    "1 GB of decoded rows over TLS from the executable, 10 times a client",
    [
      ...[bun, "test/flight/stream-bytes.ts", "--bytes", "1000000000", "--runs", "10"],
      ...["--tls", "--binary", "dist/contract-data-processor"],
    ],
  ],
  [
    "1 GB of decoded rows over mutual TLS from the executable, 10 times a client",
    [
      ...[bun, "test/flight/stream-bytes.ts", "--bytes", "1000000000", "--runs", "10"],
      ...["--mutual", "--binary", "dist/contract-data-processor"],
    ],
  ],
  [
    "200 of 200 TLS clients refused, for each thing that may be wrong with them",
    [bun, "test", "--timeout", "300000", "-t", "TLS", "test/e2e/tls.test.ts"],
    { TLS_ATTEMPTS: "200", TLS_BINARY: "dist/contract-data-processor" },
  ],
  ["the musl binary in a root of musl alone", [bun, "test/e2e/musl-root.ts"]],
  ["make run in a fresh clone with Node alone, with Bun alone, with neither", [bun, "test/e2e/fresh-clone.ts"]],
  ["64 sessions at the tip of a lake of 64,000 files a partition", [bun, "bench/tip.ts"]],
  [
    "lakes in buckets and behind a web server, 200 runs each with faults at the socket",
    [bun, "test", "--timeout", "1800000", "test/sources/object-store"],
    { STORE_RUNS: "200" },
  ],
  ["one of three servers of NATS dies", [bun, "test", "--timeout", "120000", "./test/cluster/replicas-soak.ts"]],
  ["one range over three nodes, read once while they are killed 20 times", [bun, "test/cluster/long-read.ts"]],
  [
    "one range over three nodes, 20 of which are killed",
    [bun, "test/cluster/kill-run.ts", "--kills", "20", "--examples"],
  ],
  ["a client killed 50 times resumes", [bun, "test/flight/resume.ts", "--kills", "50"]],
  ["EventSource through 20 deaths of the server", [bun, "test/rows/restarts.ts", "--restarts", "20"]],
  ["floods of HTTP/2 against the control plane, a minute each", [bun, "test/floods/soak.ts"]],
  [
    "floods of HTTP/2 against Flight by TLS, a minute each",
    [bun, "test/floods/soak.ts", "--listener", "flight", "--tls"],
  ],
  [
    "floods of HTTP/2 from a new address each, a minute each",
    [
      bun,
      "test/floods/soak.ts",
      "--everywhere",
      "--kinds",
      "resets,calls that nobody serves,streams that send nothing",
    ],
  ],
  [
    "servers and clients that stand still for 40 s, by TLS; a source that is away for 12 s under rows over HTTP",
    [bun, "test", "--timeout", "300000", "test/security/frozen.test.ts", "test/rows/readers.test.ts"],
    { FROZEN_MS: "40000", AWAY_MS: "12000" },
  ],
  ["frozen, half-open and never-reading clients of every kind of call", [bun, "test/flight/ends.ts"]],
  ["100 clients on one session", [bun, "test/flight/crowd.ts", "--cycles", "100"]],
  ["live and expired entries of a chained lake as go-stellar-sdk folds them", [bun, "test/reference/states.ts"]],
  [
    "rows of ttl as go-stellar-sdk's ingest has them",
    [bun, "test/reference/compare.ts", ...TTL_FIXTURES.map((name) => `test/fixtures/ledgers/${name}`)],
  ],
  [
    "rows of ttl by sessions, and from the cursor of every row on",
    [bun, "test/reference/sessions.ts", ...TTL_FIXTURES.map((name) => `test/fixtures/ledgers/${name}`)],
  ],
  ["simulator, 2000 seeds", [bun, "test/simulator/simulate.ts", "--seed", "1000", "--runs", "2000"]],
  [
    "a replicated session whose node is killed 50 times goes on within the lease and 2 s",
    [bun, "test/cluster/failover-soak.ts", "--kills", "50"],
  ],
  [
    "a replicated session whose node stands still goes on once its clients have found out",
    [bun, "test/cluster/failover-soak.ts", "--kills", "3", "--freeze"],
  ],
  ["simulated cluster, 5000 seeds", [bun, "test/simulator/cluster/simulate.ts", "--seed", "1000", "--runs", "5000"]],
  ["MAX_MEMORY_MB is a container's limit, the whole grid", [bun, "test/engine/memory-grid.ts", "--seconds", "20"]],
  [
    "MAX_MEMORY_MB, ten minutes of dense ledgers and a slow client",
    [bun, "test/engine/memory-run.ts", "--seconds", "600", "--memory", "384"],
  ],
  [
    "MAX_MEMORY_MB, ten minutes of 64 MiB ledgers and a slow client",
    [bun, "test/engine/memory-run.ts", "--seconds", "600", "--ledgers", "large", "--memory", "1024"],
  ],
];

const wanted = process.argv.slice(2);
let passed = 0;
let failed = 0;
for (const [name, command, env] of SOAKS) {
  if (wanted.length > 0 && !wanted.some((word) => name.includes(word))) continue;
  console.log(`\n== ${name}: ${command.join(" ")}`);
  const begun = performance.now();
  const { status } = spawnSync(command[0]!, command.slice(1), {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, ...env },
  });
  console.log(
    `== ${name}: ${status === 0 ? "ok" : `FAILED (exit ${status})`}, ${((performance.now() - begun) / 1000).toFixed(0)} s`,
  );
  if (status === 0) passed += 1;
  else failed += 1;
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
