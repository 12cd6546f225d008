/** Reasons of errors: sessions, their life. */
import { reason } from "./reason.ts";

/** Entries by reason; docs/errors.md shows them under "Sessions". */
export const SESSIONS = {
  LEASE_LOST: reason(
    "UNAVAILABLE",
    "This node does not own the replicated session any more, or could not renew its lease.",
    "Ask GetFlightInfo on any node where it is, and come back with the cursor.",
  ),
  NO_SESSION: reason("NOT_FOUND", "There is no session to read.", "Start one."),
  SESSION_COMPLETE: reason(
    "FAILED_PRECONDITION",
    "The session has delivered its last ledger, so there is nothing to resume.",
    "Start another session.",
  ),
  SESSION_DROPPED: reason(
    "CANCELLED",
    "The session was stopped, and what was not delivered was dropped.",
    "ResumeSession goes on with it; the cursor goes on with reading.",
  ),
  SESSION_ERROR: reason(
    "FAILED_PRECONDITION",
    "The call is not possible for a session in state ERROR.",
    "Resume it, or start another one.",
  ),
  SESSION_GONE: reason("NOT_FOUND", "The session has been removed.", "Start another one."),
  SESSION_RUNNING: reason(
    "FAILED_PRECONDITION",
    "The call is not possible for a session in state RUNNING.",
    "Stop it first.",
  ),
  SESSION_STARTING: reason(
    "FAILED_PRECONDITION",
    "The call is not possible for a session in state STARTING.",
    "Stop it first.",
  ),
  SESSION_STOPPED: reason(
    "FAILED_PRECONDITION",
    "The call is not possible for a session in state STOPPED.",
    "Resume it, or start another one.",
  ),
  SESSION_STOPPING: reason(
    "FAILED_PRECONDITION",
    "The call is not possible for a session in state STOPPING.",
    "Wait until it has stopped.",
  ),
  SESSION_UNKNOWN: reason(["NOT_FOUND", "FAILED_PRECONDITION"], "No session has that id.", "Call ListSessions."),
  SESSION_WAITING: reason(
    "UNAVAILABLE",
    "The session waits for its source, or for ResumeSession.",
    "Come back with the cursor.",
  ),
  STOP_DEADLINE: reason(
    "CANCELLED",
    "A stop with a deadline ended before all was delivered.",
    "ResumeSession goes on with it; the cursor goes on with reading.",
  ),
} as const;
