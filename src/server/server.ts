/**
 * The composition root: puts decode workers, data plane, sessions, control plane and HTTP together, in that order, and
 * ends them in the order of stop-order.ts. What the parts say of their health is in readiness.ts, what they count in
 * metrics.ts.
 */
import { Descriptors } from "../base/descriptors.ts";
import type { Address } from "../config/address.ts";
import type { Listener } from "../config/listener-tls.ts";
import type { Config } from "../config/schema.ts";
import { type AuditLine, auditRefusal } from "../control/audit.ts";
import { CONTROL_SERVICES, type RunningServer, startControlServer } from "../control/server.ts";
import type { DataPlaneOptions } from "../engine/data-plane-client.ts";
import { RangeDesk } from "../engine/range-desk.ts";
import { FlightService } from "../grpc/generated/flight.ts";
import { HealthState } from "../grpc/health-state.ts";
import { routeLibraryLog } from "../grpc/library-log.ts";
import { createOpsApp } from "../ops/app.ts";
import { watchDescriptors } from "../ops/descriptor-watch.ts";
import type { Logger } from "../ops/log.ts";
import type { OpsHono } from "../ops/ops-hono.ts";
import { startOpsServer } from "../ops/server.ts";
import type { OpsSource } from "../ops/status.ts";
import { startBehindFront } from "../ops/tls-front.ts";
import { tracedLog } from "../ops/traced-log.ts";
import { Gate, type Refusal } from "../security/gate.ts";
import { Refusals } from "../security/refusals.ts";
import { Sessions } from "../sessions/sessions.ts";
import { SourceSet } from "../sessions/source-set.ts";
import { SessionStore } from "../sessions/store.ts";
import { openSource } from "../sources/open.ts";
import type { LedgerSource } from "../sources/source.ts";
import { sourceAccess } from "../sources/source-access.ts";
import type { Traces } from "../tracing/traces.ts";
import { AccessFiles } from "./access-files.ts";
import { answersOf } from "./answers.ts";
import { type CertificateOptions, ListenerCertificates } from "./certificates.ts";
import { ClusterLink } from "./cluster-link.ts";
import { type EngineParts, type StartContext, startEngine } from "./engine-parts.ts";
import { FlowctlLink } from "./flowctl-link.ts";
import { httpParts } from "./http-parts.ts";
import { limitsOf } from "./limits.ts";
import { processMetrics } from "./metrics.ts";
import { components, workOf } from "./readiness.ts";
import { keepReplicas } from "./replica-link.ts";
import { sessionDefaultsOf } from "./session-defaults.ts";
import { windowBytesOf } from "./source-windows.ts";
import { StopOrder, within } from "./stop-order.ts";

const CATCH_UPS_MAX = 16; // clients that read a session's past at once; more wait for their turn

type ListenAddress = Address & { tls: boolean; needsCert: boolean };

/** Where the server listens. */
interface ServerAddresses {
  /** Host as given; ports as they are in use. */
  control: ListenAddress;
  flight: ListenAddress;
  http: ListenAddress;
}

/** A server that accepts connections. */
export interface RunningProcessor {
  addresses: ServerAddresses;
  sessions: Sessions;
  /** Ends sessions, lets clients finish within the grace, closes everything. */
  close(graceMs?: number): Promise<void>;
  /** Rejects if a part that nothing can do without dies. */
  failed: Promise<never>;
}

/** How the process that the server runs in is to be treated. */
export interface ServerOptions extends DataPlaneOptions {
  /** The process does nothing else, so that its resident memory is the server's: it is held to MAX_MEMORY_MB. */
  ownsProcess?: boolean;
  certificates?: CertificateOptions;
  /** Time between two looks at the files of credentials and roles. */
  accessLookMs?: number;
  /** Where the audit log goes, which is to have its lines at any LOG_LEVEL; default: the log. */
  auditLog?: Logger;
  /** Absent: there are none. Whoever has opened them closes them, after the server. */
  traces?: Traces;
}

/** Starts everything; resolves when all ports accept connections. @throws CodedError */
export async function startServer(
  config: Config,
  source: LedgerSource,
  untracedLog: Logger,
  options: ServerOptions = {},
): Promise<RunningProcessor> {
  const { traces } = options;
  const log = tracedLog(untracedLog, traces);
  routeLibraryLog((line) => log.warn("grpc-js, of a control call or the source", { line }));
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {}); // whoever waits for it is told; nobody has to
  const stop = new StopOrder(log);
  const health = new HealthState([...CONTROL_SERVICES, FlightService.typeName]);
  const access = new AccessFiles(config, log, options.accessLookMs);
  stop.ops.push(async () => access.close());
  const certificates = new ListenerCertificates(config, log, options.certificates);
  stop.ops.push(async () => certificates.close());
  const life = { closing: false, restored: false };
  const auditLog = options.auditLog ? tracedLog(options.auditLog, traces) : log;
  const audit: AuditLine = (message, fields) => auditLog.info(message, fields);
  const context: StartContext = { config, log, audit, health, stop, access, life, certificates, traces, fail };
  const flowctl = new FlowctlLink(config, certificates.of("http") !== undefined, log);
  stop.ops.push(() => flowctl.close());
  try {
    const cluster = await ClusterLink.open(config, log);
    const replicas: { close?: () => Promise<void> } = {};
    stop.ops.push(async () => {
      await replicas.close?.(); // over the connection
      await cluster.close();
    });
    const parts = await startEngine(context, options);
    const { grpcAddress, healthAddress } = config;
    flowctl.announce({ control: grpcAddress.port, flight: parts.dataPlane.flightPort, http: healthAddress.port });
    const sessions = await startSessions(context, parts, source, cluster);
    const addresses = await startListeners(context, parts, sessions, source, { flowctl, cluster });
    await parts.pool.start(); // last: its threads would take the cores from all that has to be there before
    const asksWho = access.access.flight !== undefined;
    await cluster.join(addresses, config.networkPassphrase, asksWho, () => ({
      sessions: sessions.totals().active,
      streams: parts.flightTotals.get("clients"),
    }));
    if (cluster.connection !== undefined) {
      replicas.close = () => sessions.replicas.close();
      await keepReplicas(sessions.replicas, cluster.connection, addresses, config.advertisedHost);
    }
    return {
      addresses,
      sessions,
      failed,
      close: (graceMs = config.shutdownGraceMs) => {
        context.life.closing = true;
        flowctl.stopping();
        void cluster.leave();
        for (const service of [...CONTROL_SERVICES, FlightService.typeName]) health.set(service, false);
        return stop.run(graceMs);
      },
    };
  } catch (thrown) {
    await stop.run(0);
    throw thrown;
  }
}

/** Sessions and ranges over the engine; stored sessions are open again when it resolves, and Flight answers. */
async function startSessions(
  { config, log, health, stop, life, traces }: StartContext,
  { engine, dataPlane, answerWith }: EngineParts,
  source: LedgerSource,
  cluster: ClusterLink,
): Promise<Sessions> {
  const store = SessionStore.open(config.dataDir || undefined);
  const access = sourceAccess(config);
  const windowBytes = windowBytesOf(config);
  const named = [...config.sources].map(
    ([name, endpoint]) => [name, () => openSource(endpoint, access, windowBytes)] as const,
  );
  const sources = new SourceSet(source, new Map(named));
  const sessions = new Sessions(engine, sources, store, sessionDefaultsOf(config), log, traces);
  const ranges = new RangeDesk(engine, source, {
    rangesMax: config.rangesMax,
    catchUpsMax: CATCH_UPS_MAX,
    defaultFilter: () => sessions.defaultFilter,
    knownAssets: config.knownAssets,
    batchRows: config.batchRows,
    locations: () => cluster.flightLocations(),
  });
  answerWith(answersOf(ranges, sessions, cluster));
  stop.sessions.push((graceMs) => within(sessions.close(), graceMs)); // a source may not come back
  await sessions.restore();
  sessions.replicas.isExpected = cluster.connection !== undefined;
  dataPlane.send({ type: "restored" });
  cluster.onCancelled((flights) => dataPlane.send({ type: "cancel", flights }));
  life.restored = true;
  health.set(FlightService.typeName, dataPlane.silenceMs === undefined);
  return sessions;
}

/** The control plane and HTTP; both accept connections when it resolves. */
async function startListeners(
  context: StartContext,
  { dataPlane, pool, flightTotals }: EngineParts,
  sessions: Sessions,
  source: LedgerSource,
  { flowctl, cluster }: { flowctl: FlowctlLink; cluster: ClusterLink },
): Promise<ServerAddresses> {
  const { config, log, health, stop, life, audit, certificates, traces } = context;
  const startedUnixMs = Date.now();
  const service = { name: config.serviceName, version: config.serviceVersion };
  const network = config.networkPassphrase;
  const tlsOf = (listener: Listener) => {
    const tls = certificates.of(listener);
    return { tls: tls !== undefined, needsCert: tls?.requiresClientCert ?? false };
  };
  const flight = { host: config.flightAddress.host, port: dataPlane.flightPort, ...tlsOf("flight") };
  const { gates, refusals } = gatesOf(context);
  const control: RunningServer = await startControlServer({
    sessions,
    health,
    host: config.grpcAddress.host,
    port: config.grpcAddress.port,
    gate: gates.control,
    ...{ audit, traces, log, nodes: () => cluster.list() },
    tls: certificates.of("control"),
    limits: limitsOf(config, config.controlConnectionsMax),
    warn: (message, fields) => log.warn(message, { listener: "control", ...fields }),
    onUnexpected: (error, method) => log.error("unexpected error in a control call", { method, error }),
    service: { ...service, network, startedUnixMs, flight, advertisedHost: config.advertisedHost },
  });
  context.access.onRenewed(({ control: access }) => access && control.renewAccess(access));
  certificates.onRenewed("control", (tls) => control.renewTls(tls));
  for (const name of CONTROL_SERVICES) health.set(name, true);
  stop.listeners.push((graceMs) => control.close(graceMs));
  const addresses: ServerAddresses = {
    control: { host: config.grpcAddress.host, port: control.port, ...tlsOf("control") },
    flight,
    http: { host: config.healthAddress.host, port: 0, ...tlsOf("http") },
  };
  const parts = () => [...components(health, life.closing, dataPlane.silenceMs), ...workOf(source, sessions)];
  const metrics = () => {
    const refused = { control: refusals.control.counts, http: refusals.http.counts };
    const expiry = certificates.expirySeconds();
    const counts = processMetrics(sessions, pool, flightTotals, control.refused, refused, expiry, flowctl.counts);
    return { ...counts, accessFiles: context.access.state, cluster: cluster.counts };
  };
  const opsSource: OpsSource = {
    service,
    startedUnixMs,
    network,
    source: source.description,
    components: () => [...parts(), ...flowctl.component(), ...cluster.component()],
    sessions: () => sessions.list(),
    metrics,
    endpoints: () => addresses,
    nodes: () => cluster.list().nodes,
  };
  const app = createOpsApp(opsSource, {
    gate: gates.http,
    traces,
    onUnexpected: (error) => log.error("unexpected error in an HTTP request", { error }),
    allowedHosts: [...config.httpAllowedHosts, ...(config.advertisedHost === "" ? [] : [config.advertisedHost])],
    ...httpParts(context, dataPlane, sessions, opsSource),
  });
  const descriptors = new Descriptors();
  const ops = await startHttp(context, app, descriptors);
  certificates.onRenewed("http", (tls) => ops.renewTls(tls));
  addresses.http.port = ops.port;
  flowctl.announce({ control: control.port, flight: flight.port, http: ops.port });
  flowctl.isUp({ components: parts, metrics });
  stop.ops.push(() => ops.close());
  const endWatch = watchDescriptors(descriptors, log, () => ops.shed());
  stop.listeners.push(async () => endWatch());
  return addresses;
}

async function startHttp({ config, certificates, log }: StartContext, app: OpsHono, descriptors: Descriptors) {
  const tls = certificates.of("http");
  if (tls?.ca === undefined) return startOpsServer(app, { ...config.healthAddress, tls });
  const { handshakeMsMax, peerLimits } = config;
  return await startBehindFront(app, {
    ...config.healthAddress,
    ...{ tls, handshakeMsMax, peerLimits, hasRoom: () => descriptors.hasRoom("http") },
    warn: (message, fields) => log.warn(message, { listener: "http", ...fields }),
  });
}

/** The gates of this thread's listeners, and what they refuse. */
function gatesOf({ access, audit, log }: StartContext) {
  const { control, http } = access.access;
  const warn = (message: string, fields: Record<string, string>) => log.warn(message, fields);
  const refusals = { control: new Refusals("control", warn), http: new Refusals("http", warn) };
  const toldOf = (listener: keyof typeof refusals) => (refusal: Refusal) => {
    refusals[listener].told(refusal);
    auditRefusal(refusal, audit);
  };
  const gates = {
    control: control && new Gate(control, toldOf("control")),
    http: http && new Gate(http, toldOf("http")),
  };
  access.onRenewed(({ http: renewed }) => renewed && gates.http?.renew(renewed));
  return { gates, refusals };
}
