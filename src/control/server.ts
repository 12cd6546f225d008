/** The control plane's gRPC server: ControlService, ContractDataService, health and reflection on one port. */
import * as grpc from "@grpc/grpc-js";
import { Descriptors } from "../base/descriptors.ts";
import type { Warn } from "../grpc/connection-log.ts";
import { ControlService } from "../grpc/generated/control.ts";
import { FlightService } from "../grpc/generated/flight.ts";
import { Health } from "../grpc/generated/health.ts";
import { healthService } from "../grpc/health-service.ts";
import type { HealthState } from "../grpc/health-state.ts";
import { grpcServerOptions, listenGrpc } from "../grpc/listen.ts";
import { type ListenerLimits, limitOptionsOf, listenLimitsOf } from "../grpc/listener-limits.ts";
import { addReflection } from "../grpc/reflection-service.ts";
import type { ServerTls } from "../grpc/server-tls.ts";
import { addService, type OnUnexpected } from "../grpc/service.ts";
import { addWrongPort } from "../grpc/wrong-port.ts";
import type { Access } from "../security/access.ts";
import type { Gate } from "../security/gate.ts";
import type { SessionService } from "../sessions/session-service.ts";
import type { Traces } from "../tracing/traces.ts";
import { type AuditLine, audited } from "./audit.ts";
import { CONTRACT_DATA_SERVICES, contractDataHandlers, type ServiceDescription } from "./contract-data-service.ts";
import { controlHandlers, type LeveledLog, type NodeSource } from "./control-service.ts";
import { SessionWatches } from "./session-watches.ts";
import { traced } from "./traced.ts";

/** The services of this port whose health can be asked for. */
export const CONTROL_SERVICES: readonly string[] = [
  ControlService.typeName,
  ...CONTRACT_DATA_SERVICES.map(({ typeName }) => typeName),
];

/** What is asked often, and answered at once. */
const DIRECT_PATHS: ReadonlySet<string> = new Set([
  ...["GetStatus", "GetMetrics", "ListSessions", "GetSession", "ConfigureFilters", "ListNodes"].map(
    (name) => `/${ControlService.typeName}/${name}`,
  ),
  `/${Health.typeName}/Check`,
]);

/** Largest message in either direction; part of the published interface. */
const CONTROL_MESSAGE_BYTES_MAX = 64 * 2 ** 20; // the original's

interface ControlServerOptions {
  sessions: SessionService;
  health: HealthState;
  service: ServiceDescription;
  /** Empty = every interface. */
  host: string;
  /** 0 = any free one. */
  port: number;
  /** Who may call; absent: everybody. */
  gate?: Gate;
  /** Absent: no TLS. */
  tls?: ServerTls;
  /** Whose level SetLogLevel changes. */
  log: LeveledLog;
  /** Absent: there are none. */
  nodes?: NodeSource;
  /** Absent: there are no traces. */
  traces?: Traces;
  /** Default: those of grpc/listen.ts. */
  limits?: ListenerLimits;
  /** Told which peers have connections refused or ended. */
  warn?: Warn;
  /** Writes the audit log. */
  audit?: AuditLine;
  /** Told of faults of ours: errors of handlers that are not CodedErrors. */
  onUnexpected: OnUnexpected;
}

/** A control server that accepts connections on `port` (the real one where 0 was asked for). */
export interface RunningServer {
  port: number;
  /** Refused by the listener's limits so far (grpc/listen.ts). */
  readonly refused: { connections: number; calls: number; ended: number };
  /** Other certificates, for handshakes from now on. */
  renewTls(tls: ServerTls): void;
  /** Other files of credentials and roles, for calls from now on; watches of callers who may watch no more end. */
  renewAccess(access: Access): void;
  /** Stops listening, lets running calls end for `graceMs`, then ends them. */
  close(graceMs?: number): Promise<void>;
}

/** Listens, and resolves when connections are accepted. @throws CodedError where the address is not to be had */
export async function startControlServer(options: ControlServerOptions): Promise<RunningServer> {
  const { limits } = options;
  const server = new grpc.Server(
    grpcServerOptions({
      ...(limits && limitOptionsOf(limits)),
      "grpc.max_receive_message_length": CONTROL_MESSAGE_BYTES_MAX,
      "grpc.max_send_message_length": CONTROL_MESSAGE_BYTES_MAX,
    }),
  );
  const { onUnexpected, traces, audit = () => {} } = options;
  const admit = options.gate?.admit;
  const health = healthService(options.health);
  const watches = new SessionWatches();
  const control = controlHandlers(options.sessions, watches, options.log, options.nodes ?? (() => ({})));
  addService(
    server,
    ControlService,
    traced(ControlService, audited(ControlService, control, audit), traces),
    onUnexpected,
    admit,
  );
  for (const service of CONTRACT_DATA_SERVICES) {
    const handlers = contractDataHandlers(options.sessions, options.service);
    addService(server, service, traced(service, audited(service, handlers, audit), traces), onUnexpected, admit);
  }
  addService(server, Health, health.handlers, onUnexpected, admit);
  addReflection(server, [...CONTROL_SERVICES, Health.typeName], admit);
  addWrongPort(
    server,
    FlightService,
    "this is the control plane's port (GRPC_ADDRESS); Arrow Flight is at the port of FLIGHT_ADDRESS, 8816 by default",
    admit,
  );
  const descriptors = new Descriptors();
  const listening = await listenGrpc(server, {
    host: options.host,
    port: options.port,
    setting: "GRPC_ADDRESS",
    tls: options.tls,
    ...(limits && listenLimitsOf(limits)),
    warn: options.warn,
    directPaths: DIRECT_PATHS,
    hasRoom: () => descriptors.hasRoom("control"),
  });
  return {
    port: listening.port,
    get refused() {
      const { connectionsRefused, connectionsEnded, callsRefused } = listening;
      return { connections: connectionsRefused, ended: connectionsEnded, calls: callsRefused };
    },
    renewTls: (tls) => listening.renewTls(tls),
    renewAccess(access) {
      options.gate?.renew(access);
      if (options.gate !== undefined) watches.judge(options.gate.again);
    },
    async close(graceMs) {
      health.close();
      watches.close();
      await listening.close(graceMs);
    },
  };
}
