/** What the filters and known assets of all sessions may hold together; filter-timeline.ts has the limits of one session. */
import { CodedError } from "../error.ts";
import type { FilterRecord } from "../vocabulary/row-filter.ts";
import type { SessionRequest } from "./session-service.ts";

/** Values of all lists of all steps, and known assets, of all sessions on record, those that have ended too. */
const FILTER_VALUES_ALL_MAX = 2_000_000; // some 90 bytes each: 180 MB

/** What of a session counts. */
interface SessionLists {
  readonly steps: readonly { readonly filter: FilterRecord }[];
  readonly stored: { readonly request: Pick<SessionRequest, "knownAssets"> };
}

/**
 * Passes when `next` may be kept beside what the sessions keep. A list that several steps share counts once.
 * @throws CodedError RESOURCE_EXHAUSTED / FILTER_VALUES_ALL
 */
export function checkFilterRoom(
  sessions: Iterable<SessionLists>,
  next: readonly (FilterRecord | Pick<SessionRequest, "knownAssets">)[],
  valuesMax: number = FILTER_VALUES_ALL_MAX,
): void {
  const lists = new Set<readonly unknown[]>();
  const gather = (record: object) => {
    for (const value of Object.values(record)) if (Array.isArray(value)) lists.add(value);
  };
  for (const record of next) gather(record);
  const asked = sum(lists);
  for (const { steps, stored } of sessions) {
    for (const { filter } of steps) gather(filter);
    gather({ knownAssets: stored.request.knownAssets });
  }
  const all = sum(lists);
  if (asked === 0 || all <= valuesMax) return;
  throw new CodedError(
    "RESOURCE_EXHAUSTED",
    "FILTER_VALUES_ALL",
    `the filters and known assets of all sessions would have ${all} values together, over max ${valuesMax}: delete sessions that have ended, or select by fewer values`,
  );
}

function sum(lists: ReadonlySet<readonly unknown[]>): number {
  let values = 0;
  for (const list of lists) values += list.length;
  return values;
}
