/** What reads of all meta streams give, and what they say of ledgers that do not come. */
import { CodedError } from "../../error.ts";
import type { LedgerObject } from "../source.ts";
import type { MetaLedger } from "./whole-ledgers.ts";

/** @param description of the stream, for messages */
export function metaObject(description: string, { sequence, bytes }: MetaLedger): LedgerObject {
  const name = `${description}, ledger ${sequence}`;
  return { name, ledgerFirst: sequence, ledgerLast: sequence, encoding: "none", container: "ledger", bytes };
}

/** A ledger was asked for that is before the oldest. */
export function ledgerBefore(description: string, sequence: number, oldest: number): CodedError {
  const message = `ledger ${sequence} was asked for, and the oldest that the ${description} has is ${oldest}`;
  return new CodedError("OUT_OF_RANGE", "LEDGER_BEFORE_SOURCE", message);
}

/** A later ledger came in the place of one. */
export function ledgerMissing(description: string, sequence: number, came: number): CodedError {
  return new CodedError("NOT_FOUND", "LEDGER_MISSING", `${description}: ledger ${came} came where ${sequence} should`);
}
