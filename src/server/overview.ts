/** All that the console shows of the process at one moment, besides the history of its sessions. */
import type { Config } from "../config/schema.ts";
import type { Logger } from "../ops/log.ts";
import type { ProcessMetrics } from "../ops/metrics.ts";
import { shownSession } from "../ops/shown-session.ts";
import { healthReport, type OpsSource } from "../ops/status.ts";
import type { Identity } from "../security/grant.ts";
import { plannedMemory } from "./planned-memory.ts";

/** What an overview is made of. */
interface OverviewParts {
  config: Config;
  ops: OpsSource;
  log: Pick<Logger, "level">;
  /** Whether HTTP asks who is calling; ACCESS_OPEN may let somebody look who has not said. */
  asksWho: boolean;
  /** The data plane's answer: every open stream with its clients. */
  streams(): Promise<object[]>;
}

const NOBODY = { name: "nobody", role: "none" };

/** @param identity who asks; undefined: nobody is asked, and everything is allowed */
export async function overviewOf(
  { config, ops, log, asksWho, streams }: OverviewParts,
  identity: Identity | undefined,
): Promise<object> {
  const metrics = ops.metrics();
  const sessions = ops.sessions();
  return {
    service: ops.service,
    nowUnixMs: Date.now(),
    startedUnixMs: ops.startedUnixMs,
    network: ops.network,
    source: ops.source,
    endpoints: ops.endpoints(),
    you: identity ? { name: identity.name, role: identity.role } : asksWho ? NOBODY : undefined,
    health: healthReport(ops),
    sessions: sessions.map(shownSession),
    streams: await streams(),
    nodes: ops.nodes?.(),
    logLevel: log.level,
    workers: config.workerCount,
    stages: metrics.stageSeconds,
    memory: memoryOf(
      config,
      sessions.reduce((sum, { retainedBytes }) => sum + retainedBytes, 0),
    ),
    counts: countsOf(metrics),
  };
}

function memoryOf(config: Config, retainedBytes: number): Record<string, number> {
  const { pool, inFlightBytesMax, streamsBytesMax, rowReadersBytesMax } = plannedMemory(config);
  return {
    limitBytes: config.memoryBytesMax,
    residentBytes: process.memoryUsage.rss(),
    streamsBytesMax,
    retainedBytes,
    inFlightBytesMax,
    rowReadersBytesMax,
    ringsBytes: config.workerCount * (pool.inputRingBytes + pool.outputRingBytes),
  };
}

function countsOf({ processingErrors, ledgersSkipped, flight, refused, accessRefused }: ProcessMetrics): object {
  return {
    errors: processingErrors,
    ledgersSkipped,
    slowClientsEnded: flight?.slowClientsEnded,
    getsFailed: flight?.getsFailed,
    refused,
    accessRefused,
  };
}
