/** The settings of connections: how many, how long, and what counts as one client. */
import { PEER_LIMITS } from "../vocabulary/peer-limits.ts";
import { DAY_MS } from "./duration.ts";
import { setting } from "./setting.ts";
import { duration, integer, oneOf } from "./types.ts";

const CONNECTIONS_CEILING = 65_536; // each is a descriptor and a few buffers
const STREAMS_CEILING = 8192; // frames of so many calls may be held for a client that grants no window
const HANDSHAKE_MS_MIN = 100; // a handshake takes three round trips
const HANDSHAKE_MS_CEILING = 120_000; // who takes longer holds a connection for nothing
const IDLE_MS_MIN = 1000; // less would end connections between two calls

/** See schema.ts. */
export const CONNECTION_SETTINGS = {
  controlConnectionsMax: setting({
    env: "GRPC_CONNECTIONS_MAX",
    group: "Limits",
    type: integer(1, CONNECTIONS_CEILING),
    default: "1024",
    unit: "connections",
    description:
      "Connections of the control plane at once, those in the handshake too; one more is closed at once. One client has half of them at most (PEER_LIMITS).",
    example: "256",
  }),
  flightConnectionsMax: setting({
    env: "FLIGHT_CONNECTIONS_MAX",
    group: "Limits",
    type: integer(1, CONNECTIONS_CEILING),
    default: "4096",
    unit: "connections",
    description:
      "Connections of Flight at once, those in the handshake too; one more is closed at once. One client has half of them at most (PEER_LIMITS).",
    example: "512",
  }),
  connectionStreamsMax: setting({
    env: "CONNECTION_STREAMS_MAX",
    group: "Limits",
    type: integer(1, STREAMS_CEILING),
    default: "256",
    unit: "calls",
    description:
      "Calls at once on one connection of the control plane or Flight, as HTTP/2 tells clients (SETTINGS_MAX_CONCURRENT_STREAMS): their libraries hold further ones back. The end of a connection with many takes a while in which nobody is answered: about 0.5 ms a call.",
    example: "100",
  }),
  peerLimits: setting({
    env: "PEER_LIMITS",
    group: "Limits",
    type: oneOf(PEER_LIMITS),
    default: "address",
    description:
      "What the limits of one client on connections, calls and their bytes go by. address: its IP address. identity: calls by the name that it proves, connections by its certificate; for a load balancer in front, and with credentials. off: limits of all clients together alone. Docs: operations.md.",
    example: "identity",
  }),
  handshakeMsMax: setting({
    env: "HANDSHAKE_TIMEOUT",
    group: "Limits",
    type: duration(HANDSHAKE_MS_MIN, HANDSHAKE_MS_CEILING),
    default: "10s",
    description:
      "How long a client of the control plane or Flight may take for TLS, and then again for HTTP/2's first frames, before its connection is closed.",
    example: "3s",
  }),
  connectionIdleMsMax: setting({
    env: "CONNECTION_IDLE_TIMEOUT",
    group: "Limits",
    type: duration(IDLE_MS_MIN, 7 * DAY_MS),
    default: "1h",
    description:
      "How long a connection of the control plane or Flight may be without a call before it is ended by GOAWAY; client libraries connect again for their next call.",
    example: "10m",
  }),
} as const;
