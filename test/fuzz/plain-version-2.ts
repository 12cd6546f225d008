/** A plain row as schema version 2 has it. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import * as reference from "@stellar/stellar-xdr-json";
import { EVICTED, isDeleted, type PlainRow } from "./plain-rows.ts";

const wasm = join(createRequire(import.meta.url).resolve("@stellar/stellar-xdr-json"), "../stellar_xdr_json_bg.wasm");
reference.initSync(readFileSync(wasm));

/** Some JSON: the reference cannot say which. */
export const ANY_JSON: unique symbol = Symbol("any JSON");

type PlainCell = string | null | typeof ANY_JSON;

const CHANGE_TYPES: Readonly<Record<number, string>> = {
  ...{ 0: "created", 1: "updated", 2: "removed", 4: "restored", 5: "evicted" },
};
const DECIMAL_LIMIT = 10n ** 38n; // decimal128(38,0) holds what is below

/** Cells as text, numbers in decimal, bytes as base64, times in microseconds; null for null. */
export function schemaV2Cells(row: PlainRow): PlainCell[] {
  const orNull = (text: string): string | null => (text === "" ? null : text);
  const isEvicted = row.change === EVICTED;
  const hasTransaction = row.txHash !== "";
  const ofContract = row.holder === "" ? undefined : row.contractAsset;
  const asset =
    row.assetType === ""
      ? (ofContract ?? { type: "", code: "", issuer: "" })
      : { type: row.assetType, code: row.assetCode, issuer: row.assetIssuer };
  const isAsset = row.contractAsset !== undefined || row.assetType !== "";
  const isInstanceOfAsset = row.instanceType === "" ? null : String(row.instanceType === "stellar_asset");
  return [
    ...[row.contractId, row.keyType, row.durability, orNull(asset.code), orNull(asset.issuer), orNull(asset.type)],
    ...[orNull(row.holder), row.balance === undefined || row.balance >= DECIMAL_LIMIT ? null : `${row.balance}`],
    ...[isEvicted ? null : `${row.lastModified}`, `${isDeleted(row)}`, `${row.ledgerSequence}`],
    ...[`${BigInt(row.closedAt) * 1_000_000n}`, row.keyHash, row.keyXdr, isEvicted ? null : row.valXdr],
    ...[orNull(row.instanceType), orNull(row.wasmHash), row.liveUntil === 0 ? null : `${row.liveUntil}`],
    ...[row.balance === undefined ? null : `${row.balance}`, CHANGE_TYPES[row.change]!, orNull(row.txHash)],
    ...[hasTransaction ? `${row.txIndex}` : null, row.reason === "operation" ? `${row.opIndex}` : null],
    `${row.changeIndex}`,
    json(row.keyXdr),
    isEvicted ? null : json(row.valXdr),
    ...[row.storage === undefined ? null : `${row.storage.entries}`],
    ...[row.storage === undefined ? null : `${row.storage.bytes}`, isAsset ? "true" : isInstanceOfAsset],
    ...[hasTransaction ? `${row.txIndex}` : "4294967295", orNull(row.balanceKind)],
  ];
}

/** The reference refuses what is unvalidated here, arms that are newer than it, and nesting over its own limit. */
function json(scVal: string): PlainCell {
  try {
    return reference.decode("ScVal", scVal);
  } catch {
    return ANY_JSON;
  }
}
