/** The settings of the server itself: its name, its listeners, who may read, where it remembers. */
import { credentialsSetting } from "./credentials.ts";
import { DAY_MS } from "./duration.ts";
import { LISTENER_TLS_SETTINGS, TLS_SETTINGS } from "./listener-tls.ts";
import { outgoingTlsSettings } from "./outgoing-tls.ts";
import { setting } from "./setting.ts";
import {
  boolean,
  duration,
  headerValue,
  hostName,
  integer,
  list,
  listenAddress,
  listenPort,
  namedSources,
  sourceEndpoint,
  text,
} from "./types.ts";
import { VERSION } from "./version.ts";

const HTTP_HOSTS_MAX = 64; // names of one machine
const TOKENS_CEILING = 100_000; // some 200 bytes each

/** See schema.ts. */
export const SERVER_SETTINGS = {
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
      "The passphrase of the Stellar network that the ledgers belong to. A lake wins over the default: by what its manifest says, else by the known network (pubnet, testnet, futurenet, standalone, load test) that the transactions of its first ledgers fit. A gRPC source names no network: the first ledger with a transaction is checked, and a session over another network ends with NETWORK_MISMATCH.",
    example: "Public Global Stellar Network ; September 2015",
  }),
  grpcAddress: setting({
    env: "GRPC_ADDRESS",
    group: "Network",
    type: listenAddress,
    default: ":50054",
    defaultNote:
      ":50054, on 127.0.0.1 alone; on every interface where credentials are asked for, or with INSECURE_LISTEN",
    description: "Where the control plane listens (gRPC).",
    example: "127.0.0.1:50054",
  }),
  flightAddress: setting({
    env: "FLIGHT_ADDRESS",
    group: "Network",
    type: listenAddress,
    default: ":8816",
    defaultNote:
      ":8816, on 127.0.0.1 alone; on every interface where credentials are asked for, or with INSECURE_LISTEN",
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
    defaultNote:
      "8089, on 127.0.0.1 alone; on every interface where credentials are asked for, or with INSECURE_LISTEN",
    description: "Where health, metrics and the console are served over HTTP: a port, or host:port.",
    example: "127.0.0.1:8089",
  }),
  httpAllowedHosts: setting({
    env: "HTTP_ALLOWED_HOSTS",
    group: "Network",
    type: list(/^[A-Za-z0-9._-]{1,253}$/, "host names without port", HTTP_HOSTS_MAX),
    default: "",
    defaultNote: "IP addresses, localhost and this machine's name",
    description:
      "Further host names under which /status.json and what is below /v1/ may be read. A browser that asks under another name may be carrying a stranger's page (DNS rebinding), and is refused with 403.",
    example: "processor.example.org",
  }),
  sourceEndpoint: setting({
    env: "SOURCE_ENDPOINT",
    group: "Network",
    type: sourceEndpoint,
    default: "localhost:50053",
    description:
      "Where ledgers come from: host:port of a raw-ledger server, or grpcs://host:port where it speaks TLS; a lake folder, as a path with a slash or file://; a lake in a bucket, s3://bucket/prefix or gs://bucket/prefix, or behind a web server, https://host/path; an RPC server's getLedgers, rpc+https://host/path; core's meta stream, meta:/path/fifo or meta+tcp://host:port (docs/sources.md has them); or repeat:<lake folder>, which reads the lake again and again with ledger numbers that go on. Several joined by | are read as one: lake|tip takes history from the lake and then the tip, lake|tip|tip fails over (docs/sources.md).",
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
  ...TLS_SETTINGS,
  ...LISTENER_TLS_SETTINGS,
  flightCredentials: setting({
    env: "FLIGHT_CREDENTIALS",
    group: "Security",
    type: credentialsSetting,
    default: "",
    defaultNote: "none: Flight asks nobody",
    secret: true,
    description:
      "Who may read over Flight: name:password, or @ and the path of a file with one a line. A client turns them into a bearer token by Handshake, and every other Flight call needs it. Without TLS they travel as they are. A command line shows in the list of processes: prefer the file.",
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
  ticketKeyFile: setting({
    env: "TICKET_KEY_FILE",
    group: "Security",
    type: text,
    default: "",
    defaultNote: "a random key, kept in DATA_DIR where that is set",
    description:
      "File with the secret that tickets are signed with where callers are asked who they are: 32 bytes at least, of any kind. Nodes of a cluster need the same, so that each takes the tickets of the others.",
    example: "/run/secrets/ticket-key",
  }),
  sourceAuthorization: setting({
    env: "SOURCE_AUTHORIZATION",
    group: "Security",
    type: headerValue,
    default: "",
    defaultNote: "none",
    secret: true,
    description:
      "The authorization header that every raw-ledger service, RPC server and web server of SOURCE_ENDPOINT and SOURCES is sent; buckets have credentials of their own. Without TLS it can be read on the way. A command line shows in the list of processes: prefer the environment.",
    example: "Bearer 0123456789abcdef",
  }),
  ...outgoingTlsSettings("source", "raw-ledger services, RPC servers and web servers"),
  ...outgoingTlsSettings("s3", "stores of s3:// buckets"),
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
} as const;
