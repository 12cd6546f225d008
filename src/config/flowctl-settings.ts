/** The settings of flowctl, the control plane of a pipeline that components register with. */
import { DAY_MS } from "./duration.ts";
import { outgoingTlsSettings } from "./outgoing-tls.ts";
import { setting } from "./setting.ts";
import { boolean, duration, grpcEndpoint, oneOf, text } from "./types.ts";

/** See schema.ts. */
export const FLOWCTL_SETTINGS = {
  flowctlEnabled: setting({
    env: "FLOWCTL_ENABLED",
    alias: "ENABLE_FLOWCTL",
    group: "flowctl",
    type: boolean,
    default: "false",
    description:
      "Whether to register with a flowctl control plane and send it heartbeats. Nothing waits for it: a flowctl that is away is tried again.",
    example: "true",
  }),
  flowctlEndpoint: setting({
    env: "FLOWCTL_ENDPOINT",
    group: "flowctl",
    type: grpcEndpoint,
    default: "localhost:8080",
    description: "The flowctl control plane; grpcs://host:port, or a FLOWCTL_ file of certificates, for TLS.",
    example: "flowctl:8080",
  }),
  flowctlProtocol: setting({
    env: "FLOWCTL_PROTOCOL",
    group: "flowctl",
    type: oneOf(["auto", "v0", "v1"]),
    default: "auto",
    description:
      "Which of flowctl's protocols is spoken: v1 is today's flowctl.v1.ControlPlaneService, v0 the older flowctl.ControlPlane, whose heartbeats bear no health and which has no unregistering; auto takes v1, and v0 where flowctl does not serve it.",
    example: "v1",
  }),
  flowctlHeartbeatIntervalMs: setting({
    env: "FLOWCTL_HEARTBEAT_INTERVAL",
    group: "flowctl",
    type: duration(100, DAY_MS),
    default: "10s",
    description: "Time between two heartbeats. flowctl takes a component for dead after 30 s without one.",
    example: "5s",
  }),
  flowctlComponentId: setting({
    env: "FLOWCTL_COMPONENT_ID",
    alias: "FLOWCTL_SERVICE_ID",
    group: "flowctl",
    type: text,
    default: "",
    defaultNote: "made from the service's name and the host's",
    description: "The component id to register under; one for each process.",
    example: "contract-data-1",
  }),
  ...outgoingTlsSettings("flowctl", "flowctl"),
} as const;
