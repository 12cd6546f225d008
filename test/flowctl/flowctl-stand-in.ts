/**
 * A flowctl control plane that serves both protocols as the real one does: a registration replaces the one before, a
 * heartbeat of an unknown component is answered UNKNOWN, "service X not found". It can be slow, refuse, and forget.
 */
import * as grpc from "@grpc/grpc-js";
import { ControlPlane, type ServiceHeartbeat, type ServiceInfo } from "../../src/grpc/generated/flowctl.ts";
import {
  ControlPlaneService,
  type HeartbeatRequest,
  type RegisterRequest,
  type UnregisterRequest,
} from "../../src/grpc/generated/flowctl-v1.ts";
import { methodDefinition, type ServiceType } from "../../src/grpc/service.ts";

/** What flowctl knows of a component. */
interface Known {
  protocol: "v0" | "v1";
  info: ServiceInfo | NonNullable<RegisterRequest["component"]>;
  /** Of the last heartbeat: a number of HealthStatus; 0 over v0. */
  status: number;
  metrics: ReadonlyMap<string, string | number>;
}

interface StandInOptions {
  /** Default: one that the system chooses. */
  port?: number;
  protocols?: readonly ("v0" | "v1")[];
  credentials?: grpc.ServerCredentials;
}

export class FlowctlStandIn {
  readonly components = new Map<string, Known>();
  /** Names of the calls that were answered well, in order. */
  readonly calls: string[] = [];
  /** Health of each heartbeat, in order. */
  readonly statuses: number[] = [];
  /** Every call is answered so instead. */
  refusal: { code: grpc.status; details: string } | undefined;
  delayMs = 0;
  port = 0;
  private readonly server = new grpc.Server();

  static async start(options: StandInOptions = {}): Promise<FlowctlStandIn> {
    const standIn = new FlowctlStandIn();
    const protocols = options.protocols ?? ["v0", "v1"];
    if (protocols.includes("v0")) standIn.addFirst();
    if (protocols.includes("v1")) standIn.addToday();
    const credentials = options.credentials ?? grpc.ServerCredentials.createInsecure();
    standIn.port = await new Promise<number>((resolve, reject) =>
      standIn.server.bindAsync(`127.0.0.1:${options.port ?? 0}`, credentials, (error, port) =>
        error ? reject(error) : resolve(port),
      ),
    );
    return standIn;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  count(call: string): number {
    return this.calls.filter((each) => each === call).length;
  }

  /** As a flowctl that is killed: connections end. */
  stop(): void {
    this.server.forceShutdown();
  }

  private addFirst(): void {
    this.add(ControlPlane, {
      Register: (info: ServiceInfo) => {
        this.components.set(info.componentId, { protocol: "v0", info, status: 0, metrics: new Map() });
        return { serviceId: info.serviceId };
      },
      Heartbeat: ({ serviceId, metrics }: ServiceHeartbeat) => this.beat(serviceId, 0, metrics),
    });
  }

  private addToday(): void {
    this.add(ControlPlaneService, {
      RegisterComponent: ({ component, componentId }: RegisterRequest) => {
        if (!component || component.id !== componentId) throw new Error("a component that takes flowctl down");
        this.components.set(componentId, { protocol: "v1", info: component, status: 2, metrics: new Map() });
        return { serviceId: componentId };
      },
      UnregisterComponent: ({ serviceId }: UnregisterRequest) => {
        this.components.delete(serviceId);
        return {};
      },
      Heartbeat: ({ serviceId, status, metrics }: HeartbeatRequest) => this.beat(serviceId, status, metrics),
    });
  }

  private beat(serviceId: string, status: number, metrics: ReadonlyMap<string, string | number>): object {
    const known = this.components.get(serviceId);
    if (known === undefined) throw Object.assign(new Error(`service ${serviceId} not found`), { code: 2 });
    known.status = status;
    known.metrics = metrics;
    this.statuses.push(status);
    return {};
  }

  private add(service: ServiceType, handlers: Readonly<Record<string, (request: never) => object>>): void {
    const methods = Object.entries(service.methods);
    const answer = (name: string) => async (call: { request: unknown }, callback: grpc.sendUnaryData<unknown>) => {
      if (this.delayMs > 0) await Bun.sleep(this.delayMs);
      if (this.refusal) return callback(this.refusal);
      try {
        const response = handlers[name]!(call.request as never);
        this.calls.push(name);
        callback(null, response);
      } catch (thrown) {
        callback({ code: grpc.status.UNKNOWN, details: (thrown as Error).message });
      }
    };
    this.server.addService(
      Object.fromEntries(methods.map(([key, method]) => [key, methodDefinition(service, method)])),
      Object.fromEntries(methods.map(([key, method]) => [key, answer(method.name)])),
    );
  }
}
