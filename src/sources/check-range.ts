/** What LedgerSource.read accepts as a range. */
import { CodedError } from "../error.ts";
import { LEDGER_SEQUENCE_MAX } from "./limits.ts";

/**
 * The last ledger of a range as LedgerSource.read takes it, where `end` 0 is for ever.
 * @throws CodedError INVALID_ARGUMENT / LEDGER_RANGE_INVALID
 */
export function checkRange(start: number, end: number): number {
  const whole = Number.isInteger(start) && Number.isInteger(end);
  if (!whole || start < 1 || start > LEDGER_SEQUENCE_MAX || end > LEDGER_SEQUENCE_MAX || (end !== 0 && end < start)) {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "LEDGER_RANGE_INVALID",
      `ledgers ${start} to ${end} are no range: the first must be from 1 to ${LEDGER_SEQUENCE_MAX}, the last no less than it, or 0 for ever`,
    );
  }
  return end === 0 ? LEDGER_SEQUENCE_MAX : end;
}
