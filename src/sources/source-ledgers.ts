/** A source's ledgers one by one, inflated in this thread: for commands that have no workers. */
import { CodedError } from "../error.ts";
import { batchRange } from "../ledger/batch.ts";
import type { LedgerRange } from "../vocabulary/ledger-range.ts";
import { XdrError } from "../xdr/error.ts";
import { Inflater } from "./file/inflate.ts";
import type { Lake } from "./lake/lake.ts";
import { ledgersOfLakeFile } from "./lake/lake-file.ts";
import { BATCH_BYTES_MAX, LEDGER_SEQUENCE_MAX } from "./limits.ts";
import type { LedgerObject, LedgerSource, TroubleListener } from "./source.ts";

/** One LedgerCloseMeta and where it was found. */
export interface FileLedger {
  /** The file, or the object of a source. */
  path: string;
  /** Place in that file, from 0. */
  ledgerIndex: number;
  /** Offset of the ledger's first byte in the inflated file; for base64, of its line in the text. */
  byteOffset: number;
  /** One LedgerCloseMeta, inflated. Valid until the next ledger is asked for. */
  bytes: Uint8Array;
}

/** The ledgers that a lake has now. @param near, @throws CodedError as Lake.ledgersHeld */
export async function heldBy(lake: Lake, near?: number): Promise<LedgerRange> {
  const range = await lake.ledgersHeld(near);
  // A lake may begin with ledger 0 by its file names; there is no such ledger.
  return { ...range, ledgerFirst: Math.max(1, range.ledgerFirst) };
}

/**
 * The ledgers of a range in order; `ledgerLast` 0 goes on for ever. The source is closed at the end.
 * @throws CodedError as `source.read`, `Inflater.inflate` and `ledgersOfLakeFile` do
 */
export async function* ledgersOfSource(
  source: LedgerSource,
  { ledgerFirst, ledgerLast }: LedgerRange,
  signal: AbortSignal,
  onTrouble?: TroubleListener,
): AsyncGenerator<FileLedger, void, undefined> {
  const inflater = new Inflater(BATCH_BYTES_MAX);
  try {
    const wanted = { ledgerFirst, ledgerLast: ledgerLast === 0 ? LEDGER_SEQUENCE_MAX : ledgerLast };
    for await (const object of source.read(ledgerFirst, ledgerLast, signal, onTrouble)) {
      yield* ledgersOfObject(object, wanted, inflater);
      object.release?.();
      wanted.ledgerFirst = object.ledgerLast + 1;
    }
  } finally {
    inflater.close();
    await source.close();
  }
}

function* ledgersOfObject(
  object: LedgerObject,
  range: LedgerRange,
  inflater: Inflater,
): Generator<FileLedger, void, undefined> {
  const { name } = object;
  const content = inflater.inflate(name, object.bytes, object.encoding);
  if (object.container === "ledger") {
    yield { path: name, ledgerIndex: 0, byteOffset: 0, bytes: content };
    return;
  }
  const wanted = {
    ledgerFirst: Math.max(object.ledgerFirst, range.ledgerFirst),
    ledgerLast: Math.min(object.ledgerLast, range.ledgerLast),
  };
  try {
    const { first } = batchRange(content);
    for (const { sequence, byteOffset, bytes } of ledgersOfLakeFile({ name, named: object, wanted }, content)) {
      yield { path: name, ledgerIndex: sequence - first, byteOffset, bytes };
    }
  } catch (thrown) {
    if (!(thrown instanceof XdrError)) throw thrown;
    throw CodedError.received(thrown.code, thrown.reason, `${name}: ${thrown.message}`, { cause: thrown });
  }
}
