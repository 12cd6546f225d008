/** The two protocols of flowctl (proto/flowctl.proto, proto/flowctl_v1.proto) behind the same three calls. */
import type { Client } from "@grpc/grpc-js";
import { ControlPlane, ServiceInfo_ServiceType as ServiceType } from "../grpc/generated/flowctl.ts";
import { ComponentType, ControlPlaneService, HealthStatus } from "../grpc/generated/flowctl-v1.ts";
import { serviceClient, type UnaryOptions } from "../grpc/service.ts";
import type { FlowctlComponent, FlowctlReport } from "./component.ts";

const MAX_INFLIGHT = 1000; // as existing components of such pipelines say; nothing depends on it here

/** Calls reject with CodedError. */
export interface FlowctlCalls {
  /** @returns the id that heartbeats bear */
  register(component: FlowctlComponent, options: UnaryOptions): Promise<string>;
  heartbeat(serviceId: string, report: FlowctlReport, options: UnaryOptions): Promise<void>;
  /** Does nothing where the protocol has no such call: flowctl then notices that heartbeats stay away. */
  unregister(serviceId: string, options: UnaryOptions): Promise<void>;
}

/** v1 is today's, v0 the first one. */
export type FlowctlProtocol = "v0" | "v1";

/** The calls of each protocol over a client, which the caller owns. */
export const PROTOCOLS: Readonly<Record<FlowctlProtocol, (client: Client) => FlowctlCalls>> = { v0, v1 };

/** Heartbeats of this protocol bear no health: flowctl knows of a component only whether it sends them. */
function v0(client: Client): FlowctlCalls {
  const calls = serviceClient(client, ControlPlane);
  return {
    async register(component, options) {
      const { id, kind, inputEventTypes, outputEventTypes, healthEndpoint, metadata } = component;
      const info = {
        serviceId: id,
        serviceType: kind === "processor" ? ServiceType.SERVICE_TYPE_PROCESSOR : ServiceType.SERVICE_TYPE_SINK,
        ...{ inputEventTypes, outputEventTypes, healthEndpoint },
        maxInflight: MAX_INFLIGHT,
        metadata: new Map(Object.entries(metadata)),
        componentId: id,
      };
      return (await calls.register(info, options)).serviceId || id;
    },
    async heartbeat(serviceId, { metrics }, options) {
      const ms = Date.now();
      const timestamp = { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6 };
      await calls.heartbeat({ serviceId, timestamp, metrics: new Map(Object.entries(metrics)) }, options);
    },
    unregister: async () => {},
  };
}

function v1(client: Client): FlowctlCalls {
  const calls = serviceClient(client, ControlPlaneService);
  return {
    async register(component, options) {
      const { kind, healthEndpoint, metadata, ...info } = component;
      const type =
        kind === "processor" ? ComponentType.COMPONENT_TYPE_PROCESSOR : ComponentType.COMPONENT_TYPE_CONSUMER;
      const said = { ...metadata, health_endpoint: healthEndpoint, max_inflight: String(MAX_INFLIGHT) };
      const request = { component: { ...info, type, metadata: new Map(Object.entries(said)) }, componentId: info.id };
      return (await calls.registerComponent(request, options)).serviceId || info.id;
    },
    async heartbeat(serviceId, { health, metrics }, options) {
      const said = Object.entries(metrics).map(([name, value]) => [name, String(value)] as const);
      const request = { serviceId, status: HealthStatus[`HEALTH_STATUS_${health}`], metrics: new Map(said) };
      await calls.heartbeat(request, options);
    },
    async unregister(serviceId, options) {
      await calls.unregisterComponent({ serviceId }, options);
    },
  };
}
