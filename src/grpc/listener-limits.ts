/** The limits of one gRPC listener that an operator sets. */
import type { ServerOptions } from "@grpc/grpc-js";
import type { PeerLimits } from "../vocabulary/peer-limits.ts";

/** Limits of one listener; connection-settings.ts says what each is for. */
export interface ListenerLimits {
  connectionsMax: number;
  /** Calls at once on one connection. */
  streamsMax: number;
  peerLimits: PeerLimits;
  handshakeMsMax: number;
  idleMsMax: number;
}

const PEER_SHARE = 2; // one client never has all connections

/** What listenGrpc keeps of them. */
export function listenLimitsOf({ connectionsMax, peerLimits, handshakeMsMax }: ListenerLimits) {
  return { connectionsMax, peerConnectionsMax: Math.ceil(connectionsMax / PEER_SHARE), peerLimits, handshakeMsMax };
}

/** What grpc-js keeps of them. */
export function limitOptionsOf({ streamsMax, idleMsMax }: ListenerLimits): ServerOptions {
  return { "grpc.max_concurrent_streams": streamsMax, "grpc.max_connection_idle_ms": idleMsMax };
}
