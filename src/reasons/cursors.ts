/** Reasons of errors: cursors, where a client goes on. */
import { reason } from "./reason.ts";

/** Entries by reason; docs/errors.md shows them under "Cursors". */
export const CURSORS = {
  CURSOR_AFTER_SESSION: reason(
    "INVALID_ARGUMENT",
    "The cursor is beyond the session's last ledger.",
    "Use the session that it came from.",
  ),
  CURSOR_BEFORE_SESSION: reason(
    "INVALID_ARGUMENT",
    "The cursor is before the session's first ledger.",
    "Read earlier ledgers by a range ticket.",
  ),
  CURSOR_BEYOND_LEDGER: reason(
    "INVALID_ARGUMENT",
    "The cursor stands behind more changes than its ledger has.",
    "Pass the cursor of a batch as it came.",
  ),
  CURSOR_INVALID: reason(
    "INVALID_ARGUMENT",
    "The cursor is not one that this server made.",
    "Pass the cursor of a batch as it came.",
  ),
  CURSOR_NOT_RETAINED: reason(
    "OUT_OF_RANGE",
    "The batches behind the cursor are no longer held, and the source cannot be read again.",
    "Begin at the oldest place that the message names.",
  ),
  CURSOR_OF_DATASET: reason(
    "INVALID_ARGUMENT",
    "The cursor is of another dataset than the ticket.",
    "Use it with the dataset that it came from.",
  ),
  CURSOR_OF_PARTITION: reason(
    "INVALID_ARGUMENT",
    "The cursor is of a session's partition, and the ticket is not.",
    "Use the session's ticket.",
  ),
  CURSOR_OLD: reason(
    "INVALID_ARGUMENT",
    "The cursor is of an older version and stands inside a ledger, where it has no sure meaning.",
    "Use the cursor that the message names, which stands before that ledger.",
  ),
  CURSOR_OUTSIDE_RANGE: reason(
    "INVALID_ARGUMENT",
    "The cursor is outside the ticket's range.",
    "Use the ticket that it came from.",
  ),
} as const;
