/** The filters of one session, each with the first ledger that it holds for. A session keeps every filter it ever had. */
import { CodedError } from "../error.ts";
import type { FilterRecord } from "../vocabulary/row-filter.ts";
import { filterValues, selectsSome } from "./filters.ts";
import type { FilterHistoryStep } from "./session-service.ts";

const FILTER_STEPS_MAX = 256; // a worker holds a compiled filter for each step of a session
const FILTER_STEPS_VALUES_MAX = 200_000; // of all steps of a session: 12 MB of ids, in every worker and in GetSession's answer

/** The steps of one session, in rising order of ledgers; there is always at least one. */
export class FilterTimeline {
  /** @param steps at least one; the timeline takes the array over */
  constructor(readonly steps: FilterHistoryStep[]) {}

  /** The filter in force, and the ledger from which it holds. */
  get newest(): FilterHistoryStep {
    return this.steps.at(-1)!;
  }

  /** Whether the filter in force leaves anything out. */
  get selectsSome(): boolean {
    return selectsSome(this.newest.filter);
  }

  /**
   * Passes when a filter may be added: neither the number of steps nor that of their values gets too large.
   * @param id of the session, for the error
   * @throws CodedError RESOURCE_EXHAUSTED / FILTER_STEPS_VALUES or FILTER_STEPS_MAX
   */
  checkRoom(id: string, ledgerFrom: number, next: FilterRecord): void {
    const steps = this.steps.filter((step) => step.ledgerFrom < ledgerFrom);
    const kept = steps.length;
    const values = steps.reduce((sum, { filter }) => sum + filterValues(filter), filterValues(next));
    if (values > FILTER_STEPS_VALUES_MAX) {
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "FILTER_STEPS_VALUES",
        `the filters of session ${id}, which keeps all that it ever had, would have ${values} values together, over max ${FILTER_STEPS_VALUES_MAX}: start another session`,
      );
    }
    if (kept < FILTER_STEPS_MAX) return;
    throw new CodedError(
      "RESOURCE_EXHAUSTED",
      "FILTER_STEPS_MAX",
      `the filters of session ${id} have changed ${kept} times, and ${FILTER_STEPS_MAX} is the limit: start another session`,
    );
  }

  /** Adds a step; steps that begin at its ledger or later never took effect, and go. */
  add(step: FilterHistoryStep): void {
    const { steps } = this;
    while (steps.length > 0 && steps.at(-1)!.ledgerFrom >= step.ledgerFrom) steps.pop();
    steps.push(step);
  }
}

/** Whether two filters are the same text, whatever the order of their fields. */
export function sameFilter(a: FilterRecord, b: FilterRecord): boolean {
  return JSON.stringify(a, Object.keys(a).sort()) === JSON.stringify(b, Object.keys(b).sort());
}
