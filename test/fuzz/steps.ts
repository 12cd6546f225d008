/**
 * Counts the steps of a decode: its reads and writes through DataView, which is all that the walkers, the sort, the
 * joins, the columns and the error reports do with a ledger. A count says what a clock cannot: that work is bounded by
 * the length of the input, on any machine.
 *
 * Twice: to rows alone, and to everything that schema version 2 has (events read, assets found, all columns laid out,
 * JSON among them).
 */
import { BatchEncoder } from "../../src/columns/batch-encoder.ts";
import { KnownAssets } from "../../src/ledger/known-assets.ts";
import { RowSet } from "../../src/ledger/row-set.ts";
import type { FuzzCase } from "./cases.ts";
import { makeLedgerDecoder } from "./check.ts";
import { Finding, type MakeDecoder } from "./finding.ts";

/** Steps that any input may take: the decoder's own tables. */
const STEPS_FIXED = 512;
/** Per byte and doubling of the input: a walk reads a word in four bytes, and sorting compares keys word by word. */
const STEPS_PER_BYTE = 0.5;
/** With columns, that again and, for each byte, what it becomes at most in all columns together. */
const STEPS_PER_BYTE_COLUMNS = 1;

let steps = 0;

type MakeDataView = new (buffer: ArrayBuffer, byteOffset?: number, byteLength?: number) => DataView;

class CountingDataView extends (DataView as MakeDataView) {
  override getUint8(at: number): number {
    steps++;
    return super.getUint8(at);
  }
  override getUint16(at: number, little?: boolean): number {
    steps++;
    return super.getUint16(at, little);
  }
  override getInt32(at: number, little?: boolean): number {
    steps++;
    return super.getInt32(at, little);
  }
  override getUint32(at: number, little?: boolean): number {
    steps++;
    return super.getUint32(at, little);
  }
  override setUint8(at: number, value: number): void {
    steps++;
    super.setUint8(at, value);
  }
  override setUint16(at: number, value: number, little?: boolean): void {
    steps++;
    super.setUint16(at, value, little);
  }
  override setInt32(at: number, value: number, little?: boolean): void {
    steps++;
    super.setInt32(at, value, little);
  }
  override setUint32(at: number, value: number, little?: boolean): void {
    steps++;
    super.setUint32(at, value, little);
  }
}

/** How many steps that takes, whether it ends well or in an error. */
function counted(work: () => void): number {
  const real = globalThis.DataView;
  steps = 0;
  globalThis.DataView = CountingDataView as typeof DataView;
  try {
    work();
  } catch {
    // errors have their own check; they count as well
  } finally {
    globalThis.DataView = real;
  }
  return steps;
}

/** To rows of schema version 1. */
function countSteps({ bytes, passphrase }: FuzzCase, makeDecoder: MakeDecoder = makeLedgerDecoder): number {
  const decoder = makeDecoder({ networkPassphrase: passphrase, compat: "default" });
  return counted(() => decoder.decode(bytes, new RowSet()));
}

/** To all columns of schema version 2. */
function countColumnSteps({ bytes, passphrase }: FuzzCase, makeDecoder: MakeDecoder = makeLedgerDecoder): number {
  const encoder = new BatchEncoder({ schemaVersion: 2, networkPassphrase: passphrase });
  const knownAssets = new KnownAssets(passphrase);
  const base = { networkPassphrase: passphrase, compat: "default", knownAssets } as const;
  const decoder = makeDecoder({ ...base, ...encoder.decoderOptions });
  return counted(() => {
    const rows = new RowSet();
    decoder.decode(bytes, rows);
    const plan = encoder.plan(rows, 0, rows.length);
    encoder.write(rows, plan, new Uint8Array(plan.bodyBytes));
  });
}

/** The most steps that an input of this length may take; sorting costs the logarithm. */
function stepsMax(bytes: number, perByte = STEPS_PER_BYTE): number {
  return STEPS_FIXED + perByte * bytes * Math.max(1, Math.log2(bytes / 64));
}

/** The larger of both shares of their budgets. @throws Finding where one takes more steps than the length allows */
export function checkSteps(fuzzCase: FuzzCase, makeDecoder: MakeDecoder = makeLedgerDecoder): number {
  const { length } = fuzzCase.bytes;
  const counts = [
    ["", countSteps(fuzzCase, makeDecoder), stepsMax(length)],
    [" with columns", countColumnSteps(fuzzCase, makeDecoder), stepsMax(length, STEPS_PER_BYTE_COLUMNS)],
  ] as const;
  for (const [how, taken, max] of counts) {
    if (taken > max) throw new Finding(`${taken} steps${how} for ${length} bytes, over max ${Math.floor(max)}`);
  }
  return Math.max(...counts.map(([, taken, max]) => taken / max));
}
