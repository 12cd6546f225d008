/** contractdata.v1.ControlService (proto/control.proto) over the sessions. */
import { CodedError } from "../error.ts";
import { type ControlService, GetStatusResponse_Status } from "../grpc/generated/control.ts";
import type { Handlers } from "../grpc/service.ts";
import type { SessionService, SessionSnapshot } from "../sessions/session.ts";

const SESSION_ID_LENGTH_MAX = 64; // ids are UUIDs of 36 characters; what is longer is not repeated in an error

/** The handlers; none answers before the session service has. */
export function controlHandlers(sessions: SessionService): Handlers<typeof ControlService> {
  return {
    async startProcessing({ startLedger, endLedger, batchSize }) {
      checkRange(startLedger, endLedger);
      const session = await sessions.start({ ledgerStart: startLedger, ledgerEnd: endLedger, batchRows: batchSize });
      const range = endLedger === 0 ? `from ledger ${startLedger} on` : `ledgers ${startLedger} to ${endLedger}`;
      return { success: true, message: `session started: ${range}`, sessionId: session.id };
    },

    async stopProcessing({ sessionId }) {
      const session = await sessions.stop(known(sessionId));
      return { success: true, message: session.message || `session is ${session.state}` };
    },

    getStatus({ sessionId }) {
      const session = sessions.get(known(sessionId));
      return {
        status: GetStatusResponse_Status[session.state],
        currentLedger: session.ledgerCurrent,
        targetLedger: session.request.ledgerEnd,
        entriesProcessed: session.entriesProcessed,
        errorMessage: finalMessage(session),
      };
    },

    configureFilters() {
      throw new CodedError(
        "UNIMPLEMENTED",
        "FILTERS_FIXED",
        "filters cannot be changed while the server runs: set FILTER_CONTRACT_IDS, FILTER_ASSET_CODES, FILTER_ASSET_ISSUERS or INCLUDE_DELETED and start it again",
      );
    },

    getMetrics({ sessionId }) {
      const session = sessions.get(known(sessionId));
      return {
        contractsProcessed: session.entriesProcessed,
        entriesSkipped: session.entriesSkipped,
        batchesCreated: session.batchesCreated,
        bytesProcessed: session.bytesProcessed,
        processingRate: session.ratePerSecond,
        lastUpdateTime: Math.floor(session.updatedUnixMs / 1000),
      };
    },
  };
}

function checkRange(start: number, end: number): void {
  if (start === 0) {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "START_LEDGER_MISSING",
      "start_ledger is 0: give the first ledger to read, 1 or more",
    );
  }
  if (end !== 0 && end < start) {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "LEDGER_RANGE_INVALID",
      `end_ledger ${end} is before start_ledger ${start}: give the last ledger, inclusive, or 0 for no end`,
    );
  }
}

function known(sessionId: string): string {
  if (sessionId.length <= SESSION_ID_LENGTH_MAX) return sessionId;
  throw new CodedError(
    "NOT_FOUND",
    "SESSION_UNKNOWN",
    `there is no session with an id of ${sessionId.length} characters: ids are UUIDs, as StartProcessing returns them`,
  );
}

function finalMessage(session: SessionSnapshot): string {
  if (session.state === "ERROR") return session.error?.message ?? session.message;
  return session.state === "STOPPED" ? session.message : "";
}
