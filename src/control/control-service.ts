/** contractdata.v1.ControlService (proto/control.proto) over the sessions. */
import { quoted } from "../base/text.ts";
import { CodedError } from "../error.ts";
import {
  type ConfigureFiltersRequest,
  type ConfigureFiltersResponse,
  type ControlService,
  GetStatusResponse_Status,
  type ListNodesResponse,
  type StartProcessingRequest,
  type StartProcessingResponse,
  StopMode,
} from "../grpc/generated/control.ts";
import type { Handlers, Init } from "../grpc/service.ts";
import { LOG_LEVELS, type LogLevel } from "../ops/log.ts";
import { identityOf } from "../security/grant.ts";
import { scopedSessions } from "../sessions/scoped-sessions.ts";
import type { SessionService } from "../sessions/session-service.ts";
import {
  ANSWER_BYTES_MAX,
  detailsMessage,
  filterBytes,
  filterChangeOf,
  filtersMessage,
  metricsMessage,
  requestOf,
  sessionMessage,
} from "./messages.ts";
import { listPage } from "./session-pages.ts";
import type { SessionWatches } from "./session-watches.ts";

const SESSION_ID_LENGTH_MAX = 64; // ids are UUIDs of 36 characters; what is longer is not repeated in an error
const DEADLINE_MS_MAX = 3_600_000; // a stop that waits for longer than an hour is a mistake in the unit

/** A log whose level can be changed. */
export interface LeveledLog {
  level: LogLevel;
}

/** The cluster, as this node knows it at the moment. */
export type NodeSource = () => Init<ListNodesResponse>;

/** The handlers; none answers before the session service has. */
export function controlHandlers(
  all: SessionService,
  watches: SessionWatches,
  log: LeveledLog,
  nodes: NodeSource,
): Handlers<typeof ControlService> {
  const of = (call: object) => scopedSessions(all, identityOf(call));
  return {
    startProcessing: (request, call) => started(of(call), request),

    async stopProcessing({ sessionId, mode, deadlineMs }, call) {
      const known = knownId(sessionId);
      if (deadlineMs > DEADLINE_MS_MAX) {
        throw new CodedError(
          "INVALID_ARGUMENT",
          "DEADLINE",
          `deadline_ms is ${deadlineMs}: up to ${DEADLINE_MS_MAX} is accepted`,
        );
      }
      const drop = mode === StopMode.STOP_MODE_DROP;
      const session = await of(call).stop(known, { mode: drop ? "drop" : "drain", deadlineMs });
      return {
        success: true,
        message: session.message || `session is ${session.state}`,
        session: detailsMessage(session),
      };
    },

    getStatus({ sessionId }, call) {
      const session = of(call).get(knownId(sessionId));
      return {
        status: GetStatusResponse_Status[session.state],
        currentLedger: session.ledgerCurrent,
        targetLedger: session.request.ledgerEnd,
        entriesProcessed: session.entriesProcessed,
        errorMessage: session.message || session.error?.message,
        errorReason: session.error?.reason,
      };
    },

    configureFilters: (request, call) => configured(of(call), request),

    getMetrics({ sessionId }, call) {
      return metricsMessage(of(call).get(knownId(sessionId)));
    },

    listSessions(request, call) {
      const { page, nextPageToken, total } = listPage(of(call).list(), request);
      return { sessions: page.map(sessionMessage), nextPageToken, total };
    },

    async getSession({ sessionId }, call) {
      return { session: detailsMessage(await of(call).details(knownId(sessionId))) };
    },

    watchSession(call) {
      watches.begin(of(call), call, call.request.sessionId === "" ? undefined : knownId(call.request.sessionId));
    },

    async resumeSession({ sessionId }, call) {
      const session = await of(call).resume(knownId(sessionId));
      return { success: true, message: `session is ${session.state}`, session: sessionMessage(session) };
    },

    async deleteSession({ sessionId, force }, call) {
      await of(call).remove(knownId(sessionId), force);
      return { success: true, message: "session deleted" };
    },

    setLogLevel({ level }) {
      const previous = log.level;
      if (level !== "") log.level = logLevel(level);
      return { level: log.level, previous };
    },

    listNodes: () => nodes(),
  };
}

/** A level by its name. @throws CodedError INVALID_ARGUMENT / LOG_LEVEL */
export function logLevel(given: string): LogLevel {
  const level = LOG_LEVELS.find((each) => each === given);
  if (level !== undefined) return level;
  const sentence = `level is ${quoted(given)}: one of ${LOG_LEVELS.join(", ")} is accepted`;
  throw new CodedError("INVALID_ARGUMENT", "LOG_LEVEL", sentence);
}

async function started(
  sessions: SessionService,
  request: StartProcessingRequest,
): Promise<Init<StartProcessingResponse>> {
  const session = await sessions.start(requestOf(request));
  const { ledgerStart, ledgerEnd } = session.request;
  const range = ledgerEnd === 0 ? `from ledger ${ledgerStart} on` : `ledgers ${ledgerStart} to ${ledgerEnd}`;
  const verb = session.existed ? "was started before with this idempotency key" : "started";
  return {
    success: true,
    message: `session ${verb}: ${range}`,
    sessionId: session.id,
    alreadyStarted: session.existed ?? false,
  };
}

async function configured(
  sessions: SessionService,
  request: ConfigureFiltersRequest,
): Promise<Init<ConfigureFiltersResponse>> {
  const { sessionId } = request;
  const change = filterChangeOf(request);
  const id = sessionId === "" ? undefined : knownId(sessionId);
  const { applied, defaults } = await sessions.configureFilters(change, id);
  const bytes = applied.reduce((sum, { filter }) => sum + filterBytes(filter), 0);
  const sentences = applied.map(({ id, ledgerFrom }) => `session ${id} from ledger ${ledgerFrom}`);
  if (defaults !== undefined) sentences.unshift("new sessions");
  return {
    success: true,
    message: `the filters hold for ${sentences.join(", ")}`,
    applied: applied.map(({ id, ledgerFrom, filter }) => ({
      sessionId: id,
      fromLedger: ledgerFrom,
      // The change is made: its answer must not fail for its length.
      filters: bytes > ANSWER_BYTES_MAX ? undefined : filtersMessage(filter),
    })),
    defaultFilters: defaults === undefined ? undefined : filtersMessage(defaults),
  };
}

function knownId(sessionId: string): string {
  if (sessionId.length <= SESSION_ID_LENGTH_MAX) return sessionId;
  throw new CodedError(
    "NOT_FOUND",
    "SESSION_UNKNOWN",
    `there is no session with an id of ${sessionId.length} characters: ids are UUIDs, as StartProcessing returns them`,
  );
}
