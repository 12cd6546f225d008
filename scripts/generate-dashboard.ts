/**
 * Makes deploy/grafana-dashboard.json from the panels below: `bun scripts/generate-dashboard.ts`. A test checks that it is
 * current, and that every metric of /metrics has a panel, an alert or a reason to have neither.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");
/** Where the dashboard is, from the repository's root. */
export const DASHBOARD = "deploy/grafana-dashboard.json";

interface Panel {
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

/** Rows of the dashboard: how it is, what it does, whom it serves, what it needs. */
const ROWS: Readonly<Record<string, readonly Panel[]>> = {
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
      queries: [[`rate(contract_data_session_rows_total{${SESSION}}[$__rate_interval])`, "{{session}}"]],
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

const HEIGHT = 8;
const HEIGHT_STAT = 4;
const DATASOURCE = { type: "prometheus", uid: "$datasource" };

function panelJson(panel: Panel, id: number, x: number, y: number): object {
  const { title, unit, queries, description, kind = "timeseries", width = 8 } = panel;
  return {
    ...{ id, title, description, type: kind, datasource: DATASOURCE },
    gridPos: { x, y, w: width, h: kind === "stat" ? HEIGHT_STAT : HEIGHT },
    fieldConfig: { defaults: { unit, min: kind === "timeseries" ? 0 : undefined }, overrides: [] },
    targets: queries.map(([expr, legendFormat], index) => ({
      ...{ refId: String.fromCharCode(65 + index), datasource: DATASOURCE, expr, legendFormat },
      ...(kind === "timeseries" ? {} : { instant: true }),
      ...(kind === "table" ? { format: "table" } : {}),
    })),
    ...(kind === "stat" && title === "Version" ? { options: { textMode: "name" } } : {}),
  };
}

function panels(): object[] {
  const made: object[] = [];
  let y = 0;
  for (const [title, row] of Object.entries(ROWS)) {
    made.push({
      id: made.length + 1,
      title,
      type: "row",
      collapsed: false,
      panels: [],
      gridPos: { x: 0, y: y++, w: 24, h: 1 },
    });
    let x = 0;
    let height = 0;
    for (const panel of row) {
      const { width = 8 } = panel;
      if (x + width > 24) {
        y += height;
        x = height = 0;
      }
      made.push(panelJson(panel, made.length + 1, x, y));
      x += width;
      height = Math.max(height, panel.kind === "stat" ? HEIGHT_STAT : HEIGHT);
    }
    y += height;
  }
  return made;
}

function variable(name: string, query: string, multi: boolean): object {
  const all = multi ? { multi: true, includeAll: true, allValue: ".*" } : {};
  return { name, label: name, type: "query", datasource: DATASOURCE, query, refresh: 2, sort: 1, ...all };
}

/** The dashboard, as Grafana imports it. */
export function dashboard(): string {
  const label = (metric: string, name: string) => `label_values(${metric}, ${name})`;
  const json = {
    title: "Contract Data Processor",
    uid: "contract-data-processor",
    tags: ["stellar", "contract-data"],
    schemaVersion: 39,
    version: 1,
    editable: true,
    refresh: "30s",
    time: { from: "now-3h", to: "now" },
    templating: {
      list: [
        { name: "datasource", label: "data source", type: "datasource", query: "prometheus" },
        variable("job", label("contract_data_build_info", "job"), false),
        variable("instance", label('contract_data_build_info{job="$job"}', "instance"), true),
        variable("session", label('contract_data_session_state{job="$job",instance=~"$instance"}', "session"), true),
      ],
    },
    panels: panels(),
  };
  return `${JSON.stringify(json, null, 2)}\n`;
}

if (import.meta.main) {
  writeFileSync(join(ROOT, DASHBOARD), dashboard());
  console.log(DASHBOARD);
}
