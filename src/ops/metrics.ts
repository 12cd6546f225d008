/**
 * The process's totals in Prometheus' text format. The names are those that existing dashboards ask for. Each help says
 * what is counted: sessions alone, or everything that is decoded or sent (docs/operations.md repeats the helps).
 */
import type { RefusalCounts } from "../security/refusals.ts";

/** Totals of the whole process at one moment. Counters never fall while the process lives. */
export interface ProcessMetrics {
  /** Counters of sessions alone: rows put into batches, changes left out by filters, batches made, bytes of XDR decoded. */
  contractsProcessed: number;
  entriesSkipped: number;
  batchesCreated: number;
  bytesProcessed: number;
  /** Counter: sessions that failed, and ledgers of sessions left out. */
  processingErrors: number;
  /** Counter: ledgers left out because they could not be decoded (ON_ERROR=skip). */
  ledgersSkipped?: number;
  /** Counter: log lines that could not be written, since nobody reads standard error any more. */
  logLinesLost?: number;
  /** Counters: where the pipeline's time goes, by stage. */
  stageSeconds?: { wall: Readonly<Record<string, number>>; cpu: Readonly<Record<string, number>> };
  /** How long ledgers took to decode. */
  processingDuration: DurationHistogram;
  /** The newest ledger of any session; 0 before the first. */
  currentLedger: number;
  /** Sessions that are STARTING, RUNNING or STOPPING. */
  activeSessions: number;
  /** DoGets of sessions and ranges. */
  flightClientsConnected: number;
  /** Counter: rows sent to clients of sessions, catch-ups and ranges; each client counts. */
  flightRecordsStreamed: number;
  /** All DoGets of the process together, so that no label grows with sessions or clients. */
  flight?: FlightMetrics;
  /** Counters by listener: connections and calls that its limits have refused, and connections that it has ended. */
  refused?: Readonly<Record<string, { connections: number; calls: number; ended: number }>>;
  /** Counters by listener: what its gate has refused. */
  accessRefused?: Readonly<Record<string, RefusalCounts>>;
  /** What became of changes of the files of credentials and roles. */
  accessFiles?: { renewals: number; unusable: boolean };
  /** Gauges by listener with TLS: when its certificate, or one of its chain, ends; since 1970. */
  certificateExpirySeconds?: Readonly<Record<string, number>>;
  flowctlRegistered: boolean;
  /** Counters. */
  flowctlHeartbeatsSent: number;
  flowctlHeartbeatErrors: number;
  /** Gauges; absent where CLUSTER is not set. */
  cluster?: { nodes: number; isMember: boolean };
}

/** All DoGets of the process together: of sessions, catch-ups and ranges. */
interface FlightMetrics {
  /** Counters. Bytes are those of messages: header, body and metadata. */
  batchesSent: number;
  bytesSent: number;
  blockedSeconds: number;
  slowClientsEnded: number;
  getsCompleted: number;
  getsCancelled: number;
  getsFailed: number;
  /** Gauges: ranges and catch-ups being read, how far the slowest client is behind, bytes that are ready and not taken. */
  ranges: number;
  catchUps: number;
  lagLedgersMax: number;
  lagBytes: number;
}

/** Durations in seconds, by bucket. */
export interface DurationHistogram {
  /** Upper bounds of the buckets, rising; the last bucket, without a bound, is not among them. */
  boundsSeconds: readonly number[];
  /** Observations in each bucket alone, not cumulative; one more than there are bounds. */
  counts: readonly number[];
  sumSeconds: number;
}

/** Read at every scrape, so it must cost no more than reading counters. */
export type MetricsSource = () => ProcessMetrics;

/** Content-Type of Prometheus' text format, version 0.0.4. */
export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

type Kind = "counter" | "gauge";
type Row = readonly [name: string, kind: Kind, help: string, value: number];

/** The metrics without labels. */
function processRows(metrics: ProcessMetrics): Row[] {
  return [
    [
      "contract_data_contracts_processed_total",
      "counter",
      "Rows that sessions have put into batches, read or not; what ranges and catch-ups decode is not counted.",
      metrics.contractsProcessed,
    ],
    [
      "contract_data_entries_skipped_total",
      "counter",
      "Changes of contract data that filters of sessions have left out.",
      metrics.entriesSkipped,
    ],
    [
      "contract_data_batches_created_total",
      "counter",
      "Arrow record batches that sessions have made, of each partition, those without rows that only tell progress left out.",
      metrics.batchesCreated,
    ],
    [
      "contract_data_bytes_processed_total",
      "counter",
      "Bytes of XDR of the ledgers that sessions have decoded.",
      metrics.bytesProcessed,
    ],
    [
      "contract_data_processing_errors_total",
      "counter",
      "Errors that ended a session, and ledgers of sessions left out (ON_ERROR=skip).",
      metrics.processingErrors,
    ],
    [
      "contract_data_ledgers_skipped_total",
      "counter",
      "Ledgers that sessions left out because they could not be decoded (ON_ERROR=skip).",
      metrics.ledgersSkipped ?? 0,
    ],
    [
      "contract_data_log_lines_lost_total",
      "counter",
      "Log lines that could not be written, since nobody reads standard error any more.",
      metrics.logLinesLost ?? 0,
    ],
    ...stateRows(metrics),
  ];
}

/** Gauges, and the counters that stand behind them on the page. */
function stateRows(metrics: ProcessMetrics): Row[] {
  return [
    [
      "contract_data_current_ledger",
      "gauge",
      "Newest ledger whose rows a session has made, of the sessions that are still known.",
      metrics.currentLedger,
    ],
    [
      "contract_data_active_sessions",
      "gauge",
      "Sessions that are STARTING, RUNNING or STOPPING.",
      metrics.activeSessions,
    ],
    [
      "contract_data_flight_clients_connected",
      "gauge",
      "DoGet calls that are being answered, of sessions (catch-ups too) and ranges.",
      metrics.flightClientsConnected,
    ],
    [
      "contract_data_flight_records_streamed_total",
      "counter",
      "Rows sent to Flight clients, each client counted, of sessions, their catch-ups and ranges.",
      metrics.flightRecordsStreamed,
    ],
    [
      "contract_data_flowctl_registered",
      "gauge",
      "1 while registered with flowctl.",
      metrics.flowctlRegistered ? 1 : 0,
    ],
    [
      "contract_data_flowctl_heartbeats_sent_total",
      "counter",
      "Heartbeats that flowctl took.",
      metrics.flowctlHeartbeatsSent,
    ],
    [
      "contract_data_flowctl_heartbeat_errors_total",
      "counter",
      "Heartbeats that failed.",
      metrics.flowctlHeartbeatErrors,
    ],
    [
      "contract_data_cluster_nodes",
      "gauge",
      "Live nodes of the cluster that this node knows, itself among them; 0 where CLUSTER is not set.",
      metrics.cluster?.nodes ?? 0,
    ],
    [
      "contract_data_cluster_member",
      "gauge",
      "1 while this node is registered in the cluster; 0 where CLUSTER is not set, too.",
      metrics.cluster?.isMember ? 1 : 0,
    ],
    [
      "contract_data_access_files_renewed_total",
      "counter",
      "Times that changed files of credentials and roles were taken into use.",
      metrics.accessFiles?.renewals ?? 0,
    ],
    [
      "contract_data_access_files_unusable",
      "gauge",
      "1 while the files of credentials and roles cannot be used as they are now: those from before stay in use.",
      metrics.accessFiles?.unusable ? 1 : 0,
    ],
    ["process_resident_memory_bytes", "gauge", "Resident memory.", process.memoryUsage.rss()],
    ["process_cpu_seconds_total", "counter", "CPU time, user and system.", cpuSeconds()],
    ["process_start_time_seconds", "gauge", "Start of the process, since 1970.", startTimeSeconds()],
  ];
}

/** The page. `version` labels contract_data_build_info. */
export function metricsText(metrics: ProcessMetrics, version: string): string {
  const rows = processRows(metrics);
  return [
    ...rows.map(([name, kind, help, value]) => `${head(name, kind, help)}${name} ${number(value)}\n`),
    metrics.flight === undefined ? "" : flightText(metrics.flight),
    refusedText(metrics.refused ?? {}),
    accessRefusedText(metrics.accessRefused ?? {}),
    labelled(
      "contract_data_tls_certificate_expiry_timestamp_seconds",
      "gauge",
      "When the TLS certificate of a listener, or one of its chain, ends, since 1970.",
      "listener",
      metrics.certificateExpirySeconds ?? {},
    ),
    labelled(
      "contract_data_stage_seconds_total",
      "counter",
      "Time of all threads by stage of the pipeline, for sessions, catch-ups and ranges; waits are stages of their own.",
      "stage",
      metrics.stageSeconds?.wall ?? {},
    ),
    labelled(
      "contract_data_stage_cpu_seconds_total",
      "counter",
      "CPU time of all threads by stage of the pipeline, for sessions, catch-ups and ranges; waits take none.",
      "stage",
      metrics.stageSeconds?.cpu ?? {},
    ),
    histogram(
      "contract_data_processing_duration_seconds",
      "Time to decode one ledger in a worker, for sessions, catch-ups and ranges; a ledger that several read counts for each.",
      metrics.processingDuration,
    ),
    `${head("contract_data_build_info", "gauge", "Always 1; the label tells the version.")}contract_data_build_info{version="${label(version)}"} 1\n`,
  ].join("");
}

/**
 * The HELP and TYPE lines of a metric, each with its newline. The help goes in as it is: it must have no backslash and
 * no line break.
 */
export function head(name: string, kind: Kind | "histogram", help: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n`;
}

function flightText(flight: FlightMetrics): string {
  const rows: Row[] = [
    [
      "batches_sent_total",
      "counter",
      "Arrow record batches sent to Flight clients, each client counted, of sessions, their catch-ups and ranges, those without rows too.",
      flight.batchesSent,
    ],
    [
      "bytes_sent_total",
      "counter",
      "Bytes of those batches: data header, body and app_metadata, as compressed as they are sent.",
      flight.bytesSent,
    ],
    [
      "blocked_seconds_total",
      "counter",
      "Time that DoGets of sessions and ranges have waited for their clients to read, added up.",
      flight.blockedSeconds,
    ],
    [
      "slow_clients_ended_total",
      "counter",
      "DoGets ended because their client took nothing and held others back (SLOW_CLIENT_GRACE), or a range's place.",
      flight.slowClientsEnded,
    ],
    ["ranges", "gauge", "Ranges being read now.", flight.ranges],
    ["catch_ups", "gauge", "Clients that read a session's past from the source now.", flight.catchUps],
    [
      "lag_ledgers_max",
      "gauge",
      "Ledgers that the slowest client of all sessions and ranges is behind what its stream has ready.",
      flight.lagLedgersMax,
    ],
    [
      "lag_bytes",
      "gauge",
      "Bytes that are ready and not taken, added up over all clients of sessions and ranges.",
      flight.lagBytes,
    ],
  ];
  const lines = rows.map(([name, kind, help, value]) => {
    const full = `contract_data_flight_${name}`;
    return `${head(full, kind, help)}${full} ${number(value)}\n`;
  });
  const gets = "contract_data_flight_gets_total";
  const outcomes = { completed: flight.getsCompleted, cancelled: flight.getsCancelled, failed: flight.getsFailed };
  const ended = Object.entries(outcomes).map(([outcome, count]) => `${gets}{outcome="${outcome}"} ${number(count)}\n`);
  return `${lines.join("")}${head(gets, "counter", "DoGets of sessions and ranges that have ended, by how: completed, cancelled by the client, or failed.")}${ended.join("")}`;
}

function refusedText(refused: NonNullable<ProcessMetrics["refused"]>): string {
  const of = (what: "connections" | "calls" | "ended", metric: string, help: string) => {
    const name = `contract_data_${metric}_total`;
    const lines = Object.entries(refused).map(([listener, counts]) => {
      return `${name}{listener="${label(listener)}"} ${number(counts[what])}\n`;
    });
    return lines.length === 0 ? "" : `${head(name, "counter", help)}${lines.join("")}`;
  };
  return [
    of(
      "connections",
      "connections_refused",
      "Connections closed at once by a listener: too many, in all or of one client, floods before, or no descriptor.",
    ),
    of(
      "ended",
      "connections_ended",
      "Connections ended by a listener for what their clients did: a flood, a wrong frame, no handshake in time.",
    ),
    of(
      "calls",
      "calls_refused",
      "Calls refused by a listener for what all calls hold together (CALLS_MAX, CALL_BYTES, CALL_STALLED).",
    ),
  ].join("");
}

function accessRefusedText(refused: NonNullable<ProcessMetrics["accessRefused"]>): string {
  const name = "contract_data_access_refused_total";
  const lines = Object.entries(refused).flatMap(([listener, counts]) =>
    Object.entries(counts).map(
      ([why, count]) => `${name}{listener="${label(listener)}",why="${label(why)}"} ${number(count)}\n`,
    ),
  );
  if (lines.length === 0) return "";
  return `${head(name, "counter", "Calls refused by a listener for who makes them: unauthenticated, or denied what their role does not include.")}${lines.join("")}`;
}

/** One line for each value of a label; nothing at all without any. */
function labelled(
  name: string,
  kind: Kind,
  help: string,
  labelName: string,
  values: Readonly<Record<string, number>>,
): string {
  const lines = Object.entries(values).map(
    ([value, count]) => `${name}{${labelName}="${label(value)}"} ${number(count)}\n`,
  );
  return lines.length === 0 ? "" : `${head(name, kind, help)}${lines.join("")}`;
}

/** The lines of a histogram. */
export function histogram(
  name: string,
  help: string,
  { boundsSeconds, counts, sumSeconds }: DurationHistogram,
): string {
  if (counts.length !== boundsSeconds.length + 1) {
    throw new Error(
      `${name}: ${boundsSeconds.length} bounds need ${boundsSeconds.length + 1} counts, not ${counts.length}`,
    );
  }
  let total = 0;
  const buckets = counts.map((count, index) => {
    total += count;
    const bound = boundsSeconds[index];
    return `${name}_bucket{le="${bound === undefined ? "+Inf" : number(bound)}"} ${total}\n`;
  });
  return `${head(name, "histogram", help)}${buckets.join("")}${name}_sum ${number(sumSeconds)}\n${name}_count ${total}\n`;
}

/** As Prometheus writes it. */
export function number(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  return Number.isFinite(value) ? String(value) : value > 0 ? "+Inf" : "-Inf";
}

/** The value of a label, between its quotes. */
export function label(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function startTimeSeconds(): number {
  return Math.round(Date.now() / 1000 - process.uptime());
}
