/**
 * Counts the steps of a decode: its reads and writes through DataView, which is all that the walkers, the sort, the
 * joins and the error reports do with a ledger. A count says what a clock cannot: that work is bounded by the length
 * of the input, on any machine.
 */
import { RowSet } from "../../src/ledger/row-set.ts";
import type { FuzzCase } from "./cases.ts";
import { Finding, makeLedgerDecoder } from "./check.ts";

/** Steps that any input may take: the decoder's own tables. */
const STEPS_FIXED = 512;
/** Per byte and doubling of the input: a walk reads a word in four bytes, and sorting compares keys word by word. */
const STEPS_PER_BYTE = 0.5;

let steps = 0;

type MakeDataView = new (buffer: ArrayBuffer, byteOffset?: number, byteLength?: number) => DataView;

class CountingDataView extends (DataView as MakeDataView) {
  override getUint8(at: number): number {
    steps++;
    return super.getUint8(at);
  }
  override getInt32(at: number, little?: boolean): number {
    steps++;
    return super.getInt32(at, little);
  }
  override getUint32(at: number, little?: boolean): number {
    steps++;
    return super.getUint32(at, little);
  }
  override setUint32(at: number, value: number, little?: boolean): void {
    steps++;
    super.setUint32(at, value, little);
  }
}

/** How many steps decoding takes, whether it ends in rows or in an error. */
export function countSteps({ bytes, passphrase }: FuzzCase, makeDecoder = makeLedgerDecoder): number {
  const decoder = makeDecoder({ networkPassphrase: passphrase, compat: "default" });
  const rows = new RowSet();
  const real = globalThis.DataView;
  steps = 0;
  globalThis.DataView = CountingDataView as typeof DataView;
  try {
    decoder.decode(bytes, rows);
  } catch {
    // errors have their own check; they count as well
  } finally {
    globalThis.DataView = real;
  }
  return steps;
}

/** The most steps that an input of this length may take; sorting costs the logarithm. */
export function stepsMax(bytes: number): number {
  return STEPS_FIXED + STEPS_PER_BYTE * bytes * Math.max(1, Math.log2(bytes / 64));
}

/** @throws Finding where decoding takes more steps than its input's length allows */
export function checkSteps(fuzzCase: FuzzCase, makeDecoder = makeLedgerDecoder): number {
  const taken = countSteps(fuzzCase, makeDecoder);
  const max = stepsMax(fuzzCase.bytes.length);
  if (taken > max) throw new Finding(`${taken} steps for ${fuzzCase.bytes.length} bytes, over max ${Math.floor(max)}`);
  return taken;
}
