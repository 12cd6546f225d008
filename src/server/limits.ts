/** The limits of gRPC listeners, out of the settings. */
import type { Config } from "../config/schema.ts";
import type { ListenerLimits } from "../grpc/listener-limits.ts";

/** @param connectionsMax the listener's own */
export function limitsOf(config: Config, connectionsMax: number): ListenerLimits {
  const { connectionStreamsMax, peerLimits, handshakeMsMax, connectionIdleMsMax } = config;
  return {
    connectionsMax,
    streamsMax: connectionStreamsMax,
    peerLimits,
    handshakeMsMax,
    idleMsMax: connectionIdleMsMax,
  };
}
