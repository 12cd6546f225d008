/** Reasons of errors: the command line, flags and files. */
import { reason } from "./reason.ts";

/** Entries by reason; docs/errors.md shows them under "The command line". */
export const COMMANDS = {
  ACCESS_FILE: reason("INVALID_ARGUMENT", "ACCESS_FILE cannot be used.", "The message names the line and the field."),
  CONFIG_FILE_INVALID: reason(
    "INVALID_ARGUMENT",
    "The configuration file cannot be used.",
    "The message names the place.",
  ),
  CONFIG_INVALID: reason(
    "INVALID_ARGUMENT",
    "A setting has a value that is not accepted.",
    "The message says what is accepted.",
  ),
  CREDENTIALS_FILE: reason(
    "INVALID_ARGUMENT",
    "The file of credentials cannot be used.",
    "The message names the file and the line.",
  ),
  FORMAT: reason("INVALID_ARGUMENT", "The output format cannot have what is asked for.", "Use another format."),
  LOGIN: reason("INVALID_ARGUMENT", "FLIGHT_LOGIN is not name:password.", "Write it so."),
  NO_ENDPOINT: reason("NOT_FOUND", "The flight has no endpoint.", "Name another flight."),
  NO_TEMPORARY_FOLDER: reason("FAILED_PRECONDITION", "No temporary folder can be written to.", "Set TMPDIR."),
  PARTITION_NEEDED: reason("INVALID_ARGUMENT", "The session has partitions, and tail reads one.", "Add --partition."),
  PARTITION_UNKNOWN: reason("INVALID_ARGUMENT", "The session has no such partition.", "Count from 0."),
  SESSION_NEEDED: reason("INVALID_ARGUMENT", "A cursor needs its session.", "Add --session."),
  START_LEDGER: reason("INVALID_ARGUMENT", "A last ledger needs a first one.", "Add --start-ledger."),
  TLS_FILE: reason(
    "INVALID_ARGUMENT",
    "A file of certificates or of a private key cannot be used.",
    "The message names the setting, the file and what is wrong with it.",
  ),
  TLS_SETTING: reason("INVALID_ARGUMENT", "Settings of TLS do not go together.", "The message names what is missing."),
  WORKER_COUNT: reason(
    "INVALID_ARGUMENT",
    "The number of workers is out of its range.",
    "Keep to the range in the message.",
  ),
} as const;
