/** The settings of limits and logging. */
import { DAY_MS } from "./duration.ts";
import { setting } from "./setting.ts";
import { boolean, byteSize, duration, integer, mebibytes, oneOf } from "./types.ts";

const MEMORY_MIB_MAX = 1_048_576; // 1 TiB
const LEDGER_BYTES_CEILING = 1024 * 2 ** 20; // XDR lengths are 32-bit, and a batch has to fit one Arrow body
const FLIGHT_MESSAGE_BYTES_CEILING = 64 * 2 ** 20; // gRPC messages of this server end there
const RANGES_CEILING = 10_000; // each holds a source and a few batches
const PARTITIONS_CEILING = 256; // what is above would make batches of a few rows
const HTTP_STREAMS_CEILING = 1000; // each holds a batch and a piece of text
const SESSIONS_CEILING = 10_000; // each holds a state record and a source

/** See schema.ts. */
export const LIMIT_SETTINGS = {
  memoryBytesMax: setting({
    env: "MAX_MEMORY_MB",
    group: "Limits",
    type: mebibytes(64, MEMORY_MIB_MAX),
    default: "1024",
    unit: "MiB",
    description:
      "Memory that the process keeps to: what a container's limit may be. Where it is not set and the process runs in a cgroup with a memory limit, it is that limit. Below 288 + 32 a worker fewer workers are started, and below 320 none; a session that does not fit is refused.",
    example: "4096",
  }),
  ledgerBytesMax: setting({
    env: "LEDGER_BYTES_MAX",
    group: "Limits",
    type: byteSize(2 ** 20, LEDGER_BYTES_CEILING),
    default: "64MiB",
    description: "The largest ledger, as inflated XDR; a larger one fails its session.",
    example: "128MiB",
  }),
  flightMessageBytesMax: setting({
    env: "FLIGHT_MESSAGE_BYTES_MAX",
    group: "Limits",
    type: byteSize(64 * 2 ** 10, FLIGHT_MESSAGE_BYTES_CEILING),
    default: "2MiB",
    description: "The largest Flight message; batches are cut to fit. Most clients accept 4 MiB.",
    example: "1MiB",
  }),
  slowClientGraceMs: setting({
    env: "SLOW_CLIENT_GRACE",
    group: "Limits",
    type: duration(0, DAY_MS),
    default: "30s",
    description:
      "How long the slowest client of a session may hold up the others, and a client that takes nothing of its range may keep the place that another range waits for, before it is ended with RESOURCE_EXHAUSTED and its cursor.",
    example: "1m",
  }),
  sessionsMax: setting({
    env: "SESSIONS_MAX",
    group: "Limits",
    type: integer(1, SESSIONS_CEILING),
    default: "64",
    unit: "sessions",
    description: "Active sessions at once; one more is refused with RESOURCE_EXHAUSTED.",
    example: "8",
  }),
  rangesMax: setting({
    env: "RANGES_MAX",
    group: "Limits",
    type: integer(0, RANGES_CEILING),
    default: "32",
    unit: "ranges",
    description:
      "Ranges read at once by range tickets; one more waits while there is one that nobody reads (SLOW_CLIENT_GRACE), else it is refused with RESOURCE_EXHAUSTED.",
    example: "8",
  }),
  httpStreamsMax: setting({
    env: "HTTP_STREAMS_MAX",
    group: "Limits",
    type: integer(0, HTTP_STREAMS_CEILING),
    default: "16",
    unit: "streams",
    description:
      "Clients that read rows over HTTP at once (docs/http.md); one more is refused with 429. Each may hold FLIGHT_MESSAGE_BYTES_MAX and 2 MiB; no more are let in than an eighth of MAX_MEMORY_MB's part for data has room for.",
    example: "64",
  }),
  partitionsMax: setting({
    env: "PARTITIONS_MAX",
    group: "Limits",
    type: integer(1, PARTITIONS_CEILING),
    default: "16",
    unit: "partitions",
    description:
      "Partitions that a session may be shared out to; each has retained batches of its own, and every few ledgers make a batch for each.",
    example: "64",
  }),
  logLevel: setting({
    env: "LOG_LEVEL",
    group: "Logging",
    type: oneOf(["debug", "info", "warn", "error"]),
    default: "info",
    description: "The least severe messages that are logged.",
    example: "warn",
  }),
  debug: setting({
    env: "DEBUG",
    group: "Logging",
    type: boolean,
    default: "false",
    description: "Log everything, whatever LOG_LEVEL says.",
    example: "true",
  }),
} as const;
