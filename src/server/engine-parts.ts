/** Starts what decodes and delivers: memory, workers, the data-plane thread, the engine. */
import type { Config } from "../config/schema.ts";
import type { AuditLine } from "../control/audit.ts";
import { DataPlaneClient, type DataPlaneEvents, type DataPlaneOptions } from "../engine/data-plane-client.ts";
import { MemoryGuard } from "../engine/memory-guard.ts";
import { StreamEngine } from "../engine/stream-engine.ts";
import { CodedError } from "../error.ts";
import { FlightService } from "../grpc/generated/flight.ts";
import type { HealthState } from "../grpc/health-state.ts";
import type { Logger } from "../ops/log.ts";
import { ticketKey } from "../security/ticket-key.ts";
import type { ClientEvent } from "../threads/client-event.ts";
import { FlightTotals } from "../threads/flight-totals.ts";
import type { Traces } from "../tracing/traces.ts";
import { Bell } from "../workers/bell.ts";
import { DecodePool } from "../workers/pool.ts";
import { StageTimes } from "../workers/stage-times.ts";
import type { AccessFiles } from "./access-files.ts";
import type { ListenerCertificates } from "./certificates.ts";
import { limitsOf } from "./limits.ts";
import { plannedMemory } from "./planned-memory.ts";
import type { StopOrder } from "./stop-order.ts";

const BATCH_BYTES_TARGET = 1 << 20; // about the size at which a gRPC byte is cheapest
const BATCH_ROWS_MIN_TARGET = 1000; // the original's BATCH_SIZE: an unset one never means fewer
const MESSAGE_OVERHEAD_BYTES = 64 << 10; // data header, app_metadata and framing beside a batch's body
const NOT_READY = new CodedError("UNAVAILABLE", "STARTING", "the server is still starting: try again");

/** What the parts of a start have in common. */
export interface StartContext {
  config: Config;
  log: Logger;
  /** Writes the audit log. */
  audit: AuditLine;
  health: HealthState;
  stop: StopOrder;
  /** Whether the server is on its way down, and whether stored sessions are open again. */
  life: { closing: boolean; restored: boolean };
  /** Who may call. */
  access: AccessFiles;
  certificates: ListenerCertificates;
  /** Absent: there are none. */
  traces?: Traces;
  /** A part that nothing can do without has died. */
  fail: (error: Error) => void;
}

/** What decodes and delivers. */
export interface EngineParts {
  engine: StreamEngine;
  dataPlane: DataPlaneClient;
  pool: DecodePool;
  flightTotals: FlightTotals;
  /** Who answers the data plane's questions, from now on; until then they are UNAVAILABLE / STARTING. */
  answerWith(answer: DataPlaneEvents["asked"]): void;
}

/**
 * Starts them; Flight listens when it resolves, and refuses calls until the sessions are restored.
 *
 * @throws CodedError where a port, a credential or the memory is not to be had
 */
export async function startEngine(
  context: StartContext,
  options: DataPlaneOptions & { ownsProcess?: boolean },
): Promise<EngineParts> {
  const { config, log, stop, access, certificates, traces } = context;
  const late: { engine?: StreamEngine; answer: DataPlaneEvents["asked"] } = { answer: () => Promise.reject(NOT_READY) };
  const bell = Bell.create();
  const flightTotals = FlightTotals.create();
  const times = new StageTimes();
  const memory = plannedMemory(config);
  const guard = new MemoryGuard(config.memoryBytesMax);
  if (options.ownsProcess) guard.start();
  stop.ops.push(async () => guard.close());
  const { flight: flightAccess } = access.access;
  const dataPlane = await DataPlaneClient.start(
    {
      host: config.flightAddress.host,
      port: config.flightAddress.port,
      tls: certificates.of("flight"),
      workerCount: config.workerCount,
      bell: bell.cells,
      slowClientGraceMs: config.slowClientGraceMs,
      limits: limitsOf(config, config.flightConnectionsMax),
      totals: flightTotals.memory,
      times: times.memory,
      pressure: guard.pressure.memory,
      slotBytesMax: memory.streamsBytesMax,
      networkPassphrase: config.networkPassphrase,
      dictionaries: config.dictionaries,
      service: { name: config.serviceName, version: config.serviceVersion },
      access: flightAccess,
      traces: traces !== undefined,
      ticketKey: flightAccess && ticketKey(config.dataDir, config.ticketKeyFile),
    },
    dataPlaneEvents(context, late),
    options,
  );
  access.onRenewed(({ flight }) => flight && dataPlane.send({ type: "renewAccess", access: flight }));
  certificates.onRenewed("flight", (tls) => dataPlane.send({ type: "renewTls", tls }));
  stop.listeners.push((graceMs) => dataPlane.close(graceMs));
  const workerDied = (index: number, error: CodedError) => {
    log.error("a decode worker died and is replaced", { worker: index, error });
    late.engine?.workerDied(index, error);
  };
  const pool = new DecodePool(
    config.workerCount,
    bell,
    { ring: (index, ring) => dataPlane.send({ type: "ring", index, memory: ring }), died: workerDied },
    memory.pool,
    times,
    guard.pressure,
  );
  pool.seatAll();
  stop.workers.push(() => pool.close());
  const batchBytesMax = config.flightMessageBytesMax - MESSAGE_OVERHEAD_BYTES;
  late.engine = new StreamEngine(pool, dataPlane, {
    networkPassphrase: config.networkPassphrase,
    compat: config.compat,
    batchRowsMinTarget: BATCH_ROWS_MIN_TARGET,
    batchBytesTarget: Math.min(BATCH_BYTES_TARGET, batchBytesMax),
    batchBytesMax,
    ledgerBytesMax: config.ledgerBytesMax,
    flushIntervalMs: config.flushIntervalMs,
    onError: config.onError,
    verifyChain: config.verifyChain === "on",
    memory,
    guard,
    streamsMax: config.sessionsMax + config.rangesMax,
    traces,
  });
  const answerWith = (answer: DataPlaneEvents["asked"]) => {
    late.answer = answer;
  };
  return { engine: late.engine, dataPlane, pool, flightTotals, answerWith };
}

function dataPlaneEvents(
  { log, health, life, traces, fail }: StartContext,
  late: { readonly engine?: StreamEngine; readonly answer: DataPlaneEvents["asked"] },
): DataPlaneEvents {
  return {
    asked: (name, asked) => late.answer(name, asked),
    ended: (stream, error) => late.engine?.ended(stream, error),
    learned: (stream, assets) => late.engine?.learned(stream, assets),
    skipped: (stream, skips, count) => late.engine?.skipped(stream, skips, count),
    traced: (stream, done, orderedUnixMs) => late.engine?.traced(stream, done, orderedUnixMs),
    get: (facts) => traces?.get(facts),
    flightCall: (facts) => traces?.flightCall(facts),
    client: (event) => logClient(log, event),
    logged: (level, message, fields) => log[level](message, fields),
    silent: (ms) => {
      log.error("the data-plane thread takes no turns: Flight is not served", { ms: Math.round(ms) });
      health.set(FlightService.typeName, false);
    },
    answersAgain: (ms) => {
      log.warn("the data-plane thread takes turns again", { ms: Math.round(ms) });
      health.set(FlightService.typeName, life.restored && !life.closing);
    },
    died: (error) => {
      health.set(FlightService.typeName, false);
      log.error("the data plane died", { error });
      fail(error);
    },
  };
}

const CLIENT_LINES = {
  joined: "a Flight client has joined",
  left: "a Flight client has left",
  endedSlow: "a Flight client was ended as slow",
} as const;

function logClient(log: Logger, { event, ...fields }: ClientEvent): void {
  log[event === "endedSlow" ? "warn" : "debug"](CLIENT_LINES[event], fields);
}
