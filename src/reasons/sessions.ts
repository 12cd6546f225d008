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
  REPLICA_TOO_LARGE: reason(
    "RESOURCE_EXHAUSTED",
    "The filters of a replicated session, and what it has learned, are too much for one record of the cluster.",
    "Select by fewer values, or start the session without `replicated`.",
  ),
  REPLICATED_OFF: reason(
    "FAILED_PRECONDITION",
    "A session cannot be replicated, for the server has no cluster.",
    "Set CLUSTER, or start it without `replicated`.",
  ),
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
  SESSION_ELSEWHERE: reason(
    "FAILED_PRECONDITION",
    "Another node runs the replicated session, and takes the calls that change it.",
    "Call the control plane that the message names.",
  ),
  SESSION_ERROR: reason(
    "FAILED_PRECONDITION",
    "The call is not possible for a session in state ERROR.",
    "Resume it, or start another one.",
  ),
  SESSION_GONE: reason("NOT_FOUND", "The session has been removed.", "Start another one."),
  SESSION_MOVED: reason(
    "UNAVAILABLE",
    "Another node runs the replicated session, or none does just now.",
    "Ask GetFlightInfo where it is, and come back with the cursor.",
  ),
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
