/**
 * The kinds of filters, once: the names that each has in a RowFilter, a ticket, the control API and a flag,
 * and what a person reads about it. Flags, tickets, messages, checks and sessions' defaults are made from this table. The
 * setting of a kind stands in src/config/row-settings.ts.
 */
import type { FilterRecord } from "./row-filter.ts";

/** How a kind's value is written. `switch` and `only` are true or false; where they are absent, true and false. */
export type FilterValueType = "texts" | "amount" | "word" | "ledger" | "switch" | "only";

/** One kind of filter. */
export interface FilterKind {
  /** Its name in a RowFilter. */
  name: keyof FilterRecord;
  /** Its key in the JSON of tickets and, in camel case, its field in the control API. */
  key: string;
  /** Its flag on the command line, without dashes. */
  flag: string;
  /** Its key in the configuration: what a session has that names no filter. */
  setting: string;
  type: FilterValueType;
  /** What stands for the value in --help. */
  placeholder: string;
  /** For --help: one sentence. */
  summary: string;
}

/** In the order in which docs and --help show them. */
export const FILTER_KINDS = [
  {
    name: "contractIds",
    key: "contract_ids",
    flag: "contract-id",
    setting: "filterContractIds",
    type: "texts",
    placeholder: "C…",
    summary: "Only rows of this contract.",
  },
  {
    name: "assetCodes",
    key: "asset_codes",
    flag: "asset-code",
    setting: "filterAssetCodes",
    type: "texts",
    placeholder: "CODE",
    summary: "Only rows of assets with this code.",
  },
  {
    name: "assetIssuers",
    key: "asset_issuers",
    flag: "asset-issuer",
    setting: "filterAssetIssuers",
    type: "texts",
    placeholder: "G…",
    summary: "Only rows of assets of this issuer.",
  },
  {
    name: "balanceHolders",
    key: "balance_holders",
    flag: "balance-holder",
    setting: "filterBalanceHolders",
    type: "texts",
    placeholder: "STRKEY",
    summary: "Only balances of this holder.",
  },
  {
    name: "balanceMin",
    key: "min_balance",
    flag: "min-balance",
    setting: "filterMinBalance",
    type: "amount",
    placeholder: "AMOUNT",
    summary: "Only balances of at least this, in the token's smallest unit.",
  },
  {
    name: "balances",
    key: "balances",
    flag: "balances",
    setting: "filterBalances",
    type: "only",
    placeholder: "",
    summary: "Only rows that are balances, of asset contracts and in schema version 2 of other tokens.",
  },
  {
    name: "keyTypes",
    key: "key_types",
    flag: "key-type",
    setting: "filterKeyTypes",
    type: "texts",
    placeholder: "TYPE",
    summary: "Only rows whose key is a Vec, Symbol, U64, …",
  },
  {
    name: "durability",
    key: "durability",
    flag: "durability",
    setting: "filterDurability",
    type: "word",
    placeholder: "WHICH",
    summary: "Only temporary or only persistent entries.",
  },
  {
    name: "changeTypes",
    key: "change_types",
    flag: "change-type",
    setting: "filterChangeTypes",
    type: "texts",
    placeholder: "TYPE",
    summary: "Only rows that are created, updated, removed, restored or evicted.",
  },
  {
    name: "modifiedAfterLedger",
    key: "modified_after_ledger",
    flag: "modified-after-ledger",
    setting: "filterModifiedAfterLedger",
    type: "ledger",
    placeholder: "LEDGER",
    summary: "Only rows of entries last modified after this ledger; evicted entries have no such ledger. 0: any.",
  },
  {
    name: "includeDeleted",
    key: "include_deleted",
    flag: "include-deleted",
    setting: "includeDeleted",
    type: "switch",
    placeholder: "",
    summary: "Also rows of removed entries.",
  },
] as const satisfies readonly FilterKind[];

type Kind = (typeof FILTER_KINDS)[number];

/** Kinds whose value is a list of texts. */
export type ListKind = Extract<Kind, { type: "texts" }>;

/** The kinds that are lists, which a patch can add to and take from. */
export const LIST_KINDS: readonly ListKind[] = FILTER_KINDS.filter((kind): kind is ListKind => kind.type === "texts");
