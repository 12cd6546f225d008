/**
 * `bun bench/traces.ts [--turns 30]`: what traces at 1 % sampling cost a server: two servers read the same lake to a Go
 * client in turns, one of them with a collector that takes its spans. Who goes first alternates. The ratio of their CPU
 * is looked at pair by pair, with the 95 % interval of its geometric mean.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { goClient } from "../test/clients/toolchain.ts";
import { type Processor, startProcessor } from "../test/support/processor.ts";
import { Collector } from "../test/tracing/collector.ts";
import { denseLedgers, PUBNET, writeLake } from "./support/ledgers.ts";
import { pairedRatio, pairs } from "./support/pairs.ts";
import { Report } from "./support/report.ts";
import { sessionTurn } from "./support/session-turn.ts";

const FIRST = 64_000_000; // of the made lake

const { values: flags } = parseArgs({
  options: {
    turns: { type: "string", default: "30" },
    ledgers: { type: "string", default: "400" },
    "warm-up": { type: "string", default: "8" },
  },
});
const [turns, ledgers, warmUps] = [Number(flags.turns), Number(flags.ledgers), Number(flags["warm-up"])];

const client = await goClient();
if (client.command === undefined) {
  console.log(`skipped: ${client.missing}`);
  process.exit(0);
}

const { command } = client;
const range = { startLedger: FIRST, endLedger: FIRST + ledgers - 1 };
/** CPU seconds of one session over all ledgers. */
const turn = async (server: Processor): Promise<number> => (await sessionTurn(server, command, range)).seconds;

const report = new Report("traces");
const scratch = mkdtempSync(join(tmpdir(), "bench-traces-"));
const collector = new Collector();
const servers: Processor[] = [];
try {
  writeLake(join(scratch, "lake"), denseLedgers(), FIRST, ledgers);
  const start = async (env: Record<string, string>) => {
    const settings = [
      `--source-endpoint=${join(scratch, "lake")}`,
      `--network-passphrase=${PUBNET}`,
      "--worker-count=2",
    ];
    const server = await startProcessor([...settings, "--include-deleted"], { env });
    servers.push(server);
    return server;
  };
  const off = await start({});
  const on = await start({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
    OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
    OTEL_TRACES_SAMPLER_ARG: "0.01",
  });
  for (let n = 0; n < warmUps; n++) for (const server of servers) await turn(server);
  const ratios = await pairs(
    turns,
    () => turn(off),
    () => turn(on),
  );
  const { mean, text } = pairedRatio(ratios);
  console.log(
    `${turns} pairs of turns of ${ledgers} ledgers, 1 % of runs and calls sampled, ${collector.spans.length} spans taken`,
  );
  console.log(`  CPU with traces to CPU without: ${text}`);
  report.figure("CPU with traces of 1 %", ratios, mean);
} finally {
  for (const server of servers) server.kill("SIGKILL");
  collector.stop();
  rmSync(scratch, { recursive: true, force: true });
}
process.exit(report.finish());
