/** The oracle's rows as Flight clients write them (test/clients/README.md), but for columns that it does not have. */
import { readFileSync } from "node:fs";

const NULL = "\\N";
const INT64_MAX = 2n ** 63n - 1n;
const NATIVE_SAC = "CAS3J7GYLGXMF6TDJBBYYSE3HQ6BBSMLNUQ34T6TZMYMW2EVH34XOWMA"; // pubnet's

/** Canonical rows of a golden .tsv, each an array of the 22 columns. */
export function goldenRows(tsv: string | Uint8Array): string[][] {
  const text = typeof tsv === "string" ? tsv : new TextDecoder().decode(tsv);
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => line.split("\t"));
}

export function readGolden(path: string): string[][] {
  return goldenRows(readFileSync(path));
}

/**
 * The first 17 columns of schema version 1 as the clients' text has them, from a canonical row (in the default
 * setting). The 18th, expiration_ledger_seq, is not in the goldens.
 */
export function clientLine(row: string[]): string {
  const [sequence, closedAt, , , , , contract, keyType, durability, code, issuer, type, holder, balance] = row as [
    ...string[],
  ] as string[];
  const [lastModified, , deleted, hash, key, val, instance, wasm] = row.slice(14) as string[];
  const isNative = contract === NATIVE_SAC && instance === "stellar_asset";
  return [
    contract,
    keyType,
    durability,
    code || NULL,
    issuer || NULL,
    isNative ? "AssetTypeAssetTypeNative" : type || NULL,
    holder || NULL,
    balance === "" || BigInt(balance!) > INT64_MAX ? NULL : balance,
    lastModified,
    deleted,
    sequence,
    `${closedAt}000000`,
    hash,
    key,
    val,
    instance || NULL,
    wasm || NULL,
  ].join("\t");
}

/** A client's lines without the last column. */
export function withoutExpiration(text: string): string[] {
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => line.slice(0, line.lastIndexOf("\t")));
}
