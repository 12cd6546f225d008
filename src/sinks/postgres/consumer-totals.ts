/** What a PostgreSQL consumer counts, under the metric names of the original's. */
import { type DurationHistogram, head, histogram, number } from "../../ops/metrics.ts";
import type { ConsumerCommit } from "../consume.ts";
import type { PostgresTotals } from "./postgres-sink.ts";

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const ROWS = [1, 10, 100, 1_000, 10_000, 50_000, 100_000, 1_000_000];

/** Since the process began. */
export class ConsumerTotals {
  commits = 0;
  errors = 0;
  /** The error that the consumer waits after; undefined while it reads. */
  failure: string | undefined;
  last: ConsumerCommit | undefined;
  private readonly seconds = new Histogram(SECONDS);
  private readonly rows = new Histogram(ROWS);

  commit(commit: ConsumerCommit): void {
    this.commits += 1;
    this.failure = undefined;
    this.last = commit;
    this.seconds.add(commit.tookMs / 1000);
    this.rows.add(commit.rows);
  }

  failed({ message }: Error): void {
    this.errors += 1;
    this.failure = message;
  }

  /** In Prometheus' text format. */
  text({ received, inserted, connections }: PostgresTotals, nowUnixSeconds: number): string {
    const counters = {
      records_received: [received, "Rows that came from the server, those that were read again too."],
      records_inserted: [inserted, "Rows committed that were not in the database before."],
      batches_processed: [this.commits, "Commits."],
      errors: [this.errors, "Failures of the server or the database."],
    } as const;
    const { last } = this;
    const gauges = {
      database_connections: [connections, "Open connections to the database."],
      ledger: [last?.ledgerComplete ?? 0, "The last complete ledger that is committed; 0 before the first commit."],
      lag_seconds: [
        last === undefined ? 0 : Math.max(0, nowUnixSeconds - last.closedAtUnixSeconds),
        "How far that ledger's close is behind the clock.",
      ],
    } as const;
    const line = (name: string, kind: "counter" | "gauge", [value, help]: readonly [number, string]) => {
      const full = `postgresql_consumer_${name}${kind === "counter" ? "_total" : ""}`;
      return `${head(full, kind, help)}${full} ${number(value)}\n`;
    };
    return [
      ...Object.entries(counters).map(([name, entry]) => line(name, "counter", entry)),
      ...Object.entries(gauges).map(([name, entry]) => line(name, "gauge", entry)),
      histogram("postgresql_consumer_batch_insert_duration_seconds", "How long commits took.", this.seconds.state),
      histogram("postgresql_consumer_batch_size", "Rows of a commit.", this.rows.state),
    ].join("");
  }
}

class Histogram {
  readonly state: DurationHistogram & { counts: number[]; sumSeconds: number };

  constructor(private readonly bounds: readonly number[]) {
    this.state = { boundsSeconds: bounds, counts: new Array(bounds.length + 1).fill(0), sumSeconds: 0 };
  }

  add(value: number): void {
    const at = this.bounds.findIndex((bound) => value <= bound);
    this.state.counts[at < 0 ? this.bounds.length : at]! += 1;
    this.state.sumSeconds += value;
  }
}
