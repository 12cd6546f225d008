/** Filters on the command line: the same flags for `start`, `filters` and `decode`. */

import { integer, oneOf, type SettingType, text } from "../config/types.ts";
import type { FilterPatch, Filters } from "../grpc/generated/control.ts";
import type { Init } from "../grpc/service.ts";
import { rowFilterOf } from "../ledger/filter.ts";
import { LEDGER_SEQUENCE_MAX } from "../ledger/terms.ts";
import { checkedFilter } from "../sessions/filters.ts";
import type { FilterRecord, RowFilter } from "../vocabulary/row-filter.ts";
import { type FlagValues, option, repeated, toggle } from "./flags.ts";

/** All kinds but that of removed entries, which has two defaults. */
export const KIND_FLAGS = {
  "contract-id": repeated({ placeholder: "C…", type: text, summary: "Only rows of this contract." }),
  "asset-code": repeated({ placeholder: "CODE", type: text, summary: "Only rows of assets with this code." }),
  "asset-issuer": repeated({ placeholder: "G…", type: text, summary: "Only rows of assets of this issuer." }),
  "balance-holder": repeated({ placeholder: "STRKEY", type: text, summary: "Only balances of this holder." }),
  "min-balance": option({
    placeholder: "AMOUNT",
    type: text,
    summary: "Only balances of at least this, in the token's smallest unit.",
  }),
  "key-type": repeated({ placeholder: "TYPE", type: text, summary: "Only rows whose key is a Vec, Symbol, U64, …" }),
  durability: option({
    placeholder: "WHICH",
    type: oneOf(["temporary", "persistent"]),
    summary: "Only temporary or only persistent entries.",
  }),
  "change-type": repeated({
    placeholder: "TYPE",
    type: text,
    summary: "Only rows that are created, updated, removed, restored or evicted.",
  }),
  "modified-after-ledger": option({
    placeholder: "LEDGER",
    type: integer(0, LEDGER_SEQUENCE_MAX),
    summary: "Only rows of entries last modified after this ledger; evicted entries have no such ledger. 0: any.",
  }),
} as const;

export const FILTER_FLAGS = {
  ...KIND_FLAGS,
  "include-deleted": toggle({ summary: "Also rows of removed entries." }),
} as const;

type Given = FlagValues<typeof FILTER_FLAGS>;

const LISTS = {
  "contract-id": "contractIds",
  "asset-code": "assetCodes",
  "asset-issuer": "assetIssuers",
  "balance-holder": "balanceHolders",
  "key-type": "keyTypes",
  "change-type": "changeTypes",
} as const;
type ListFlag = keyof typeof LISTS;

export function anyFilter(flags: Given): boolean {
  const { "min-balance": minBalance, durability, "include-deleted": includeDeleted } = flags;
  const lists = (Object.keys(LISTS) as ListFlag[]).some((name) => flags[name].length > 0);
  const after = flags["modified-after-ledger"];
  return lists || minBalance !== undefined || durability !== undefined || after !== undefined || includeDeleted;
}

export function filtersOf(flags: Given): Init<Filters> {
  return {
    ...listsOf(flags),
    minBalance: flags["min-balance"],
    durability: flags.durability,
    modifiedAfterLedger: flags["modified-after-ledger"],
    includeDeleted: flags["include-deleted"],
  };
}

/** For a decoder in this process. @throws CodedError INVALID_ARGUMENT */
export function decoderFilterOf(flags: FlagValues<typeof KIND_FLAGS>, includeDeleted: boolean): RowFilter {
  const record = checkedFilter({
    ...(listsOf(flags) as FilterRecord),
    balanceMin: flags["min-balance"],
    durability: flags.durability,
    modifiedAfterLedger: flags["modified-after-ledger"],
    includeDeleted,
  });
  return rowFilterOf(record);
}

/** What is to be taken out: `asset-code=USDC`. */
export interface Removal {
  list: ListFlag;
  value: string;
}

export const removal: SettingType<Removal> = {
  name: "removal",
  accepts: `one of ${Object.keys(LISTS).join(", ")}, an equals sign and the value`,
  parse(value) {
    const match = /^([a-z-]+)=(.+)$/.exec(value);
    return match && Object.hasOwn(LISTS, match[1]!) ? { list: match[1] as ListFlag, value: match[2]! } : undefined;
  },
};

/** The lists are added, the removals taken out, what is not given stays. */
export function patchOf(flags: Given, removals: readonly Removal[], includeDeleted?: boolean): Init<FilterPatch> {
  const remove: Record<string, string[]> = {};
  for (const { list, value } of removals) {
    const name = LISTS[list];
    remove[name] = [...(remove[name] ?? []), value];
  }
  return {
    add: listsOf(flags),
    remove,
    includeDeleted: flags["include-deleted"] ? true : includeDeleted,
    minBalance: flags["min-balance"],
    durability: flags.durability,
    modifiedAfterLedger: flags["modified-after-ledger"],
  };
}

function listsOf(flags: FlagValues<typeof KIND_FLAGS>): Init<Filters> {
  return Object.fromEntries((Object.keys(LISTS) as ListFlag[]).map((name) => [LISTS[name], flags[name]]));
}
