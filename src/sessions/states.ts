/**
 * The state machine of a session, as two tables.
 *
 * What each event makes of each state; a blank means that the event changes nothing there:
 *
 * | state    | opened   | started | stopAsked | completed | drained | failed | resumed  |
 * |----------|----------|---------|-----------|-----------|---------|--------|----------|
 * | UNKNOWN  | STARTING |         | STOPPED   | STOPPED   |         | ERROR  | STARTING |
 * | STARTING |          | RUNNING | STOPPING  |           |         | ERROR  |          |
 * | RUNNING  |          |         | STOPPING  | STOPPED   |         | ERROR  |          |
 * | STOPPING |          |         |           | STOPPED   | STOPPED | ERROR  |          |
 * | STOPPED  |          |         |           |           |         |        | STARTING |
 * | ERROR    |          |         |           |           |         |        | STARTING |
 *
 * UNKNOWN is a session that is on record and does no work: a session that a restart found unfinished and that waits for
 * ResumeSession (RESUME_SESSIONS=false) or for its source, and every session until its stream is opened.
 * A restart begins every session in UNKNOWN: `stopAsked`, `completed` or `failed` then lead it to the end that its record
 * or its checkpoint says.
 * `resumed` comes by ResumeSession, by itself for a session that a restart finds unfinished, and by itself for a
 * continuous session whose failure a retry may fix (self-resume.ts), until StopProcessing gives that up.
 *
 * What each call does in each state:
 *
 * | call             | UNKNOWN   | STARTING  | RUNNING   | STOPPING  | STOPPED      | ERROR     |
 * |------------------|-----------|-----------|-----------|-----------|--------------|-----------|
 * | StopProcessing   | acts      | acts      | acts      | joins     | answers      | answers   |
 * | ConfigureFilters | acts      | acts      | acts      | refuses   | refuses      | refuses   |
 * | ResumeSession    | acts      | answers   | answers   | refuses   | acts, unless | acts      |
 * |                  |           |           |           |           | complete     |           |
 * | DeleteSession    | acts      | refuses * | refuses * | refuses * | acts         | acts      |
 *
 * acts: does what it says; joins: waits for the stop that is under way, and with STOP_MODE_DROP cuts its draining short;
 * answers: changes nothing and answers with the state; refuses: FAILED_PRECONDITION. * with `force` it stops the session
 * first, dropping what is left. GetStatus, GetMetrics, GetSession and WatchSession answer in every state, and
 * ConfigureFilters without a session passes over those that would refuse.
 */
import type { SessionState } from "./session-service.ts";
import type { Outcome } from "./store.ts";

/**
 * opened: the stream begins; started: the source delivers; completed: the last ledger is in; drained: a stop has taken
 * effect; failed: an error; resumed: asked to go on.
 */
export const SESSION_EVENTS = ["opened", "started", "stopAsked", "completed", "drained", "failed", "resumed"] as const;
/** One of SESSION_EVENTS. */
export type SessionEvent = (typeof SESSION_EVENTS)[number];

const TABLE: Record<SessionState, Partial<Record<SessionEvent, SessionState>>> = {
  UNKNOWN: { opened: "STARTING", stopAsked: "STOPPED", completed: "STOPPED", failed: "ERROR", resumed: "STARTING" },
  STARTING: { started: "RUNNING", stopAsked: "STOPPING", failed: "ERROR" },
  RUNNING: { stopAsked: "STOPPING", completed: "STOPPED", failed: "ERROR" },
  STOPPING: { completed: "STOPPED", drained: "STOPPED", failed: "ERROR" },
  STOPPED: { resumed: "STARTING" },
  ERROR: { resumed: "STARTING" },
};

/** The state that an event leads to; the same state where the table is blank. */
export function nextState(state: SessionState, event: SessionEvent): SessionState {
  return TABLE[state][event] ?? state;
}

/** The event that leads a restored session from UNKNOWN to the end that its record says. */
export const ENDED_BY = {
  completed: "completed",
  cancelled: "stopAsked",
  failed: "failed",
} as const satisfies Record<Outcome, SessionEvent>;

/** The calls that change a session. */
export const SESSION_CALLS = ["stop", "configureFilters", "resume", "remove"] as const;
/** One of SESSION_CALLS. */
export type SessionCall = (typeof SESSION_CALLS)[number];

/** What a call does in a state; the words are explained above. */
export type CallEffect = "acts" | "joins" | "answers" | "refuses";

const CALLS: Record<SessionCall, Record<SessionState, CallEffect>> = {
  stop: {
    UNKNOWN: "acts",
    STARTING: "acts",
    RUNNING: "acts",
    STOPPING: "joins",
    STOPPED: "answers",
    ERROR: "answers",
  },
  configureFilters: {
    UNKNOWN: "acts",
    STARTING: "acts",
    RUNNING: "acts",
    STOPPING: "refuses",
    STOPPED: "refuses",
    ERROR: "refuses",
  },
  resume: {
    UNKNOWN: "acts",
    STARTING: "answers",
    RUNNING: "answers",
    STOPPING: "refuses",
    STOPPED: "acts",
    ERROR: "acts",
  },
  remove: {
    UNKNOWN: "acts",
    STARTING: "refuses",
    RUNNING: "refuses",
    STOPPING: "refuses",
    STOPPED: "acts",
    ERROR: "acts",
  },
};

/** What the second table says of a call in a state. */
export function effectOf(call: SessionCall, state: SessionState): CallEffect {
  return CALLS[call][state];
}

/** True for the states in which a session works, and counts against SESSIONS_MAX. */
export function isActive(state: SessionState): boolean {
  return state === "STARTING" || state === "RUNNING" || state === "STOPPING";
}

/** True for the states that a session only leaves by being asked to. */
export function isEnded(state: SessionState): boolean {
  return state === "STOPPED" || state === "ERROR";
}
