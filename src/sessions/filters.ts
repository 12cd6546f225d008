/** Filters of sessions: what a request may say, and what a patch makes of the filter in force. */
import { quoted } from "../base/text.ts";
import { CodedError } from "../error.ts";
import { CompiledFilter, rowFilterOf } from "../ledger/filter.ts";
import { LIST_KINDS, type ListKind } from "../vocabulary/filter-kinds.ts";
import { BALANCE_MAX, type FilterRecord, isBalance } from "../vocabulary/row-filter.ts";
import type { FilterChange, FilterPatch } from "./session-service.ts";

export const FILTER_VALUES_MAX = 10_000; // of one list: half a megabyte of ids, kept for every step of a session's history
const VALUE_LENGTH_MAX = 69; // strkeys of muxed accounts, everything else is shorter; longer ones are not repeated in errors
type ListName = ListKind["name"];
const LISTS: readonly ListName[] = LIST_KINDS.map(({ name }) => name);

/** The filter that a change makes of `before`. @throws CodedError INVALID_ARGUMENT / INVALID_FILTER, FILTER_TOO_LONG */
export function changedFilter(before: FilterRecord, change: FilterChange): FilterRecord {
  return checkedFilter("replace" in change ? change.replace : patched(before, change.patch));
}

/**
 * The filter without empty kinds and repeated values, once it is known to be one.
 * @throws CodedError INVALID_ARGUMENT / INVALID_FILTER, FILTER_TOO_LONG
 */
export function checkedFilter(filter: FilterRecord): FilterRecord {
  const checked: FilterRecord = { includeDeleted: filter.includeDeleted ?? true };
  for (const name of LISTS) {
    const values = filter[name] as readonly string[] | undefined;
    if (values === undefined || values.length === 0) continue;
    if (values.length > FILTER_VALUES_MAX) {
      throw new CodedError(
        "INVALID_ARGUMENT",
        "FILTER_TOO_LONG",
        `${name} has ${values.length} values, over max ${FILTER_VALUES_MAX}: select by another kind, or run several sessions`,
      );
    }
    const long = values.find((value) => value.length > VALUE_LENGTH_MAX);
    if (long !== undefined) {
      refuse(`${name} has a value of ${long.length} characters: none has more than ${VALUE_LENGTH_MAX}`);
    }
    setList(checked, name, [...new Set(values)]);
  }
  const { balanceMin, durability, modifiedAfterLedger } = filter;
  if (balanceMin !== undefined && balanceMin !== "") {
    if (!isBalance(balanceMin)) {
      refuse(`min_balance is ${quoted(balanceMin)}: a whole number from 0 to ${BALANCE_MAX} is accepted`);
    }
    checked.balanceMin = balanceMin;
  }
  if (filter.balances) checked.balances = true;
  if (durability !== undefined && (durability as string) !== "") checked.durability = durability;
  if (modifiedAfterLedger !== undefined && modifiedAfterLedger !== 0) checked.modifiedAfterLedger = modifiedAfterLedger;
  new CompiledFilter(rowFilterOf(checked)); // knows what every kind may hold
  return checked;
}

/** Whether it leaves out rows other than those of removed entries. */
export function selectsSome({ includeDeleted: _, ...rest }: FilterRecord): boolean {
  return Object.values(rest).some((value) => (Array.isArray(value) ? value.length > 0 : Boolean(value)));
}

/** How many values its lists have together. */
export function filterValues(filter: FilterRecord): number {
  return LISTS.reduce((sum, name) => sum + (filter[name]?.length ?? 0), 0);
}

function patched(before: FilterRecord, patch: FilterPatch): FilterRecord {
  const after: FilterRecord = { ...before };
  for (const name of LISTS) {
    const out = new Set(patch.remove[name] as readonly string[] | undefined);
    const kept = [...((before[name] as readonly string[] | undefined) ?? []), ...((patch.add[name] as string[]) ?? [])];
    setList(
      after,
      name,
      kept.filter((value) => !out.has(value)),
    );
    // An empty list would select everything, the opposite of what taking its last value out can mean.
    if (out.size > 0 && kept.length > 0 && after[name]!.length === 0) {
      refuse(
        `the patch takes the last value out of ${name}, which would select everything: replace the filter instead`,
      );
    }
  }
  if (patch.includeDeleted !== undefined) after.includeDeleted = patch.includeDeleted;
  if (patch.balanceMin !== undefined) after.balanceMin = patch.balanceMin;
  if (patch.balances !== undefined) after.balances = patch.balances;
  if (patch.modifiedAfterLedger !== undefined) after.modifiedAfterLedger = patch.modifiedAfterLedger;
  if (patch.durability !== undefined) after.durability = patch.durability as FilterRecord["durability"];
  return after;
}

function setList(filter: FilterRecord, name: ListName, values: string[]): void {
  Object.assign(filter, { [name]: values });
}

function refuse(message: string): never {
  throw new CodedError("INVALID_ARGUMENT", "INVALID_FILTER", message);
}
