/** Reasons of errors: the record of sessions, DATA_DIR. */
import { reason } from "./reason.ts";

/** Entries by reason; docs/errors.md shows them under "The record of sessions". */
export const STATE = {
  DATA_DIR: reason("INVALID_ARGUMENT", "DATA_DIR cannot be used.", "Give it a folder that this user owns."),
  NOTHING_RECOVERED: reason("DATA_LOSS", "recover could save no session.", "The server will start without any."),
  STATE_DAMAGED: reason("DATA_LOSS", "The record of sessions is damaged.", "Restore a copy, or run recover."),
  STATE_GONE: reason(
    "UNAVAILABLE",
    "DATA_DIR was removed or replaced under the running server.",
    "Put it back and restart.",
  ),
  STATE_IN_USE: reason("UNAVAILABLE", "Another server uses DATA_DIR.", "Stop it, or give this one its own."),
  STATE_IO: reason("UNAVAILABLE", "The disk refuses the record of sessions.", "See that the disk works and has room."),
  STATE_NETWORK: reason(
    "FAILED_PRECONDITION",
    "The stored sessions are of another network than the server.",
    "Set NETWORK_PASSPHRASE as it was, or use another DATA_DIR.",
  ),
  STATE_NOT_FOUND: reason("NOT_FOUND", "There is no record of sessions to recover.", "Check DATA_DIR."),
  STATE_NOT_WRITTEN: reason(
    "UNAVAILABLE",
    "A change could not be written and was not made.",
    "See that DATA_DIR has room and can be written to.",
  ),
  STATE_VERSION: reason(
    "FAILED_PRECONDITION",
    "The record of sessions is of a newer version.",
    "Run that version, or use another DATA_DIR.",
  ),
  TICKET_KEY: reason(
    "FAILED_PRECONDITION",
    "The file with the key of tickets cannot be used.",
    "The message names the file and what is wrong.",
  ),
} as const;
