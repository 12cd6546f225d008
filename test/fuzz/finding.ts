/** What the judges of a case have in common. */
import type { LedgerDecoder } from "../../src/ledger/decoder.ts";
import type { DecoderOptions } from "../../src/ledger/decoder-options.ts";
import { XdrError } from "../../src/xdr/error.ts";

/** A case that is not good. */
export class Finding extends Error {}

/** What is under test; the canaries put something broken in its place. */
export type MakeDecoder = (options: DecoderOptions) => Pick<LedgerDecoder, "decode" | "takeLearned">;

/** The error of a ledger that cannot be read. @throws Finding where it is none of ours, or has no place in the bytes */
export function codedError(thrown: unknown, bytes: Uint8Array): XdrError {
  if (!(thrown instanceof XdrError)) {
    const what = thrown instanceof Error ? `${thrown.name}: ${thrown.message}\n${thrown.stack}` : String(thrown);
    throw new Finding(`not a coded error: ${what}`);
  }
  const isPlaced = Number.isInteger(thrown.byteOffset) && thrown.byteOffset >= 0 && thrown.byteOffset <= bytes.length;
  if (!isPlaced) throw new Finding(`an error at byte ${thrown.byteOffset} of ${bytes.length}: ${thrown.message}`);
  if (thrown.message.includes("finds no fault") || thrown.message.includes("the walk ended at")) {
    throw new Finding(`the fast and the slow reader disagree: ${thrown.message}`);
  }
  return thrown;
}
