import { type Address, formatAddress } from "../config/address.ts";
import { listenPort, text } from "../config/types.ts";
import type { FlowctlClient } from "../flowctl/flowctl-client.ts";
import type { Logger } from "../ops/log.ts";
import { type OpsServer, startOpsServer } from "../ops/server.ts";
import type { ConsumerCommit } from "../sinks/consume.ts";
import { createConsumerApp } from "../sinks/postgres/consumer-app.ts";
import { ConsumerTotals } from "../sinks/postgres/consumer-totals.ts";
import { PostgresSink } from "../sinks/postgres/postgres-sink.ts";
import { targetOf } from "../sinks/postgres/target.ts";
import { defineCommand } from "./command.ts";
import { option } from "./flags.ts";
import { PROGRAM } from "./program.ts";
import { fromEnv, SINK_FLAGS } from "./sink-flags.ts";
import { sinkFlowctl } from "./sink-flowctl.ts";
import { runSink } from "./sink-run.ts";

const METRICS_DEFAULT: Address = { host: "127.0.0.1", port: 9090 };

export const command = defineCommand({
  usage: "[--url URL] [--session ID | --start-ledger N --end-ledger N] [flags]",
  description: `Reads a session or a range of ledgers through Arrow Flight into the schema "contract_data" of a PostgreSQL database, which it makes: every row in "entries", the last one of each entry in "current_state", with --dataset ttl in "ttl_changes" and "current_ttl", and the cursor, in one transaction. It may be killed at any instant, and so may the server and the database: no row is lost or doubled. Several processes may fill one database, and ranges may overlap. A range or session with an end is over with exit code 0 once its last row is committed. docs/sinks.md describes the tables, views and functions.`,
  flags: {
    url: option({
      placeholder: "URL",
      type: text,
      summary:
        "postgres://user:password@host:port/database?sslmode=disable|require|verify-ca|verify-full. Default: DB_HOST, DB_PORT, DB_NAME, DB_USER, DB_PASSWORD, DB_SSLMODE.",
    }),
    ...SINK_FLAGS,
    "metrics-port": option({
      placeholder: "PORT",
      type: listenPort,
      summary:
        "Where /health, /ready, /metrics and /stats are served: a port, or host:port. Default: 127.0.0.1:9090 where it is free, or METRICS_PORT.",
    }),
  },
  examples: [
    {
      command: `${PROGRAM} sink postgres --url postgres://me@localhost/stellar --start-ledger 58751994 --end-ledger 58752000`,
      meaning: "a range of ledgers",
    },
    {
      command: `${PROGRAM} sink postgres --url postgres://me@localhost/stellar --session ID --partition 0`,
      meaning: "one partition of a session, for as long as it runs",
    },
  ],
  async run(context) {
    const { flags, env } = context;
    const target = targetOf(flags.url, env);
    const sink = new PostgresSink(target, { dataset: flags.dataset });
    const address = flags["metrics-port"] ?? fromEnv(env, "METRICS_PORT", listenPort);
    return runSink(context, sink, target.shown, new Watch(sink, target.shown, address, sinkFlowctl(env)));
  },
});

/** Serves what the consumer does over HTTP, and tells flowctl. */
class Watch {
  private readonly totals = new ConsumerTotals();
  private server: OpsServer | undefined;
  private flowctl: FlowctlClient | undefined;
  private isAsked = false; // to be served

  /** @param address undefined: the default, or none where that is taken */
  constructor(
    private readonly sink: PostgresSink,
    private readonly database: string,
    private readonly address: Address | undefined,
    private readonly register: ReturnType<typeof sinkFlowctl>,
  ) {}

  open(reader: string, flight: string, log: Logger): void {
    if (this.isAsked) return;
    this.isAsked = true;
    this.serve(reader, flight, log);
    const { server, address = METRICS_DEFAULT } = this;
    const component = {
      ...{ name: "postgresql-consumer", description: "Keeps changes of Soroban contract data in PostgreSQL" },
      http: server && { host: address.host, port: server.port },
      metadata: { reader, flight_endpoint: flight, database: this.database },
    };
    this.flowctl = this.register(component, () => this.report(), log);
  }

  private report() {
    const { commits, errors, failure, last } = this.totals;
    const { received, inserted } = this.sink.totals;
    return { received, inserted, commits, errors, ledger: last?.ledgerComplete ?? 0, isFailing: failure !== undefined };
  }

  private serve(reader: string, flight: string, log: Logger): void {
    const { sink, totals, database, address = METRICS_DEFAULT } = this;
    const app = createConsumerApp({ sink, totals, reader, address: flight, database, startedAtUnixMs: Date.now() });
    try {
      this.server = startOpsServer(app, { ...address, setting: "METRICS_PORT" });
    } catch (thrown) {
      if (this.address !== undefined) throw thrown;
      log.warn("no metrics are served", { reason: (thrown as Error).message });
      return;
    }
    log.info("metrics are served", { address: formatAddress({ host: address.host, port: this.server.port }) });
  }

  commit(commit: ConsumerCommit): void {
    this.totals.commit(commit);
  }

  retry(error: Error): void {
    this.totals.failed(error);
  }

  async end(): Promise<void> {
    await this.flowctl?.close();
    await this.server?.close();
  }
}
