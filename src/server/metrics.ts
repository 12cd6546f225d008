/** The process's metrics, out of what its parts count. */
import type { RunningServer } from "../control/server.ts";
import type { FlowctlCounts } from "../flowctl/flowctl-client.ts";
import { logLinesLost } from "../ops/log-output.ts";
import type { ProcessMetrics } from "../ops/metrics.ts";
import type { RefusalCounts } from "../security/refusals.ts";
import type { Sessions } from "../sessions/sessions.ts";
import type { FlightTotals } from "../threads/flight-totals.ts";
import { LEDGER_DURATION_BOUNDS_MS } from "../workers/ledger-durations.ts";
import type { DecodePool } from "../workers/pool.ts";

/** All of them at this moment; costs no more than reading counters. */
export function processMetrics(
  sessions: Sessions,
  pool: DecodePool,
  flightTotals: FlightTotals,
  control: RunningServer["refused"],
  access: Readonly<Record<"control" | "http", RefusalCounts>>,
  certificateExpirySeconds: ProcessMetrics["certificateExpirySeconds"],
  flowctl: FlowctlCounts,
): ProcessMetrics {
  const flight = flightTotals.read();
  const flightRefused = {
    connections: flight.connectionsRefused,
    ended: flight.connectionsEnded,
    calls: flight.callsRefused,
  };
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
    refused: { control, flight: flightRefused },
    accessRefused: { ...access, flight: { unauthenticated: flight.unauthenticated, denied: flight.denied } },
    certificateExpirySeconds,
    flowctlRegistered: flowctl.registered,
    flowctlHeartbeatsSent: flowctl.heartbeatsSent,
    flowctlHeartbeatErrors: flowctl.heartbeatErrors,
  };
}
