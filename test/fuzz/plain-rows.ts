/** The rows of the plain decoder, and how they are written as text to be compared. */
import type { PlainAsset } from "./plain-assets.ts";

/** One row, as text where text is what columns show; "" for none. */
export interface PlainRow {
  ledgerSequence: number;
  closedAt: number;
  txHash: string;
  txIndex: number;
  opIndex: number;
  changeIndex: number;
  reason: Reason;
  contractId: string;
  keyType: string;
  durability: string;
  /** Latin-1: one character a byte. */
  assetCode: string;
  hasAssetCode: boolean;
  assetIssuer: string;
  assetType: string;
  holder: string;
  balance: bigint | undefined;
  balanceKind: string;
  lastModified: number;
  change: number;
  keyHash: string;
  keyXdr: string;
  valXdr: string;
  instanceType: string;
  wasmHash: string;
  liveUntil: number;
  /** Of an instance: how many entries its storage has, and their bytes. */
  storage: { entries: number; bytes: number } | undefined;
  /** What the row's contract is the contract of, as far as the ledger tells; never in the setting `go`. */
  contractAsset: PlainAsset | undefined;
}

export type Reason = "fee" | "transaction" | "operation" | "fee_refund" | "upgrade" | "eviction";

export const CREATED = 0;
export const UPDATED = 1;
export const REMOVED = 2;
export const STATE = 3;
export const RESTORED = 4;
/** Not of LedgerEntryChangeType: the key is among the evicted ones. */
export const EVICTED = 5;

/** Whether the change took the entry out of the live state. */
export function isDeleted(row: PlainRow): boolean {
  return row.change === REMOVED || row.change === EVICTED;
}

/** The row as a canonical line (Latin-1). */
export function canonicalLine(row: PlainRow): string {
  return [
    ...[row.ledgerSequence, row.closedAt, row.txHash, row.txIndex, row.opIndex, row.reason],
    ...[row.contractId, row.keyType, row.durability, row.assetCode, row.assetIssuer, row.assetType],
    ...[row.holder, row.balance ?? "", row.lastModified, row.change, isDeleted(row), row.keyHash],
    ...[row.keyXdr, row.valXdr, row.instanceType, row.wasmHash],
  ].join("\t");
}

/** The row as schema version 1 has it, one cell a column: text, with \N for null. */
export function schemaV1Cells(row: PlainRow): string {
  const orNull = (text: string): string => (text === "" ? "\\N" : text);
  const fits = row.balance !== undefined && row.balance < 2n ** 63n;
  return [
    ...[row.contractId, row.keyType, row.durability, orNull(row.assetCode), orNull(row.assetIssuer)],
    ...[orNull(row.assetType), orNull(row.holder), fits ? row.balance : "\\N", row.lastModified],
    ...[isDeleted(row), row.ledgerSequence, BigInt(row.closedAt) * 1_000_000n, row.keyHash, row.keyXdr],
    ...[row.valXdr, orNull(row.instanceType), orNull(row.wasmHash), row.liveUntil === 0 ? "\\N" : row.liveUntil],
  ].join("\t");
}
