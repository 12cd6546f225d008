/** What flowctl, the control plane of a pipeline, is told of a component, whatever the protocol. */

/** What a component registers as. Addresses are those at which others reach it. */
export interface FlowctlComponent {
  /** One component, also over restarts. */
  id: string;
  name: string;
  description: string;
  version: string;
  kind: "processor" | "consumer";
  /** Full names of protobuf messages, as flowctl matches components by. */
  inputEventTypes: readonly string[];
  outputEventTypes: readonly string[];
  /** host:port of its own gRPC service; empty where it has none. */
  endpoint: string;
  /** A URL that answers 200 while it is healthy. */
  healthEndpoint: string;
  metadata: Readonly<Record<string, string>>;
}

/** Health as flowctl knows it. */
export type FlowctlHealth = "STARTING" | "HEALTHY" | "DEGRADED" | "UNHEALTHY" | "STOPPING";

/** What one heartbeat says. */
export interface FlowctlReport {
  health: FlowctlHealth;
  metrics: Readonly<Record<string, number>>;
}
