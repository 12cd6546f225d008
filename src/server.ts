/**
 * The whole server: decode workers, data plane, sessions, control plane, HTTP. What was started is stopped again in
 * the opposite order.
 */
import type { Config } from "./config/schema.ts";
import { HealthState } from "./control/health-state.ts";
import { type RunningServer, startControlServer } from "./control/server.ts";
import { FlightService } from "./flight/proto/flight.ts";
import { ControlService } from "./grpc/generated/control.ts";
import { createOpsApp } from "./ops/app.ts";
import type { Logger } from "./ops/log.ts";
import type { ProcessMetrics } from "./ops/metrics.ts";
import { startOpsServer } from "./ops/server.ts";
import type { Component } from "./ops/status.ts";
import { DataPlaneClient } from "./pipeline/data-plane-client.ts";
import { StreamEngine } from "./pipeline/stream-engine.ts";
import { SessionManager } from "./sessions/manager.ts";
import type { LedgerSource } from "./sources/source.ts";
import { Bell } from "./workers/bell.ts";
import { LEDGER_DURATION_BOUNDS_MS } from "./workers/ledger-durations.ts";
import { DecodePool, INPUT_RING_BYTES, OUTPUT_RING_BYTES } from "./workers/pool.ts";

const BATCH_BYTES_TARGET = 1 << 20; // about the size at which a gRPC byte is cheapest
const BATCH_ROWS_MIN_TARGET = 1000; // the original's BATCH_SIZE: an unset one never means fewer
const MESSAGE_OVERHEAD_BYTES = 64 << 10; // data header, app_metadata and framing beside a batch's body
const CONNECTIONS_MAX = 4096; // Flight clients; each costs a socket and a few buffers

export interface ServerAddresses {
  /** Host as given; ports as they are in use. */
  control: { host: string; port: number };
  flight: { host: string; port: number };
  http: { host: string; port: number };
}

export interface RunningProcessor {
  addresses: ServerAddresses;
  sessions: SessionManager;
  /** Ends sessions, lets clients finish within the grace, closes everything. */
  close(graceMs?: number): Promise<void>;
  /** Rejects if a part that nothing can do without dies. */
  failed: Promise<never>;
}

/** Starts everything; resolves when all ports accept connections. @throws CodedError */
export async function startServer(config: Config, source: LedgerSource, log: Logger): Promise<RunningProcessor> {
  const networkPassphrase = config.networkPassphrase;
  const bell = Bell.create();
  let closing = false;
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {}); // whoever waits for it is told; nobody has to

  const health = new HealthState([ControlService.typeName, FlightService.typeName]);
  const stop: Array<(graceMs: number) => Promise<unknown>> = [];
  const undo = async (graceMs: number) => {
    for (const step of stop.splice(0).reverse()) await step(graceMs).catch((error) => log.warn("stop", { error }));
  };
  try {
    let engine: StreamEngine | undefined;
    const dataPlane = await DataPlaneClient.start(
      {
        host: config.flightAddress.host,
        port: config.flightAddress.port,
        workerCount: config.workerCount,
        bell: bell.cells,
        slowClientGraceMs: config.slowClientGraceMs,
        connectionsMax: CONNECTIONS_MAX,
      },
      {
        ended: (stream, error) => engine?.ended(stream, error),
        died: (error) => {
          health.set(FlightService.typeName, false);
          log.error("the data plane died", { error });
          fail(error);
        },
      },
    );
    stop.push((graceMs) => dataPlane.close(graceMs));
    health.set(FlightService.typeName, true);

    const pool = new DecodePool(config.workerCount, bell, {
      ring: (index, memory) => dataPlane.send({ type: "ring", index, memory }),
      died: (index, error) => {
        log.error("a decode worker died and is replaced", { worker: index, error });
        engine?.workerDied(index, error);
      },
    });
    await pool.start();
    stop.push(() => pool.close());

    const batchBytesMax = config.flightMessageBytesMax - MESSAGE_OVERHEAD_BYTES;
    engine = new StreamEngine(pool, dataPlane, {
      networkPassphrase,
      compat: config.compat,
      batchRowsMinTarget: BATCH_ROWS_MIN_TARGET,
      batchBytesTarget: Math.min(BATCH_BYTES_TARGET, batchBytesMax),
      batchBytesMax,
      ledgerBytesMax: config.ledgerBytesMax,
      flushIntervalMs: config.flushIntervalMs,
    });
    const manager = new SessionManager(engine, source, {
      filter: {
        contractIds: config.filterContractIds,
        assetCodes: config.filterAssetCodes,
        assetIssuers: config.filterAssetIssuers,
        includeDeleted: config.includeDeleted,
      },
      batchRows: config.batchRows,
      slotsMax: config.channelBatches,
      retainedBytesMax: config.memoryBytesMax - config.workerCount * (INPUT_RING_BYTES + OUTPUT_RING_BYTES),
      sessionsMax: config.sessionsMax,
    });
    stop.push(() => manager.close());

    const control: RunningServer = await startControlServer({
      sessions: manager,
      health,
      host: config.grpcAddress.host,
      port: config.grpcAddress.port,
      onUnexpected: (error, method) => log.error("unexpected error in a control call", { method, error }),
    });
    health.set(ControlService.typeName, true);
    stop.push(async () => {
      health.set(ControlService.typeName, false);
      await control.close();
    });

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
        components: () => components(health, closing),
        sessions: () => manager.list(),
        metrics: () => processMetrics(manager, pool),
        endpoints: () => addresses,
      },
      (error) => log.error("unexpected error in an HTTP request", { error }),
    );
    const ops = startOpsServer(app, config.healthAddress);
    addresses.http.port = ops.port;
    stop.push(() => ops.close());
    return {
      addresses,
      sessions: manager,
      failed,
      close: (graceMs = config.shutdownGraceMs) => {
        closing = true;
        return undo(graceMs);
      },
    };
  } catch (thrown) {
    await undo(0);
    throw thrown;
  }
}

/** The parts that can fail or be away by themselves. */
function components(health: HealthState, closing: boolean): Component[] {
  const part = (name: string, service: string): Component => {
    const serving = health.get(service) === true;
    return {
      name,
      healthy: serving || closing,
      ready: serving && !closing,
      message: closing ? "shutting down" : serving ? "serving" : "not serving",
    };
  };
  return [part("control", ControlService.typeName), part("flight", FlightService.typeName)];
}

function processMetrics(sessions: SessionManager, pool: DecodePool): ProcessMetrics {
  const totals = sessions.totals();
  return {
    contractsProcessed: totals.rows,
    entriesSkipped: totals.rowsFiltered,
    batchesCreated: totals.batches,
    bytesProcessed: totals.xdrBytes,
    processingErrors: totals.errors,
    processingDuration: {
      boundsSeconds: LEDGER_DURATION_BOUNDS_MS.map((ms) => ms / 1000),
      ...pool.durations.read(),
    },
    currentLedger: totals.ledgerCurrent,
    activeSessions: totals.active,
    flightClientsConnected: totals.clients,
    flightRecordsStreamed: totals.rowsSent,
    flowctlRegistered: false,
    flowctlHeartbeatsSent: 0,
    flowctlHeartbeatErrors: 0,
  };
}
