/** Reasons of errors: sinks, where rows go. */
import { reason } from "./reason.ts";

/** Entries by reason; docs/errors.md shows them under "Sinks". */
export const SINKS = {
  SINK_AWAY: reason(
    "UNAVAILABLE",
    "The sink's database cannot take rows now: it is away, locked, read-only, full, or fails.",
    "See that it works and has room; a sink that runs goes on by itself.",
  ),
  SINK_DAMAGED: reason(
    "DATA_LOSS",
    "The sink's tables are damaged, or were changed by somebody else.",
    "Restore them from a copy, or fill a new database.",
  ),
  SINK_NEWER: reason(
    "FAILED_PRECONDITION",
    "The sink's tables were made by a later version of this program.",
    "Use that version.",
  ),
  SINK_OTHER_NETWORK: reason(
    "FAILED_PRECONDITION",
    "The sink has rows of another network.",
    "Give each network a database of its own.",
  ),
  SINK_SESSION: reason(
    "FAILED_PRECONDITION",
    "The session's rows are not what a sink needs: schema version 2 with removed entries.",
    "Start one with --schema-version 2 --include-deleted, or read a range.",
  ),
  SINK_SHARED: reason(
    "FAILED_PRECONDITION",
    "Another process commits the same rows to the sink.",
    "Let one process at a time read a session, a partition or a range into one database.",
  ),
  SINK_TARGET: reason(
    "INVALID_ARGUMENT",
    "The sink cannot use what was named.",
    "The message says what is wrong with it; nothing was changed.",
  ),
} as const;
