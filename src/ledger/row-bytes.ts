/**
 * What rows refer to of their ledger, moved together: an entry of some 400 bytes each, where the ledger has megabytes. So a
 * ledger's memory is free for the next one while its rows wait for their batch, and what is laid out then lies close
 * together. HOT PATH.
 */
import { NONE, type RowLedger, type RowSet } from "./row-set.ts";

const HASH_BYTES = 32;
const WORD_COPY_BYTES_MAX = 256; // from here on a view and its set are the faster

/** How many bytes the rows [first, end), which are of one ledger, refer to. */
export function rowBytes(rows: RowSet, first: number, end: number): number {
  const { contractAt, txHashAt } = rows;
  const hasValues = hasValuesOf(rows, first);
  let bytes = 0;
  let txHashBefore = NONE;
  for (let row = first; row < end; row++) {
    if (contractAt[row] !== NONE) bytes += entryEnd(rows, row, hasValues) - entryStart(rows, row);
    const txHash = txHashAt[row]!;
    if (txHash === NONE || txHash === txHashBefore) continue;
    bytes += HASH_BYTES;
    txHashBefore = txHash;
  }
  return bytes;
}

/** Copies those bytes to `to`, which has just so many, and makes the rows refer to them there. */
export function moveRows(rows: RowSet, first: number, end: number, to: Uint8Array): void {
  const ledger = rows.ledgers[rows.ledger[first]!]!;
  const view = new DataView(to.buffer, to.byteOffset, to.length);
  const hasValues = hasValuesOf(rows, first);
  const { contractAt, txHashAt } = rows;
  let at = 0;
  let txHashBefore = NONE;
  let txHashNow = NONE;
  for (let row = first; row < end; row++) {
    if (contractAt[row] !== NONE) {
      const from = entryStart(rows, row);
      const bytes = entryEnd(rows, row, hasValues) - from;
      copy(ledger, from, bytes, to, view, at);
      shift(rows, row, at - from);
      at += bytes;
    }
    const txHash = txHashAt[row]!;
    if (txHash === NONE) continue;
    if (txHash !== txHashBefore) {
      copy(ledger, txHash, HASH_BYTES, to, view, at);
      txHashBefore = txHash;
      txHashNow = at;
      at += HASH_BYTES;
    }
    txHashAt[row] = txHashNow;
  }
  rows.ledgers[rows.ledger[first]!] = { ...ledger, bytes: to, view };
}

/** Rows of `ttl` have a key alone: what else their columns hold is not theirs. */
function hasValuesOf(rows: RowSet, first: number): boolean {
  return rows.ledgers[rows.ledger[first]!]!.dataset === "contract_data";
}

/** The entry, or the key, from the address on. */
function entryStart(rows: RowSet, row: number): number {
  return rows.contractAt[row]! - 4;
}

/** Value or key come last, and the value behind the key and its durability. */
function entryEnd(rows: RowSet, row: number, hasValues: boolean): number {
  const valAt = rows.valAt[row]!;
  if (hasValues && valAt !== NONE) return valAt + rows.valBytes[row]!;
  return rows.keyAt[row]! + rows.keyBytes[row]!;
}

/** XDR comes in fours. */
function copy({ bytes, view }: RowLedger, from: number, length: number, to: Uint8Array, out: DataView, at: number) {
  if (length > WORD_COPY_BYTES_MAX) to.set(bytes.subarray(from, from + length), at);
  else for (let i = 0; i < length; i += 4) out.setInt32(at + i, view.getInt32(from + i));
}

/** All that lies in the row's entry lies elsewhere now. */
function shift(rows: RowSet, row: number, by: number): void {
  const { contractAt, keyAt, valAt, assetCodeAt, assetIssuerAt, holderAt, balanceAt, wasmHashAt } = rows;
  contractAt[row]! += by;
  keyAt[row]! += by;
  if (valAt[row] !== NONE) valAt[row]! += by;
  if (assetCodeAt[row] !== NONE) assetCodeAt[row]! += by;
  if (assetIssuerAt[row] !== NONE) assetIssuerAt[row]! += by;
  if (holderAt[row] !== NONE) holderAt[row]! += by;
  if (balanceAt[row] !== NONE) balanceAt[row]! += by;
  if (wasmHashAt[row] !== NONE) wasmHashAt[row]! += by;
}
