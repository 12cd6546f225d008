/** The panels of deploy/grafana-dashboard.json (generate-dashboard.ts): how it is, what it does, whom it serves, what it needs. */

/** One panel. */
export interface Panel {
  title: string;
  /** As Grafana names it: s, Bps, reqps, short, dateTimeFromNow, … */
  unit: string;
  /** PromQL, and the legend of each. */
  queries: readonly (readonly [query: string, legend: string])[];
  /** For whoever opens it at night. */
  description: string;
  kind?: "timeseries" | "stat" | "table";
  /** Of 24; default 8. */
  width?: number;
}

const ME = 'job="$job",instance=~"$instance"';
const SESSION = `${ME},session=~"$session"`;
const rate = (metric: string, by = "instance") => `sum by (${by}) (rate(${metric}{${ME}}[$__rate_interval]))`;
const each = (metric: string, more = "") => `${metric}{${ME}${more}}`;

/** Sinks are jobs of their own. */
const sink = (metric: string, by = "instance") => `sum by (${by}) (rate(${metric}[$__rate_interval]))`;

/** Panels by the row of the dashboard that they stand in. */
export const ROWS: Readonly<Record<string, readonly Panel[]>> = {
  "How it is": [
    {
      title: "Up",
      unit: "short",
      kind: "stat",
      width: 4,
      queries: [[each("up"), "{{instance}}"]],
      description: "1 while Prometheus can read /metrics.",
    },
    {
      title: "Version",
      unit: "short",
      kind: "stat",
      width: 4,
      queries: [[each("contract_data_build_info"), "{{version}}"]],
      description: "What runs.",
    },
    {
      title: "Started",
      unit: "dateTimeFromNow",
      kind: "stat",
      width: 4,
      queries: [[`1000 * ${each("process_start_time_seconds")}`, "{{instance}}"]],
      description: "When the process began: a recent time that nobody knows of is a crash.",
    },
    {
      title: "Active sessions",
      unit: "short",
      kind: "stat",
      width: 4,
      queries: [[each("contract_data_active_sessions"), "{{instance}}"]],
      description: "STARTING, RUNNING or STOPPING.",
    },
    {
      title: "Registered with flowctl",
      unit: "short",
      kind: "stat",
      width: 4,
      queries: [[each("contract_data_flowctl_registered"), "{{instance}}"]],
      description: "0 where FLOWCTL_ENABLED is false, and while flowctl is away.",
    },
    {
      title: "Nodes of the cluster",
      unit: "short",
      kind: "stat",
      width: 4,
      queries: [[each("contract_data_cluster_nodes"), "{{instance}}"]],
      description: "Live nodes that each node knows, itself among them; 0 where CLUSTER is not set.",
    },
    {
      title: "Certificates end",
      unit: "dateTimeFromNow",
      kind: "stat",
      width: 4,
      queries: [[`1000 * ${each("contract_data_tls_certificate_expiry_timestamp_seconds")}`, "{{listener}}"]],
      description: "The first certificate of each listener's chain to end; nothing without TLS.",
    },
    {
      title: "Errors and skipped ledgers",
      unit: "short",
      queries: [
        [`sum by (instance) (increase(contract_data_processing_errors_total{${ME}}[5m]))`, "errors"],
        [`sum by (instance) (increase(contract_data_ledgers_skipped_total{${ME}}[5m]))`, "skipped"],
      ],
      description: "Within five minutes. A session's status and the log say why.",
    },
    {
      title: "Refused",
      unit: "reqps",
      queries: [
        [rate("contract_data_connections_refused_total", "listener"), "connections, {{listener}}"],
        [rate("contract_data_calls_refused_total", "listener"), "calls, {{listener}}"],
        [rate("contract_data_connections_ended_total", "listener"), "connections ended, {{listener}}"],
        [rate("contract_data_access_refused_total", "listener, why"), "{{why}}, {{listener}}"],
      ],
      description: "By limits on what clients hold together, and for who calls.",
    },
    {
      title: "Files of credentials and roles",
      unit: "short",
      queries: [
        [`sum by (instance) (increase(contract_data_access_files_renewed_total{${ME}}[5m]))`, "taken into use"],
        [each("contract_data_access_files_unusable"), "unusable"],
      ],
      description: "Changed ones are read again; those that cannot be used leave the ones from before in use.",
    },
    {
      title: "flowctl heartbeats and lost log lines",
      unit: "reqps",
      queries: [
        [rate("contract_data_flowctl_heartbeats_sent_total"), "heartbeats"],
        [rate("contract_data_flowctl_heartbeat_errors_total"), "failed heartbeats"],
        [rate("contract_data_log_lines_lost_total"), "lost log lines"],
      ],
      description:
        "A heartbeat every FLOWCTL_HEARTBEAT_INTERVAL. Log lines are lost where nobody reads standard error.",
    },
  ],
  Sessions: [
    {
      title: "States",
      unit: "short",
      kind: "table",
      width: 24,
      queries: [[`contract_data_session_state{${SESSION}}`, "{{session}} {{state}}"]],
      description: "A line for each session that is shown: up to 200 that are not over, and the 20 newest that are.",
    },
    {
      title: "Lag",
      unit: "s",
      queries: [[`contract_data_session_lag_seconds{${SESSION}}`, "{{session}}"]],
      description:
        "Age of the current ledger's close time. It falls while history is read, and is a few seconds at the tip.",
    },
    {
      title: "Ledgers behind the source",
      unit: "short",
      queries: [
        [
          `(contract_data_session_tip_ledger{${SESSION}} > 0) - contract_data_session_current_ledger{${SESSION}}`,
          "{{session}}",
        ],
      ],
      description: "Where the source tells its newest ledger.",
    },
    {
      title: "Waiting for the source",
      unit: "short",
      queries: [[`contract_data_session_source_waiting{${SESSION}}`, "{{session}}"]],
      description: "1 while it fails and is tried again; the session's status says with what.",
    },
    {
      title: "Rows a second",
      unit: "short",
      queries: [
        [`rate(contract_data_session_rows_total{${SESSION}}[$__rate_interval])`, "{{session}}"],
        [`rate(contract_data_session_dataset_rows_total{${SESSION}}[$__rate_interval])`, "{{session}}, {{dataset}}"],
      ],
      description: "Put into batches.",
    },
    {
      title: "Idle",
      unit: "s",
      queries: [[`contract_data_session_idle_seconds{${SESSION}}`, "{{session}}"]],
      description: "Since its last ledger, or since its state changed.",
    },
    {
      title: "Ledgers skipped",
      unit: "short",
      queries: [[`contract_data_session_ledgers_skipped_total{${SESSION}}`, "{{session}}"]],
      description: "Over the session's whole life (ON_ERROR=skip).",
    },
  ],
  "What it decodes": [
    {
      title: "Rows",
      unit: "short",
      queries: [
        [rate("contract_data_contracts_processed_total"), "made"],
        [rate("contract_data_entries_skipped_total"), "left out by filters"],
        [rate("contract_data_batches_created_total"), "batches"],
      ],
      description: "A second, by sessions.",
    },
    {
      title: "XDR",
      unit: "Bps",
      queries: [[rate("contract_data_bytes_processed_total"), "{{instance}}"]],
      description: "Of ledgers that sessions have decoded.",
    },
    {
      title: "Newest ledger",
      unit: "none",
      queries: [[each("contract_data_current_ledger"), "{{instance}}"]],
      description: "Of all sessions.",
    },
    {
      title: "Where a ledger's time goes",
      unit: "s",
      width: 12,
      queries: [[rate("contract_data_stage_seconds_total", "stage"), "{{stage}}"]],
      description:
        "Seconds a second of all threads. sourceWait: the source is slow. creditWait: clients or memory are.",
    },
    {
      title: "CPU by stage",
      unit: "s",
      width: 6,
      queries: [[rate("contract_data_stage_cpu_seconds_total", "stage"), "{{stage}}"]],
      description: "Where wall time is far above it, threads do not get a core.",
    },
    {
      title: "Time to decode a ledger",
      unit: "s",
      width: 6,
      queries: ["0.5", "0.99"].map((quantile) => [
        `histogram_quantile(${quantile}, ${rate("contract_data_processing_duration_seconds_bucket", "le")})`,
        `p${Number(quantile) * 100}`,
      ]),
      description: "In a worker, for sessions, catch-ups and ranges.",
    },
  ],
  Clients: [
    {
      title: "Clients",
      unit: "short",
      queries: [
        [each("contract_data_flight_clients_connected"), "DoGets"],
        [each("contract_data_flight_ranges"), "ranges"],
        [each("contract_data_flight_catch_ups"), "catch-ups"],
      ],
      description: "Being answered now.",
    },
    {
      title: "Slowest client",
      unit: "short",
      queries: [[each("contract_data_flight_lag_ledgers_max"), "ledgers behind"]],
      description: "Behind what its stream has ready.",
    },
    {
      title: "Ready and not taken",
      unit: "bytes",
      queries: [[each("contract_data_flight_lag_bytes"), "{{instance}}"]],
      description: "Added up over all clients.",
    },
    {
      title: "Sent",
      unit: "Bps",
      queries: [[rate("contract_data_flight_bytes_sent_total"), "{{instance}}"]],
      description: "Batches, as compressed as they are sent.",
    },
    {
      title: "Rows and batches sent",
      unit: "short",
      queries: [
        [rate("contract_data_flight_records_streamed_total"), "rows"],
        [rate("contract_data_flight_batches_sent_total"), "batches"],
      ],
      description: "A second; each client counts.",
    },
    {
      title: "How DoGets end",
      unit: "reqps",
      queries: [
        [rate("contract_data_flight_gets_total", "outcome"), "{{outcome}}"],
        [rate("contract_data_flight_slow_clients_ended_total"), "ended as slow"],
      ],
      description: "Completed, cancelled by the client, or failed.",
    },
    {
      title: "Waiting for clients to read",
      unit: "s",
      queries: [[rate("contract_data_flight_blocked_seconds_total"), "{{instance}}"]],
      description: "Seconds a second, added up over all DoGets.",
    },
  ],
  "PostgreSQL sinks": [
    {
      title: "Sinks' lag",
      unit: "s",
      queries: [["postgresql_consumer_lag_seconds", "{{instance}}"]],
      description: "Age of the close time of the last ledger that is committed.",
    },
    {
      title: "Rows",
      unit: "short",
      queries: [
        [sink("postgresql_consumer_records_received_total"), "received"],
        [sink("postgresql_consumer_records_inserted_total"), "inserted"],
      ],
      description: "A second. Rows that are read again are received and not inserted.",
    },
    {
      title: "Commits and errors",
      unit: "reqps",
      queries: [
        [sink("postgresql_consumer_batches_processed_total"), "commits"],
        [sink("postgresql_consumer_errors_total"), "errors"],
      ],
      description: "Failures of the server or the database; the sink waits and goes on.",
    },
    {
      title: "Time of a commit",
      unit: "s",
      queries: ["0.5", "0.99"].map((quantile) => [
        `histogram_quantile(${quantile}, ${sink("postgresql_consumer_batch_insert_duration_seconds_bucket", "le")})`,
        `p${Number(quantile) * 100}`,
      ]),
      description: "Of rows, state and cursor together.",
    },
    {
      title: "Rows of a commit",
      unit: "short",
      queries: [[`histogram_quantile(0.5, ${sink("postgresql_consumer_batch_size_bucket", "le")})`, "median"]],
      description: "Larger commits cost less a row.",
    },
    {
      title: "Newest ledger and connections",
      unit: "none",
      queries: [
        ["postgresql_consumer_ledger", "ledger, {{instance}}"],
        ["postgresql_consumer_database_connections", "connections, {{instance}}"],
      ],
      description: "The last complete ledger that is committed; open connections to the database.",
    },
  ],
  "What it needs": [
    {
      title: "CPU",
      unit: "s",
      width: 12,
      queries: [[rate("process_cpu_seconds_total"), "{{instance}}"]],
      description: "Cores.",
    },
    {
      title: "Resident memory",
      unit: "bytes",
      width: 12,
      queries: [[each("process_resident_memory_bytes"), "{{instance}}"]],
      description: "Kept to MAX_MEMORY_MB.",
    },
  ],
};
