/**
 * The state machine of a session, as a table: what each event makes of each state. A missing entry means that the
 * event changes nothing there.
 *
 * | state    | started | stopAsked | completed | drained | failed |
 * |----------|---------|-----------|-----------|---------|--------|
 * | STARTING | RUNNING | STOPPING  | STOPPED   |         | ERROR  |
 * | RUNNING  |         | STOPPING  | STOPPED   |         | ERROR  |
 * | STOPPING |         |           | STOPPED   | STOPPED | ERROR  |
 * | STOPPED  |         |           |           |         |        |
 * | ERROR    |         |           |           |         |        |
 */
import type { SessionState } from "./session.ts";

/** started: the source delivers; completed: the last ledger is in; drained: a stop has taken effect; failed: an error. */
export type SessionEvent = "started" | "stopAsked" | "completed" | "drained" | "failed";

const TABLE: Record<SessionState, Partial<Record<SessionEvent, SessionState>>> = {
  UNKNOWN: {},
  STARTING: { started: "RUNNING", stopAsked: "STOPPING", completed: "STOPPED", failed: "ERROR" },
  RUNNING: { stopAsked: "STOPPING", completed: "STOPPED", failed: "ERROR" },
  STOPPING: { completed: "STOPPED", drained: "STOPPED", failed: "ERROR" },
  STOPPED: {},
  ERROR: {},
};

export function nextState(state: SessionState, event: SessionEvent): SessionState {
  return TABLE[state][event] ?? state;
}

/** True for the states in which a session still works. */
export function isActive(state: SessionState): boolean {
  return state === "STARTING" || state === "RUNNING" || state === "STOPPING";
}
