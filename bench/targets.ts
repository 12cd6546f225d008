/**
 * Every figure that the benches report, with its target: bench → figure → what is wanted. A figure whose unit begins with
 * "×" is a ratio of two measurements of one run, which other machines and busy hours change little; ratios are compared
 * with bench/baseline.json, and one that is worse by more than its tolerance is a regression.
 */
export interface Figure {
  unit: string;
  better: "more" | "less";
  /** The median has to be at least (where more is better) or at most this. */
  target?: number;
  /** How much worse than the baseline's a ratio may be, as a share of that. */
  tolerance: number;
}

const TOLERANCE = 0.25; // ratios of quiet runs differ by some 10 %, of busy ones by 20 %
const TOLERANCE_TAIL = 0.6; // a p99 rests on a handful of samples
const TOLERANCE_CONTROL_TAIL = 1.5; // of calls of a third of a millisecond: whatever else runs on the machine doubles it

const atLeast = (target: number | undefined, unit = "×", tolerance = TOLERANCE): Figure => ({
  unit,
  better: "more",
  ...(target === undefined ? {} : { target }),
  tolerance,
});
const atMost = (target: number | undefined, unit = "×", tolerance = TOLERANCE): Figure => ({
  ...atLeast(target, unit, tolerance),
  better: "less",
});

const FLOOR = "× the floor's";
const GO = "× Go's";
const CPU = "× our server's CPU by arrow-go's";

const FLIGHT = {
  "64 KiB to pyarrow": atLeast(1, CPU),
  "64 KiB to Go": atLeast(1, CPU),
  "1 MiB to pyarrow": atLeast(1, CPU),
  "1 MiB to Go": atLeast(1, CPU),
  "2 MiB to pyarrow": atLeast(1, CPU),
  "2 MiB to Go": atLeast(1, CPU),
} as const;

export const FIGURES = {
  decode: {
    "58752000, rows a CPU second": atLeast(20, "× the Go reader's"),
    "58752000, rows a CPU second, views": atLeast(1, "× the Go views'"),
    "58752000, GB a CPU second": atLeast(1.5, "GB"),
    "lake, rows a CPU second": atLeast(400_000, "rows"),
    "lake, rows a CPU second, views": atLeast(1, "× the Go views'"),
    "lake.zst, rows a CPU second": atLeast(250_000, "rows"),
    "lake.zst, rows a CPU second, views": atLeast(1, "× the Go views'"),
    "58752000, where nothing matches": atLeast(0.8, "× the walk's rate"),
    "load-test, where nothing matches": atLeast(0.8, "× the walk's rate"),
    "lake, where nothing matches": atLeast(0.8, "× the walk's rate"),
  },
  "decode-heap": { "growth of the heap": atMost(200_000, "bytes") },
  chain: { "the check of the chain": atMost(1, "% more CPU") },
  pipeline: {
    "lake, ledgers a second": atLeast(12, GO),
    "lake, ledgers a CPU second": atLeast(14, GO),
    "lake, just started": atLeast(undefined, "× its later rate"),
    "gRPC, ledgers a second": atLeast(7, GO),
    "gRPC, ledgers a CPU second": atLeast(9, GO),
    "gRPC, just started": atLeast(undefined, "× its later rate"),
  },
  latency: {
    "gRPC, p50": atMost(0.25, GO),
    "gRPC, p99": atMost(0.25, GO, TOLERANCE_TAIL),
    "gRPC, p99 on a steady machine": atMost(10, "ms"),
    "meta stream, p50": atMost(undefined, "× that over gRPC"),
  },
  datasets: { "CPU of both datasets": atMost(1.15, "× contract_data's alone") },
  traces: { "CPU with traces of 1 %": atMost(1.05, "× without traces") },
  large: {
    "gRPC, p50": atMost(0.15, GO, TOLERANCE_TAIL),
    "gRPC, p99": atMost(0.15, GO, TOLERANCE_TAIL),
    "gRPC, p50 on a steady machine": atMost(40, "ms"),
    "gRPC, p99 on a steady machine": atMost(80, "ms"),
    "gRPC, late ledgers": atMost(0, "ledgers"),
    "gRPC, resident at most": atMost(1, "of MAX_MEMORY_MB"),
    "meta stream, p50": atMost(0.15, GO, TOLERANCE_TAIL),
    "meta stream, p99": atMost(0.15, GO, TOLERANCE_TAIL),
    "meta stream, p50 on a steady machine": atMost(40, "ms"),
    "meta stream, p99 on a steady machine": atMost(80, "ms"),
    "meta stream, late ledgers": atMost(0, "ledgers"),
    "meta stream, resident at most": atMost(1, "of MAX_MEMORY_MB"),
  },
  resident: { "growth of resident memory": atMost(1.05, "× the first half's", 0.05) },
  reception: {
    "CPU a gigabyte": atMost(0.45, "s"),
    "CPU a gigabyte, compared": atMost(undefined, "× grpc-js'"),
  },
  control: {
    "GetStatus, idle, p50": atMost(1.5, FLOOR, TOLERANCE_TAIL),
    "GetStatus, idle, p99": atMost(1.5, FLOOR, TOLERANCE_CONTROL_TAIL),
    "GetStatus, beside a DoGet, p50": atMost(2, FLOOR, TOLERANCE_TAIL),
    "GetStatus, beside a DoGet, p99": atMost(2.5, FLOOR, TOLERANCE_CONTROL_TAIL),
    "GetMetrics, idle, p50": atMost(1.5, FLOOR, TOLERANCE_TAIL),
    "GetMetrics, idle, p99": atMost(1.5, FLOOR, TOLERANCE_CONTROL_TAIL),
    "GetMetrics, beside a DoGet, p50": atMost(2, FLOOR, TOLERANCE_TAIL),
    "GetMetrics, beside a DoGet, p99": atMost(2.5, FLOOR, TOLERANCE_CONTROL_TAIL),
    "ConfigureFilters, idle, p99": atMost(10, "ms"),
  },
  probes: {
    "/health, p50": atMost(2, FLOOR),
    "/ready, p50": atMost(2, FLOOR),
    "grpc.health, p50": atMost(2, FLOOR),
    "/health beside a DoGet, p50": atMost(2, FLOOR, TOLERANCE_TAIL),
    "/ready beside a DoGet, p50": atMost(2, FLOOR, TOLERANCE_TAIL),
    "grpc.health beside a DoGet, p50": atMost(2, FLOOR, TOLERANCE_TAIL),
    "/health, p50 in milliseconds": atMost(1, "ms"),
  },
  start: {
    "start to ready": atMost(186, "ms"), // half of what it was before the binary held bytecode
    "start to ready, compared": atMost(undefined, "× that from source"),
  },
  flight: FLIGHT,
  "flight-tls": FLIGHT,
  sources: {
    "a folder": atLeast(undefined, "× bare GETs"),
    "a public bucket": atLeast(0.9, "× bare GETs"),
    "a web server": atLeast(0.9, "× bare GETs"),
    "a private bucket": atLeast(0.9, "× signed GETs"),
    "a public bucket, far away": atLeast(0.9, "× bare GETs"),
    "a web server, far away": atLeast(0.9, "× bare GETs"),
  },
  "source-kinds": {
    "a bucket": atLeast(undefined, "× a folder's rate"),
    "a web server": atLeast(undefined, "× a folder's rate"),
    "an RPC server": atLeast(undefined, "× a folder's rate"),
    "a raw-ledger service": atLeast(undefined, "× a folder's rate"),
    "a meta stream": atLeast(undefined, "× a folder's rate"),
  },
  parquet: {
    "rows a CPU second, to parquet-wasm": atLeast(2, "× parquet-wasm's"),
    "rows a CPU second, to pyarrow": atLeast(0.35, "× pyarrow's"),
    "size, to pyarrow": atMost(1.15, "× pyarrow's"),
  },
  "sink-postgres": {
    "rows a second": atLeast(0.5, "× psql's \\copy"),
    "rows a second, without current_state": atLeast(0.8, "× psql's \\copy"),
  },
  backfill: {
    "8 workers": atLeast(7.2, "× one worker"),
    "8 workers, CPU": atMost(1.2, "cores"),
    "sharing chunks out": atMost(1, "% of a worker's CPU"),
  },
  tip: {
    "64 sessions at the tip, CPU": atMost(5, "% of a core"),
    "64 sessions at the tip, a new file": atMost(1000, "ms"),
    "64 sessions at the tip, growth": atMost(16, "MiB"),
  },
} as const satisfies Record<string, Record<string, Figure>>;

export type Bench = keyof typeof FIGURES;

/** @throws where the bench does not report such a figure */
export function figureOf(bench: string, name: string): Figure {
  const figure = (FIGURES as Record<string, Record<string, Figure>>)[bench]?.[name];
  if (figure === undefined) throw new Error(`bench/targets.ts has no "${name}" of ${bench}`);
  return figure;
}

/** Whether it is one measurement over another of the same run. */
export function isRatio(figure: Figure): boolean {
  return figure.unit.startsWith("×");
}

/** What the figure is to be, as text; empty where it is only watched. */
export function targetText({ better, target }: Figure): string {
  return target === undefined ? "" : `${better === "more" ? "≥" : "≤"} ${target.toLocaleString("en-US")}`;
}

export function meetsTarget({ better, target }: Figure, value: number): boolean {
  if (target === undefined) return true;
  return better === "more" ? value >= target : value <= target;
}
