/** The errors of the store, each with what to do about it. */
import { CodedError } from "../error.ts";

/** What SQLite has thrown at the store in `path`, as an error that says what to do. A CodedError stays as it is. */
export function storeError(path: string, thrown: unknown): CodedError {
  if (thrown instanceof CodedError) return thrown;
  const code = (thrown as { code?: string }).code ?? "";
  if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED")) {
    return new CodedError(
      "UNAVAILABLE",
      "STATE_IN_USE",
      `${path} is in use by another process: a DATA_DIR belongs to one server; stop the other one, or give this one its own`,
      { cause: thrown },
    );
  }
  if (code.startsWith("SQLITE_CANTOPEN") || code.startsWith("SQLITE_READONLY") || code.startsWith("SQLITE_PERM")) {
    return new CodedError("INVALID_ARGUMENT", "DATA_DIR", `${path} cannot be written to (${text(thrown)})`, {
      cause: thrown,
    });
  }
  // What the disk refuses is not damaged, and nothing is to be recovered from.
  if (code.startsWith("SQLITE_IOERR") || code.startsWith("SQLITE_FULL") || code.startsWith("SQLITE_NOMEM")) {
    return new CodedError(
      "UNAVAILABLE",
      "STATE_IO",
      `${path} cannot be read or written (${text(thrown)}, ${code}): see that the disk works and has room`,
      { cause: thrown },
    );
  }
  return damaged(path, text(thrown));
}

/** DATA_LOSS / STATE_DAMAGED, with the way out. @param what is damaged, as the rest of a sentence */
export function damaged(path: string, what: string): CodedError {
  return new CodedError(
    "DATA_LOSS",
    "STATE_DAMAGED",
    `the record of sessions in ${path} is damaged: ${what}. Restore it from a copy, or run "contract-data-processor recover" with this DATA_DIR: it keeps what can be read, lists what cannot, and sets the damaged file aside`,
  );
}

/** The message of whatever was thrown. */
export function text(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
