/** Random row filters that hit some rows, and what they select, said plainly. */
import type { RowFilter } from "../../src/vocabulary/row-filter.ts";
import { parseStrkey, STRKEY_CONTRACT } from "../../src/xdr/strkey.ts";
import type { Dice } from "./dice.ts";
import { isDeleted, type PlainRow } from "./plain-rows.ts";

const CHANGE_TYPES = ["created", "updated", "removed", "state", "restored", "evicted"] as const;
const KINDS_MAX = 2; // with more at once hardly a row is left

/** A filter whose values come from the rows, mostly. */
export function randomFilter(dice: Dice, rows: readonly PlainRow[]): RowFilter {
  const values = (of: (row: PlainRow) => string): string[] => {
    const known = [...new Set(rows.map(of).filter((text) => text !== ""))];
    return known.length === 0 ? [] : Array.from({ length: dice.between(1, 3) }, () => dice.pick(known));
  };
  const balances = rows.flatMap((row) => (row.balance === undefined ? [] : [row.balance]));
  const isCode = (code: string): boolean => /^[\x21-\x7e]{1,12}$/.test(code);
  const kinds: (() => RowFilter)[] = [
    () => ({ contractIds: values((row) => row.contractId) }),
    () => ({ assetCodes: values((row) => (isCode(assetOf(row).code) ? assetOf(row).code : "")) }),
    () => ({ assetIssuers: values((row) => assetOf(row).issuer) }),
    () => ({ balanceHolders: values((row) => row.holder) }),
    () => ({ balanceMin: balances.length > 0 ? dice.pick(balances) + BigInt(dice.chance(0.5) ? 0 : 1) : 1n }),
    () => ({ balances: dice.chance(0.8) }),
    () => ({ keyTypes: values((row) => row.keyType) }),
    () => ({ durability: dice.pick(["temporary", "persistent"]) }),
    () => ({ changeTypes: [dice.pick(["created", "updated", "removed", "restored", "evicted"])] }),
    () => ({ modifiedAfterLedger: dice.pick(rows.length > 0 ? rows.map((row) => row.lastModified) : [1]) }),
    () => ({ includeDeleted: dice.chance(0.5) }),
    () => {
      const count = dice.between(1, 5);
      return { shard: { index: dice.below(count), count } };
    },
  ];
  const filter: RowFilter = {};
  for (let n = dice.between(1, KINDS_MAX); n > 0; n--) Object.assign(filter, dice.pick(kinds)());
  if (filter.balanceMin !== undefined && filter.balanceMin >= 2n ** 127n) filter.balanceMin = 2n ** 127n - 1n;
  return filter;
}

/** Whether the filter selects the row: every kind that is given must hold. */
export function selects(filter: RowFilter, row: PlainRow): boolean {
  const among = (values: readonly string[] | undefined, text: string): boolean =>
    values === undefined || values.length === 0 || (text !== "" && values.includes(text));
  return (
    among(filter.contractIds, row.contractId) &&
    among(filter.assetCodes, assetOf(row).code) &&
    among(filter.assetIssuers, assetOf(row).issuer) &&
    among(filter.balanceHolders, row.holder) &&
    among(filter.keyTypes, row.keyType) &&
    among(filter.changeTypes, CHANGE_TYPES[row.change]!) &&
    (filter.balanceMin === undefined || (row.balance !== undefined && row.balance >= filter.balanceMin)) &&
    (!filter.balances || row.holder !== "") &&
    (filter.durability === undefined || row.durability.toLowerCase().endsWith(filter.durability)) &&
    (filter.modifiedAfterLedger === undefined ||
      filter.modifiedAfterLedger === 0 ||
      row.lastModified > filter.modifiedAfterLedger) &&
    (filter.includeDeleted !== false || !isDeleted(row)) &&
    (filter.shard === undefined || shardOf(row.contractId, filter.shard.count) === filter.shard.index)
  );
}

/** The row's own asset, else its contract's if it is a balance. */
function assetOf(row: PlainRow): { code: string; issuer: string } {
  if (row.assetType !== "") return { code: row.assetCode, issuer: row.assetIssuer };
  return (row.holder === "" ? undefined : row.contractAsset) ?? { code: "", issuer: "" };
}

/** FNV-1a of the contract id's 32 bytes, modulo the number of shards. */
function shardOf(contractId: string, count: number): number {
  let hash = 0x811c9dc5n;
  for (const byte of parseStrkey(contractId, STRKEY_CONTRACT)) {
    hash = ((hash ^ BigInt(byte)) * 0x01000193n) & 0xffff_ffffn;
  }
  return Number(hash % BigInt(count));
}
