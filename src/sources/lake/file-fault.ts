/** What an error of the file system means to a reader of ledgers. */
import { CodedError } from "../../error.ts";

/** True where `thrown` says that the path, or a folder on the way to it, does not exist. */
export function isMissing(thrown: unknown): boolean {
  const code = errno(thrown);
  return code === "ENOENT" || code === "ENOTDIR";
}

/**
 * A CodedError for a failed access to `path`: NOT_FOUND where it is not there, PERMISSION_DENIED where it may not be
 * read, DATA_LOSS where it is no file that can be read, UNAVAILABLE for the rest (trouble of the disk or of the
 * process, which may pass). A CodedError passes through.
 */
export function fileFault(path: string, thrown: unknown): CodedError {
  if (thrown instanceof CodedError) return thrown;
  const code = errno(thrown);
  const options = { cause: thrown };
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return new CodedError("NOT_FOUND", "FILE_NOT_FOUND", `${path}: there is no such file or folder`, options);
    case "EACCES":
    case "EPERM":
      return new CodedError(
        "PERMISSION_DENIED",
        "FILE_UNREADABLE",
        `${path}: not readable by this user (${code}): check its mode and owner, and those of the folders above it`,
        options,
      );
    case "EISDIR":
    case "ELOOP":
      return new CodedError("DATA_LOSS", "FILE_UNREADABLE", `${path}: not a file that can be read (${code})`, options);
    default: {
      const detail = code ?? (thrown instanceof Error ? thrown.message : String(thrown));
      return new CodedError("UNAVAILABLE", "FILE_UNREADABLE", `${path}: reading failed (${detail})`, options);
    }
  }
}

function errno(thrown: unknown): string | undefined {
  const code = (thrown as { code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : undefined;
}
