/**
 * The whole server: decode workers, data plane, sessions, control plane, HTTP.
 */
import { Descriptors } from "../base/descriptors.ts";
import { SCHEMA_VERSIONS } from "../columns/batch-encoder.ts";
import { readCredentials } from "../config/credentials.ts";
import { type Config, SETTINGS } from "../config/schema.ts";
import { CONTROL_SERVICES, type RunningServer, startControlServer } from "../control/server.ts";
import { DataPlaneClient, type DataPlaneEvents, type DataPlaneOptions } from "../engine/data-plane-client.ts";
import { MemoryGuard } from "../engine/memory-guard.ts";
import { memoryBytesLeast, planMemory } from "../engine/memory-plan.ts";
import { RangeDesk } from "../engine/range-desk.ts";
import { StreamEngine } from "../engine/stream-engine.ts";
import { CodedError } from "../error.ts";
import { ControlService } from "../grpc/generated/control.ts";
import { FlightService } from "../grpc/generated/flight.ts";
import { HealthState } from "../grpc/health-state.ts";
import { routeLibraryLog } from "../grpc/library-log.ts";
import { createOpsApp } from "../ops/app.ts";
import { watchDescriptors } from "../ops/descriptor-watch.ts";
import type { Logger } from "../ops/log.ts";
import { logLinesLost } from "../ops/log-output.ts";
import type { ProcessMetrics } from "../ops/metrics.ts";
import { startOpsServer } from "../ops/server.ts";
import type { Component } from "../ops/status.ts";
import type { SessionDefaults } from "../sessions/session-host.ts";
import type { SessionSnapshot } from "../sessions/session-service.ts";
import { Sessions } from "../sessions/sessions.ts";
import { settingBehind } from "../sessions/setting-faults.ts";
import { SourceSet } from "../sessions/source-set.ts";
import { SessionStore } from "../sessions/store.ts";
import { openSource } from "../sources/open.ts";
import type { LedgerSource } from "../sources/source.ts";
import type { ClientEvent } from "../threads/client-event.ts";
import type { DataPlaneAccess } from "../threads/data-plane-messages.ts";
import { FlightTotals } from "../threads/flight-totals.ts";
import type { ChangeType } from "../vocabulary/change-type.ts";
import { Bell } from "../workers/bell.ts";
import { LEDGER_DURATION_BOUNDS_MS } from "../workers/ledger-durations.ts";
import { DecodePool } from "../workers/pool.ts";
import { StageTimes } from "../workers/stage-times.ts";
import { answersOf } from "./answers.ts";

const BATCH_BYTES_TARGET = 1 << 20; // about the size at which a gRPC byte is cheapest
const BATCH_ROWS_MIN_TARGET = 1000; // the original's BATCH_SIZE: an unset one never means fewer
const MESSAGE_OVERHEAD_BYTES = 64 << 10; // data header, app_metadata and framing beside a batch's body
const CATCH_UPS_MAX = 16; // clients that read a session's past at once; more wait for their turn
const NOT_READY = new CodedError("UNAVAILABLE", "STARTING", "the server is still starting: try again");

import { COMPRESSIONS } from "../vocabulary/compression.ts";

const MIB = 1 << 20;
const CONNECTIONS_MAX = 4096; // Flight clients; each costs a socket and a few buffers

export interface ServerAddresses {
  /** Host as given; ports as they are in use. */
  control: { host: string; port: number };
  flight: { host: string; port: number };
  http: { host: string; port: number };
}

export interface RunningProcessor {
  addresses: ServerAddresses;
  sessions: Sessions;
  /** Ends sessions, lets clients finish within the grace, closes everything. */
  close(graceMs?: number): Promise<void>;
  /** Rejects if a part that nothing can do without dies. */
  failed: Promise<never>;
}

export interface ServerOptions extends DataPlaneOptions {
  /** The process does nothing else, so that its resident memory is the server's: it is held to MAX_MEMORY_MB. */
  ownsProcess?: boolean;
}

/** Starts everything; resolves when all ports accept connections. @throws CodedError */
export async function startServer(
  config: Config,
  source: LedgerSource,
  log: Logger,
  options: ServerOptions = {},
): Promise<RunningProcessor> {
  const networkPassphrase = config.networkPassphrase;
  routeLibraryLog((line) => log.warn("grpc-js, of a control call or the source", { line }));
  const bell = Bell.create();
  let closing = false;
  let restored = false;
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {}); // whoever waits for it is told; nobody has to

  const health = new HealthState([...CONTROL_SERVICES, FlightService.typeName]);
  const stop: Record<"sessions" | "workers" | "listeners" | "ops", StopStep[]> = {
    sessions: [], // first, so that streams come to their end
    workers: [],
    listeners: [], // side by side: clients of one must not use up the grace of the other
    ops: [], // last: it says that the server is shutting down
  };
  const undo = async (graceMs: number) => {
    const deadline = performance.now() + graceMs;
    for (const steps of Object.values(stop)) {
      const leftMs = Math.max(0, deadline - performance.now());
      await Promise.all(steps.splice(0).map((step) => step(leftMs).catch((error) => log.warn("stop", { error }))));
    }
  };
  try {
    let engine: StreamEngine | undefined;
    let answer: DataPlaneEvents["asked"] = () => Promise.reject(NOT_READY);
    const flightTotals = FlightTotals.create();
    const times = new StageTimes();
    const memory = planMemory(config.memoryBytesMax, config.workerCount);
    const guard = new MemoryGuard(config.memoryBytesMax);
    if (options.ownsProcess) guard.start();
    stop.ops.push(async () => guard.close());
    const leastMib = Math.ceil(memoryBytesLeast(config.workerCount) / MIB);
    if (config.memoryBytesMax < leastMib * MIB) {
      const { memoryBytesMax, workerCount } = config;
      log.warn("MAX_MEMORY_MB cannot be held", {
        maxMemoryMb: memoryBytesMax / MIB,
        leastMb: leastMib,
        remedy: `raise it to ${leastMib}, or lower WORKER_COUNT ${workerCount}`,
      });
    }
    if (config.flowctlEnabled) {
      log.warn("FLOWCTL_ENABLED does nothing yet: this version does not register with flowctl", {
        endpoint: config.flowctlEndpoint,
      });
    }
    const dataPlane = await DataPlaneClient.start(
      {
        host: config.flightAddress.host,
        port: config.flightAddress.port,
        workerCount: config.workerCount,
        bell: bell.cells,
        slowClientGraceMs: config.slowClientGraceMs,
        connectionsMax: CONNECTIONS_MAX,
        totals: flightTotals.memory,
        times: times.memory,
        pressure: guard.pressure.memory,
        slotBytesMax: memory.streamsBytesMax,
        networkPassphrase,
        service: { name: config.serviceName, version: config.serviceVersion },
        access: flightAccess(config),
      },
      {
        asked: (name, asked) => answer(name, asked),
        ended: (stream, error) => engine?.ended(stream, error),
        learned: (stream, assets) => engine?.learned(stream, assets),
        skipped: (stream, skips, count) => engine?.skipped(stream, skips, count),
        client: (event) => logClient(log, event),
        logged: (level, message, fields) => log[level](message, fields),
        silent: (ms) => {
          log.error("the data-plane thread takes no turns: Flight is not served", { ms: Math.round(ms) });
          health.set(FlightService.typeName, false);
        },
        answersAgain: (ms) => {
          log.warn("the data-plane thread takes turns again", { ms: Math.round(ms) });
          health.set(FlightService.typeName, restored && !closing);
        },
        died: (error) => {
          health.set(FlightService.typeName, false);
          log.error("the data plane died", { error });
          fail(error);
        },
      },
      options,
    );
    stop.listeners.push((graceMs) => dataPlane.close(graceMs));

    const pool = new DecodePool(
      config.workerCount,
      bell,
      {
        ring: (index, ring) => dataPlane.send({ type: "ring", index, memory: ring }),
        died: (index, error) => {
          log.error("a decode worker died and is replaced", { worker: index, error });
          engine?.workerDied(index, error);
        },
      },
      memory.pool,
      times,
      guard.pressure,
    );
    await pool.start();
    stop.workers.push(() => pool.close());

    const batchBytesMax = config.flightMessageBytesMax - MESSAGE_OVERHEAD_BYTES;
    engine = new StreamEngine(pool, dataPlane, {
      networkPassphrase,
      compat: config.compat,
      batchRowsMinTarget: BATCH_ROWS_MIN_TARGET,
      batchBytesTarget: Math.min(BATCH_BYTES_TARGET, batchBytesMax),
      batchBytesMax,
      ledgerBytesMax: config.ledgerBytesMax,
      flushIntervalMs: config.flushIntervalMs,
      onError: config.onError,
      memory,
      guard,
      streamsMax: config.sessionsMax + config.rangesMax,
    });
    const store = SessionStore.open(config.dataDir || undefined);
    const named = [...config.sources].map(([name, endpoint]) => [name, () => openSource(endpoint)] as const);
    const sessionDefaults: SessionDefaults = {
      filter: {
        contractIds: config.filterContractIds,
        assetCodes: config.filterAssetCodes,
        assetIssuers: config.filterAssetIssuers,
        balanceHolders: config.filterBalanceHolders,
        balanceMin: config.filterMinBalance,
        keyTypes: config.filterKeyTypes,
        durability: config.filterDurability === "both" ? undefined : config.filterDurability,
        changeTypes: config.filterChangeTypes as ChangeType[],
        modifiedAfterLedger: config.filterModifiedAfterLedger,
        includeDeleted: config.includeDeleted,
      },
      knownAssets: config.knownAssets,
      network: networkPassphrase,
      batchRows: config.batchRows,
      slotsMax: config.channelBatches,
      sessionsMax: config.sessionsMax,
      checkpointIntervalMs: config.checkpointIntervalMs,
      resumeSessions: config.resumeSessions,
      limits: { schemaVersions: SCHEMA_VERSIONS, compressions: COMPRESSIONS, partitionsMax: config.partitionsMax },
    };
    const manager = new Sessions(engine, new SourceSet(source, new Map(named)), store, sessionDefaults, log);
    const ranges = new RangeDesk(engine, source, {
      rangesMax: config.rangesMax,
      catchUpsMax: CATCH_UPS_MAX,
      defaultFilter: () => manager.defaultFilter,
      knownAssets: config.knownAssets,
      batchRows: config.batchRows,
    });
    answer = answersOf(ranges, manager);
    stop.sessions.push((graceMs) => within(manager.close(), graceMs)); // a source may not come back
    await manager.restore();
    dataPlane.send({ type: "restored" });
    restored = true;
    health.set(FlightService.typeName, dataPlane.silenceMs === undefined);

    const control: RunningServer = await startControlServer({
      sessions: manager,
      health,
      host: config.grpcAddress.host,
      port: config.grpcAddress.port,
      onUnexpected: (error, method) => log.error("unexpected error in a control call", { method, error }),
      service: {
        name: config.serviceName,
        version: config.serviceVersion,
        network: networkPassphrase,
        startedUnixMs: Date.now(),
        flight: { host: config.flightAddress.host, port: dataPlane.flightPort },
        advertisedHost: config.advertisedHost,
      },
    });
    for (const service of CONTROL_SERVICES) health.set(service, true);
    stop.listeners.push((graceMs) => control.close(graceMs));

    const addresses: ServerAddresses = {
      control: { host: config.grpcAddress.host, port: control.port },
      flight: { host: config.flightAddress.host, port: dataPlane.flightPort },
      http: { host: config.healthAddress.host, port: 0 },
    };
    const app = createOpsApp(
      {
        service: { name: config.serviceName, version: config.serviceVersion },
        startedUnixMs: Date.now(),
        network: networkPassphrase,
        source: source.description,
        components: () => [...components(health, closing, dataPlane.silenceMs), ...workOf(source, manager)],
        sessions: () => manager.list(),
        metrics: () => processMetrics(manager, pool, flightTotals, control.refused),
        endpoints: () => addresses,
      },
      {
        onUnexpected: (error) => log.error("unexpected error in an HTTP request", { error }),
        allowedHosts: [...config.httpAllowedHosts, ...(config.advertisedHost === "" ? [] : [config.advertisedHost])],
      },
    );
    const ops = startOpsServer(app, config.healthAddress);
    addresses.http.port = ops.port;
    stop.ops.push(() => ops.close());
    const endWatch = watchDescriptors(new Descriptors(), log, () => ops.shed());
    stop.listeners.push(async () => endWatch());
    return {
      addresses,
      sessions: manager,
      failed,
      close: (graceMs = config.shutdownGraceMs) => {
        closing = true;
        for (const service of [...CONTROL_SERVICES, FlightService.typeName]) health.set(service, false);
        return undo(graceMs);
      },
    };
  } catch (thrown) {
    await undo(0);
    throw thrown;
  }
}

/** Who may read over Flight; undefined where nobody is asked. @throws CodedError INVALID_ARGUMENT / CREDENTIALS_FILE */
function flightAccess(config: Config): DataPlaneAccess | undefined {
  const credentials = readCredentials(config.flightCredentials, SETTINGS.flightCredentials.env);
  if (credentials.length === 0) return undefined;
  return { credentials, tokenTtlMs: config.flightTokenTtlMs, tokensMax: config.flightTokensMax };
}

/** Ends one part of the server, within the grace where it has clients. */
type StopStep = (graceMs: number) => Promise<unknown>;

/** Resolves with the work, or without it when the time is up. */
async function within(work: Promise<unknown>, ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}

/** The parts that can fail or be away by themselves. */
function components(health: HealthState, closing: boolean, silenceMs: number | undefined): Component[] {
  const silence = silenceMs && `its thread has not answered for ${Math.round(silenceMs / 1000)} s`;
  const part = (name: string, service: string, trouble = "not serving"): Component => {
    const serving = health.get(service) === true;
    return {
      name,
      healthy: serving || closing,
      ready: serving && !closing,
      message: closing ? "shutting down" : serving ? "serving" : trouble,
    };
  };
  return [part("control", ControlService.typeName), part("flight", FlightService.typeName, silence || undefined)];
}

/** How the work goes that is not the server's own: told, and no reason to send clients elsewhere. */
function workOf(source: LedgerSource, manager: Sessions): Component[] {
  const sessions = manager.list();
  const waiting = sessions.filter(({ sourceWait }) => sourceWait !== undefined);
  const failed = sessions.filter(
    ({ state, request }) => (state === "ERROR" || state === "UNKNOWN") && request.ledgerEnd === 0,
  );
  const part = (name: string, troubled: readonly SessionSnapshot[], well: string): Component => ({
    name,
    healthy: true, // a restart mends neither
    ready: troubled.length === 0,
    message:
      troubled.length === 0 ? well : `of ${troubled.length}, session ${troubled[0]!.id}: ${troubled[0]!.message}`,
    advisory: true,
  });
  const { stateTrouble } = manager;
  const ofSetting = sessions.filter(
    ({ state, error }) => state === "ERROR" && settingBehind(error?.reason) !== undefined,
  );
  const [first] = ofSetting;
  return [
    {
      name: "state",
      healthy: stateTrouble === undefined,
      ready: stateTrouble === undefined && first === undefined,
      message:
        stateTrouble ??
        (first === undefined
          ? "what is acknowledged is on record"
          : `of ${ofSetting.length}, session ${first.id} is held up by ${settingBehind(first.error?.reason)}: ${first.message}`),
    },
    part("source", waiting, source.description),
    part("sessions", failed, "no continuous session has failed or waits to be resumed"),
  ];
}

const CLIENT_LINES = {
  joined: "a Flight client has joined",
  left: "a Flight client has left",
  endedSlow: "a Flight client was ended as slow",
} as const;

function logClient(log: Logger, { event, ...fields }: ClientEvent): void {
  log[event === "endedSlow" ? "warn" : "debug"](CLIENT_LINES[event], fields);
}

function processMetrics(
  sessions: Sessions,
  pool: DecodePool,
  flightTotals: FlightTotals,
  control: RunningServer["refused"],
): ProcessMetrics {
  const flight = flightTotals.read();
  const totals = sessions.totals();
  return {
    contractsProcessed: totals.rows,
    entriesSkipped: totals.rowsFiltered,
    batchesCreated: totals.batches,
    bytesProcessed: totals.xdrBytes,
    processingErrors: totals.errors,
    ledgersSkipped: totals.ledgersSkipped,
    logLinesLost: logLinesLost(),
    stageSeconds: pool.times.read(),
    processingDuration: {
      boundsSeconds: LEDGER_DURATION_BOUNDS_MS.map((ms) => ms / 1000),
      ...pool.durations.read(),
    },
    currentLedger: totals.ledgerCurrent,
    activeSessions: totals.active,
    flightClientsConnected: flight.clients,
    flightRecordsStreamed: flight.rowsSent,
    flight: { ...flight, blockedSeconds: flight.blockedMicros / 1e6 },
    refused: { control, flight: { connections: flight.connectionsRefused, calls: flight.callsRefused } },
    flowctlRegistered: false,
    flowctlHeartbeatsSent: 0,
    flowctlHeartbeatErrors: 0,
  };
}
