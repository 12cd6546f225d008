/** What SQLite throws at a sink, as an error that says what to do. */
import { CodedError } from "../../error.ts";

const TARGET = /^SQLITE_(CANTOPEN|READONLY|PERM|AUTH)/;
const PASSING = /^SQLITE_(BUSY|LOCKED|FULL|IOERR|NOMEM)/;

/** A CodedError stays as it is. */
export function sqliteError(path: string, thrown: unknown): unknown {
  if (thrown instanceof CodedError) return thrown;
  const { code = "", message = "" } = thrown as { code?: string; message?: string };
  const options = { cause: thrown };
  if (code === "SQLITE_NOTADB") {
    return new CodedError(
      "INVALID_ARGUMENT",
      "SINK_TARGET",
      `${path} is no SQLite database: name another file`,
      options,
    );
  }
  if (TARGET.test(code)) {
    const sentence = `${path} cannot be written to (${message}): name a file in a folder that is there and is yours`;
    return new CodedError("INVALID_ARGUMENT", "SINK_TARGET", sentence, options);
  }
  if (PASSING.test(code)) {
    const sentence = `${path} takes no rows now (${message}, ${code}): see that the disk works and has room`;
    return new CodedError("UNAVAILABLE", "SINK_AWAY", sentence, options);
  }
  if (code.startsWith("SQLITE_CORRUPT")) {
    const sentence = `${path} is damaged (${message}): restore it from a copy, or fill a new file`;
    return new CodedError("DATA_LOSS", "SINK_DAMAGED", sentence, options);
  }
  return thrown;
}
