/**
 * Every setting of the server, once: the environment, the configuration file, the flags and docs/configuration.md all
 * come from this table. Names and defaults of the first groups are those that existing deployments use.
 */
import { LEDGER_SEQUENCE_MAX } from "../ledger/terms.ts";
import { credentialsSetting } from "./credentials.ts";
import {
  assets,
  boolean,
  byteSize,
  decimal,
  dialAddress,
  duration,
  hostName,
  integer,
  list,
  listenAddress,
  listenPort,
  mebibytes,
  namedSources,
  oneOf,
  type SettingType,
  sourceEndpoint,
  text,
} from "./types.ts";
import { VERSION } from "./version.ts";

export interface Setting<T> {
  /** Name in the environment and in the configuration file; the flag is the same in kebab case. */
  env: string;
  group: "Service" | "Network" | "Security" | "State" | "Processing" | "Filters" | "Limits" | "Logging" | "flowctl";
  type: SettingType<T>;
  /** As it would be written in the environment. */
  default: string;
  /** What the default means, where that does not show. */
  defaultNote?: string;
  /** Of a bare number. */
  unit?: string;
  /** Its value is never shown, in no error either. */
  secret?: boolean;
  description: string;
  example: string;
}

const BATCH_ROWS_MAX = 1_000_000; // a row is some 500 bytes: more would not fit the rings of any sensible memory limit
const WORKERS_MAX = 256; // threads beyond the largest machines' cores only cost memory
const CHANNEL_BATCHES_MAX = 65_536; // a slot is about 1 MiB: 64 GiB retained
const HTTP_HOSTS_MAX = 64; // names of one machine
const FILTER_ITEMS_MAX = 10_000; // an environment variable holds at most 128 KiB on Linux, a file more
const BALANCE_DIGITS_MAX = 39; // of 2^127 - 1
const MEMORY_MIB_MAX = 1_048_576; // 1 TiB
const LEDGER_BYTES_CEILING = 1024 * 2 ** 20; // XDR lengths are 32-bit, and a batch has to fit one Arrow body
const FLIGHT_MESSAGE_BYTES_CEILING = 64 * 2 ** 20; // gRPC messages of this server end there
const RANGES_CEILING = 10_000; // each holds a source and a few batches
const PARTITIONS_CEILING = 256; // what is above would make batches of a few rows
const SESSIONS_CEILING = 10_000; // each holds a state record and a source
const TOKENS_CEILING = 100_000; // some 200 bytes each
const DAY_MS = 86_400_000;

const setting = <T>(definition: Setting<T>): Setting<T> => definition;

export const SETTINGS = {
  serviceName: setting({
    env: "SERVICE_NAME",
    group: "Service",
    type: text,
    default: "contract-data-processor",
    description: "The name under which this server reports itself: health, logs, flowctl.",
    example: "contract-data-pubnet",
  }),
  serviceVersion: setting({
    env: "SERVICE_VERSION",
    group: "Service",
    type: text,
    default: VERSION,
    defaultNote: "the program's version",
    description: "The version that this server reports.",
    example: "2026-01",
  }),
  shutdownGraceMs: setting({
    env: "SHUTDOWN_GRACE",
    group: "Service",
    type: duration(0, DAY_MS),
    default: "8s",
    description:
      "After SIGTERM, SIGINT or SIGHUP, how long running streams may take to end before they are cut. The default ends within the 10 s after which `docker stop` kills.",
    example: "30s",
  }),
  networkPassphrase: setting({
    env: "NETWORK_PASSPHRASE",
    group: "Network",
    type: text,
    default: "Test SDF Network ; September 2015",
    description:
      "The passphrase of the Stellar network that the ledgers belong to. A lake wins over the default: by what its manifest says, else by the known network (pubnet, testnet, futurenet, standalone, load test) that the transactions of its first ledgers fit.",
    example: "Public Global Stellar Network ; September 2015",
  }),
  grpcAddress: setting({
    env: "GRPC_ADDRESS",
    group: "Network",
    type: listenAddress,
    default: ":50054",
    description: "Where the control plane listens (gRPC).",
    example: "127.0.0.1:50054",
  }),
  flightAddress: setting({
    env: "FLIGHT_ADDRESS",
    group: "Network",
    type: listenAddress,
    default: ":8816",
    description: "Where the Arrow Flight server listens.",
    example: "127.0.0.1:8816",
  }),
  advertisedHost: setting({
    env: "ADVERTISED_HOST",
    group: "Network",
    type: hostName,
    default: "",
    defaultNote: "the host that a listener is bound to, or the one by which the asking client has come",
    description:
      "The host name or IP address at which others reach this server, as it tells them: GetServiceInfo's Flight address. Set it where names differ inside and outside, as behind a proxy or in a container. Ports are those of the listeners.",
    example: "processor.example.org",
  }),
  healthAddress: setting({
    env: "HEALTH_PORT",
    group: "Network",
    type: listenPort,
    default: "8089",
    description: "Where health, metrics and the status page are served over HTTP: a port, or host:port.",
    example: "127.0.0.1:8089",
  }),
  httpAllowedHosts: setting({
    env: "HTTP_ALLOWED_HOSTS",
    group: "Network",
    type: list(/^[A-Za-z0-9._-]{1,253}$/, "host names without port", HTTP_HOSTS_MAX),
    default: "",
    defaultNote: "IP addresses, localhost and this machine's name",
    description:
      "Further host names under which /status.json may be read. A browser that asks under another name may be carrying a stranger's page (DNS rebinding), and is refused with 403.",
    example: "processor.example.org",
  }),
  sourceEndpoint: setting({
    env: "SOURCE_ENDPOINT",
    group: "Network",
    type: sourceEndpoint,
    default: "localhost:50053",
    description:
      "Where ledgers come from: host:port of a raw-ledger server; a lake folder, as a path with a slash or file://; or repeat:<lake folder>, which reads the lake again and again with ledger numbers that go on.",
    example: "/data/lake",
  }),
  sources: setting({
    env: "SOURCES",
    group: "Network",
    type: namedSources,
    default: "",
    defaultNote: "none",
    description:
      "Further sources, as name=source with the sources of SOURCE_ENDPOINT; StartProcessing may name one of them. Each is opened when it is first asked for.",
    example: "archive=/data/lake,live=localhost:50053",
  }),
  flightCredentials: setting({
    env: "FLIGHT_CREDENTIALS",
    group: "Security",
    type: credentialsSetting,
    default: "",
    defaultNote: "none: Flight asks nobody",
    secret: true,
    description:
      "Who may read over Flight: name:password, or @ and the path of a file with one a line. A client turns them into a bearer token by Handshake, and every other Flight call needs it. They travel as they are: use them on networks that you trust. A command line shows in the list of processes: prefer the file.",
    example: "@/run/secrets/flight-credentials",
  }),
  flightTokenTtlMs: setting({
    env: "FLIGHT_TOKEN_TTL",
    group: "Security",
    type: duration(1000, 30 * DAY_MS),
    default: "24h",
    description: "How long a token from Handshake is valid; then the client calls Handshake again.",
    example: "1h",
  }),
  flightTokensMax: setting({
    env: "FLIGHT_TOKENS_MAX",
    group: "Security",
    type: integer(1, TOKENS_CEILING),
    default: "1000",
    unit: "tokens",
    description: "Valid tokens of one name at once; one more ends the oldest of that name.",
    example: "10",
  }),
  dataDir: setting({
    env: "DATA_DIR",
    group: "State",
    type: text,
    default: "",
    defaultNote: "in memory, gone with the process",
    description:
      "Folder where sessions, their filters and checkpoints are kept, so that they survive restarts and crashes. It belongs to one server at a time.",
    example: "/var/lib/contract-data",
  }),
  resumeSessions: setting({
    env: "RESUME_SESSIONS",
    group: "State",
    type: boolean,
    default: "true",
    description:
      "Whether sessions that were unfinished when the server ended go on by themselves when it starts; false leaves them to ResumeSession.",
    example: "false",
  }),
  checkpointIntervalMs: setting({
    env: "CHECKPOINT_INTERVAL",
    group: "State",
    type: duration(50, 3_600_000),
    default: "1s",
    description:
      "How often the place of each session is written down. After a crash, what lies behind it is decoded again; nothing is lost or delivered twice to a client that comes with its cursor.",
    example: "5s",
  }),
  batchRows: setting({
    env: "BATCH_SIZE",
    group: "Processing",
    type: integer(0, BATCH_ROWS_MAX),
    default: "0",
    defaultNote: "about 1 MiB, at least 1000 rows",
    unit: "rows",
    description: "Rows in a batch at most; 0 lets batches be about 1 MiB. A session may ask for its own.",
    example: "1000",
  }),
  flushIntervalMs: setting({
    env: "FLUSH_INTERVAL",
    group: "Processing",
    type: duration(1, DAY_MS),
    default: "5s",
    description: "A batch that is not full is sent when its oldest row has waited this long.",
    example: "500ms",
  }),
  workerCount: setting({
    env: "WORKER_COUNT",
    group: "Processing",
    type: integer(1, WORKERS_MAX),
    default: "4",
    unit: "threads",
    description: "Threads that decode ledgers.",
    example: "8",
  }),
  channelBatches: setting({
    env: "CHANNEL_BUFFER_SIZE",
    group: "Processing",
    type: integer(1, CHANNEL_BATCHES_MAX),
    default: "100",
    unit: "batches",
    description:
      "Finished batches that a session keeps for its slowest client, and for clients that come back, before its source has to wait; fewer where many sessions share MAX_MEMORY_MB.",
    example: "32",
  }),
  compat: setting({
    env: "COMPAT",
    group: "Processing",
    type: oneOf(["default", "go"]),
    default: "default",
    description:
      "Which rules decide about rows: `go` gives exactly the rows of the Go implementation, `default` also those that it misses.",
    example: "go",
  }),
  onError: setting({
    env: "ON_ERROR",
    group: "Processing",
    type: oneOf(["strict", "skip"]),
    default: "strict",
    description:
      "What a ledger that cannot be decoded does: `strict` ends its session with the ledger, the byte offset and the XDR path; `skip` leaves the ledger out, and counts it in status, metrics, the log and the app_metadata of the next batch. A lake's newest file is not left out: it may still be being written.",
    example: "skip",
  }),
  knownAssets: setting({
    env: "KNOWN_ASSETS",
    group: "Processing",
    type: assets,
    default: "",
    defaultNote: "native alone",
    description:
      "Assets whose contracts are known from the first ledger on; sessions learn others from the ledgers that create the contracts, and what they learn counts from 256 ledgers later on. It decides about `asset_code` and `asset_issuer` of balances in schema version 2, and which balances an asset filter selects. A session keeps the list that it began with, a range has that of the moment.",
    example: "USDC:GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN",
  }),
  filterContractIds: setting({
    env: "FILTER_CONTRACT_IDS",
    group: "Filters",
    type: list(/^C[A-Z2-7]{55}$/, "contract ids (C and 55 more characters)", FILTER_ITEMS_MAX),
    default: "",
    defaultNote: "all",
    description: "Only rows of these contracts.",
    example: "CAS3J7GYLGXMF6TDJBBYYSE3HQ6BBSMLNUQ34T6TZMYMW2EVH34XOWMA",
  }),
  filterAssetCodes: setting({
    env: "FILTER_ASSET_CODES",
    group: "Filters",
    type: list(/^[A-Za-z0-9]{1,12}$/, "asset codes (1 to 12 letters and digits)", FILTER_ITEMS_MAX),
    default: "",
    defaultNote: "all",
    description: "Only rows of assets with these codes.",
    example: "USDC,EURC",
  }),
  filterAssetIssuers: setting({
    env: "FILTER_ASSET_ISSUERS",
    group: "Filters",
    type: list(/^G[A-Z2-7]{55}$/, "accounts (G and 55 more characters)", FILTER_ITEMS_MAX),
    default: "",
    defaultNote: "all",
    description: "Only rows of assets of these issuers.",
    example: "GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN",
  }),
  filterBalanceHolders: setting({
    env: "FILTER_BALANCE_HOLDERS",
    group: "Filters",
    type: list(/^[GCMBL][A-Z2-7]{55,68}$/, "holders (strkeys with G, C, M, B or L)", FILTER_ITEMS_MAX),
    default: "",
    defaultNote: "all",
    description:
      "Only balances of these holders; schema version 1 has only those of contracts (C…), version 2 those of accounts, muxed accounts, claimable balances and liquidity pools too.",
    example: "CAS3J7GYLGXMF6TDJBBYYSE3HQ6BBSMLNUQ34T6TZMYMW2EVH34XOWMA",
  }),
  filterMinBalance: setting({
    env: "FILTER_MIN_BALANCE",
    group: "Filters",
    type: decimal(BALANCE_DIGITS_MAX),
    default: "",
    defaultNote: "any, and rows that are no balances",
    description: "Only balances of at least this, in the token's smallest unit: up to 2^127 - 1.",
    example: "10000000",
  }),
  filterKeyTypes: setting({
    env: "FILTER_KEY_TYPES",
    group: "Filters",
    type: list(/^[A-Za-z0-9]{1,64}$/, "ScVal types (Vec or ScValTypeScvVec)", FILTER_ITEMS_MAX),
    default: "",
    defaultNote: "all",
    description: "Only rows whose key is of one of these ScVal types.",
    example: "Vec,LedgerKeyContractInstance",
  }),
  filterDurability: setting({
    env: "FILTER_DURABILITY",
    group: "Filters",
    type: oneOf(["both", "temporary", "persistent"]),
    default: "both",
    description: "Only temporary or only persistent entries.",
    example: "persistent",
  }),
  filterChangeTypes: setting({
    env: "FILTER_CHANGE_TYPES",
    group: "Filters",
    type: list(
      /^(created|updated|removed|restored|evicted)$/,
      "changes (created, updated, removed, restored, evicted)",
      FILTER_ITEMS_MAX,
    ),
    default: "",
    defaultNote: "all",
    description: "Only rows of these changes; removed and evicted ones need INCLUDE_DELETED too.",
    example: "created,restored",
  }),
  filterModifiedAfterLedger: setting({
    env: "FILTER_MODIFIED_AFTER_LEDGER",
    group: "Filters",
    type: integer(0, LEDGER_SEQUENCE_MAX),
    default: "0",
    defaultNote: "any",
    unit: "ledger",
    description:
      "Only rows whose last_modified_ledger is greater: of a removed entry, that of its state before; evicted entries have none and are left out.",
    example: "58752000",
  }),
  includeDeleted: setting({
    env: "INCLUDE_DELETED",
    group: "Filters",
    type: boolean,
    default: "false",
    description: "Whether rows of removed entries are sent too, and in schema version 2 those of evicted ones.",
    example: "true",
  }),
  memoryBytesMax: setting({
    env: "MAX_MEMORY_MB",
    group: "Limits",
    type: mebibytes(64, MEMORY_MIB_MAX),
    default: "1024",
    unit: "MiB",
    description:
      "Resident memory that the process keeps to, from 288 + 32 a worker on; a session that does not fit is refused.",
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
  flowctlEnabled: setting({
    env: "FLOWCTL_ENABLED",
    group: "flowctl",
    type: boolean,
    default: "false",
    description:
      "Whether to register with a flowctl control plane and send it heartbeats. Accepted and not carried out yet: the server warns of it at its start.",
    example: "true",
  }),
  flowctlEndpoint: setting({
    env: "FLOWCTL_ENDPOINT",
    group: "flowctl",
    type: dialAddress,
    default: "localhost:8080",
    description: "The flowctl control plane.",
    example: "flowctl:8080",
  }),
  flowctlHeartbeatIntervalMs: setting({
    env: "FLOWCTL_HEARTBEAT_INTERVAL",
    group: "flowctl",
    type: duration(100, DAY_MS),
    default: "10s",
    description: "Time between two heartbeats.",
    example: "30s",
  }),
  flowctlComponentId: setting({
    env: "FLOWCTL_COMPONENT_ID",
    group: "flowctl",
    type: text,
    default: "",
    defaultNote: "made from the service's name and the host's",
    description: "The component id to register under.",
    example: "contract-data-1",
  }),
} as const;

export type SettingKey = keyof typeof SETTINGS;

/** The loaded values. Durations are in milliseconds, sizes in bytes, as the names say. */
export type Config = {
  readonly [K in SettingKey]: (typeof SETTINGS)[K] extends Setting<infer T> ? T : never;
};

/** `GRPC_ADDRESS` → `grpc-address`. */
export function flagOf(env: string): string {
  return env.toLowerCase().replaceAll("_", "-");
}
