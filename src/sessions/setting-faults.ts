/**
 * Errors that another setting would mend. They are not written down as a session's end: a restart with the right setting
 * goes on with the session.
 */

/** The setting that decides, by the error's reason. */
const SETTINGS: Readonly<Record<string, string>> = {
  NETWORK_MISMATCH: "NETWORK_PASSPHRASE",
  SOURCE_UNKNOWN: "SOURCES",
  LAKE_NOT_FOUND: "SOURCE_ENDPOINT",
  LEDGER_TOO_LARGE: "LEDGER_BYTES_MAX",
  ROW_TOO_LARGE: "FLIGHT_MESSAGE_BYTES_MAX",
};

/** The setting that made an error with this reason; undefined where no setting did. */
export function settingBehind(reason: string | undefined): string | undefined {
  return reason === undefined ? undefined : SETTINGS[reason];
}
