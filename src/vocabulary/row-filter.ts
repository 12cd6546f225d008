/** Which rows a reader wants. */
import type { ChangeType } from "./change-type.ts";

/** The largest balance there can be, an i128, in the token's smallest unit. */
export const BALANCE_MAX: bigint = 2n ** 127n - 1n;

/** Whether it is a balance in decimal digits. */
export function isBalance(value: unknown): value is string {
  return typeof value === "string" && /^\d{1,39}$/.test(value) && BigInt(value) <= BALANCE_MAX;
}

/** A filter as people and programs write it. Absent or empty kinds select everything. */
export interface RowFilter {
  /** C… strkeys. */
  contractIds?: readonly string[];
  /** As issued (case matters). Rows with an issued asset only. */
  assetCodes?: readonly string[];
  /** G… strkeys. Rows with an issued asset only. */
  assetIssuers?: readonly string[];
  /** Strkeys (G, C, M, B or L). Balance rows only; in schema version 1 these are the ones held by contracts. */
  balanceHolders?: readonly string[];
  /** In the token's smallest unit, 0 to 2^127 - 1; balance rows of at least this only. */
  balanceMin?: bigint;
  /** True: rows that are balances only, which have a `balance_holder`. Evicted ones are told by their keys. Default false. */
  balances?: boolean;
  /** `ScValTypeScvVec`, or short: `ScvVec`, `Vec`. */
  keyTypes?: readonly string[];
  durability?: "temporary" | "persistent";
  changeTypes?: readonly ChangeType[];
  /**
   * Rows whose `last_modified_ledger` is greater, where they have one: that of the state before for a removed entry, none
   * for an evicted one. 0 = all rows.
   */
  modifiedAfterLedger?: number;
  /** Default true: removed (and in schema version 2 evicted) entries are rows. */
  includeDeleted?: boolean;
  /** The shard numbered `index`, from 0, of `count`: FNV-1a of the contract id modulo `count`. */
  shard?: { index: number; count: number };
}

/** A filter as it crosses threads: a RowFilter whose minimum balance is decimal text. */
export type FilterRecord = Omit<RowFilter, "balanceMin"> & { balanceMin?: string };
