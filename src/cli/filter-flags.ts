/** Filters on the command line: the same flags for `start`, `filters` and `decode`. */

import { balance, integer, oneOf, type SettingType, text } from "../config/types.ts";
import type { FilterPatch, Filters } from "../grpc/generated/control.ts";
import type { Init } from "../grpc/service.ts";
import { rowFilterOf } from "../ledger/filter.ts";
import { LEDGER_SEQUENCE_MAX } from "../ledger/terms.ts";
import { checkedFilter } from "../sessions/filters.ts";
import { FILTER_KINDS, type FilterKind, LIST_KINDS, type ListKind } from "../vocabulary/filter-kinds.ts";
import type { FilterRecord, RowFilter } from "../vocabulary/row-filter.ts";
import { type Flag, type FlagValues, option, repeated, toggle } from "./flags.ts";

/** A kind's flag by the type of its value. */
interface FlagOf {
  texts: Flag<string[]>;
  amount: Flag<string | undefined>;
  word: Flag<"temporary" | "persistent" | undefined>;
  ledger: Flag<number | undefined>;
  switch: Flag<boolean>;
  only: Flag<boolean>;
}

type Kind = (typeof FILTER_KINDS)[number];
type KindFlags = { readonly [K in Kind as K["flag"]]: FlagOf[K["type"]] };

function flagOf({ type, placeholder, summary }: FilterKind): Flag<unknown> {
  switch (type) {
    case "texts":
      return repeated({ placeholder, type: text, summary });
    case "amount":
      return option({ placeholder, type: balance, summary });
    case "word":
      return option({ placeholder, type: oneOf(["temporary", "persistent"]), summary });
    case "ledger":
      return option({ placeholder, type: integer(0, LEDGER_SEQUENCE_MAX), summary });
    case "switch":
    case "only":
      return toggle({ summary });
  }
}

/** A flag for every kind of filter. */
export const FILTER_FLAGS: KindFlags = Object.fromEntries(
  FILTER_KINDS.map((kind) => [kind.flag, flagOf(kind)]),
) as unknown as KindFlags; // `flagOf` makes of each type what FlagOf says

const { "include-deleted": _, ...kindFlags } = FILTER_FLAGS;
/** All kinds but that of removed entries, which has two defaults. */
export const KIND_FLAGS = kindFlags;

type Given = FlagValues<typeof FILTER_FLAGS>;

type ListFlag = ListKind["flag"];
const LISTS = Object.fromEntries(LIST_KINDS.map(({ flag, name }) => [flag, name])) as Record<
  ListFlag,
  ListKind["name"]
>;

/** Whether some filter is given. */
export function anyFilter(flags: Given): boolean {
  return FILTER_KINDS.some(({ flag }) => {
    const value = flags[flag];
    return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
  });
}

/** The flags as the filters of a ticket; undefined where none is given. */
export function ticketFilters(flags: Given): Record<string, unknown> | undefined {
  if (!anyFilter(flags)) return undefined;
  return Object.fromEntries(FILTER_KINDS.map(({ flag, key }) => [key, flags[flag] || undefined]));
}

/** The flags as they would be typed. */
export function typedFilters(flags: Given): string[] {
  return FILTER_KINDS.flatMap(({ flag }) => {
    const value = flags[flag];
    if (value === undefined || value === false) return [];
    if (value === true) return [`--${flag}`];
    return [value].flat().flatMap((each) => [`--${flag}`, String(each)]);
  });
}

/** The flags as the control API's Filters. */
export function filtersOf(flags: Given): Init<Filters> {
  return {
    ...listsOf(flags),
    minBalance: flags["min-balance"],
    balances: flags.balances,
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
    balances: flags.balances,
    durability: flags.durability,
    modifiedAfterLedger: flags["modified-after-ledger"],
    includeDeleted,
  });
  return rowFilterOf(record);
}

/** What is to be taken out: `asset-code=USDC`. */
interface Removal {
  list: ListFlag;
  value: string;
}

/** `--remove LIST=VALUE`. */
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
    balances: flags.balances || undefined,
    durability: flags.durability,
    modifiedAfterLedger: flags["modified-after-ledger"],
  };
}

function listsOf(flags: FlagValues<typeof KIND_FLAGS>): Init<Filters> {
  return Object.fromEntries((Object.keys(LISTS) as ListFlag[]).map((name) => [LISTS[name], flags[name]]));
}
