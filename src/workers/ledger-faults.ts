/** What goes wrong with ledgers in a worker: which of it is one ledger's own, and how it is told. */
import { CodedError, type ErrorRecord } from "../error.ts";

/** Errors beside DATA_LOSS that are about one ledger. */
const REASONS_OF_LEDGER: ReadonlySet<string> = new Set(["LEDGER_TOO_LARGE", "INFLATED_TOO_LARGE"]);

/** Follows the error of a ledger that was left out. */
export const CHAIN_ANEW = "; the check of the chain begins anew behind it";

/** Whether the error is about one ledger, which may be left out. */
export function isOfLedger(thrown: unknown): thrown is CodedError {
  if (!(thrown instanceof CodedError)) return false;
  if (thrown.reason === "CHAIN_BROKEN") return false; // nothing tells which of the two ledgers is wrong
  return thrown.code === "DATA_LOSS" || REASONS_OF_LEDGER.has(thrown.reason);
}

/** The error with its ledger, and with the name of the object that it came in. */
export function describeError({ code, reason, message }: CodedError, name: string, ledger: number): ErrorRecord {
  const place = `ledger ${ledger}: `;
  if (message.startsWith(place)) return { code, reason, message };
  return { code, reason, message: `${place}${message.includes(name) ? "" : `${name}: `}${message}` };
}
