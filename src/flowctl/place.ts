/** What the settings say of flowctl, for whoever registers with it. */
import { hostname } from "node:os";
import type { Address } from "../config/address.ts";
import { advertisedAddress } from "../config/advertised.ts";
import { readOutgoingTls } from "../config/outgoing-tls.ts";
import type { Config } from "../config/schema.ts";
import type { FlowctlPlace } from "./flowctl-client.ts";

/** The settings that `flowctlPlace` and `reachableAt` look at. */
export const FLOWCTL_KEYS = [
  "advertisedHost",
  "flowctlEnabled",
  "flowctlEndpoint",
  "flowctlProtocol",
  "flowctlHeartbeatIntervalMs",
  "flowctlComponentId",
  "flowctlCaFile",
  "flowctlCertFile",
  "flowctlKeyFile",
] as const;

type FlowctlConfig = Pick<Config, (typeof FLOWCTL_KEYS)[number]>;

/** Undefined where FLOWCTL_ENABLED is false. @throws CodedError INVALID_ARGUMENT / TLS_FILE */
export function flowctlPlace(config: FlowctlConfig): FlowctlPlace | undefined {
  const { flowctlEnabled, flowctlEndpoint, flowctlProtocol, flowctlHeartbeatIntervalMs } = config;
  if (!flowctlEnabled) return undefined;
  const tls = readOutgoingTls(config, "flowctl") ?? (flowctlEndpoint.tls ? {} : undefined);
  const { address } = flowctlEndpoint;
  return { address, tls, protocol: flowctlProtocol, heartbeatIntervalMs: flowctlHeartbeatIntervalMs };
}

/** host:port of a listener as flowctl and others reach it. */
export function reachableAt(config: FlowctlConfig, listening: Address): string {
  // A flowctl on this machine reaches it as this one reaches flowctl, another one by the machine's name.
  const { address } = config.flowctlEndpoint;
  const reachedBy = /^(localhost|127\.|\[::1\])/.test(address) ? address : hostname();
  return advertisedAddress(listening, config.advertisedHost, reachedBy);
}

/** FLOWCTL_COMPONENT_ID, or what stands for it where it is not set. @param name of the service */
export function componentId({ flowctlComponentId }: FlowctlConfig, name: string): string {
  return flowctlComponentId || `${name}-${hostname()}`;
}
