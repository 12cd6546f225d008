/** How much one name reads at once, where its grant limits that. */
import { quoted } from "../base/text.ts";
import { CodedError } from "../error.ts";
import type { Identity } from "../security/grant.ts";

/** The DoGet calls that are open, by name. */
export class NameLimits {
  private readonly open = { streams: new Map<string, number>(), ranges: new Map<string, number>() };

  /**
   * Counts a DoGet until `signal` aborts.
   * @throws CodedError RESOURCE_EXHAUSTED / NAME_LIMIT
   */
  enter(identity: Identity | undefined, kind: "session" | "range", signal: AbortSignal): void {
    if (identity === undefined) return;
    const { name, streamsMax, rangesMax } = identity;
    const counted: ["streams" | "ranges", number | undefined][] = [["streams", streamsMax]];
    if (kind === "range") counted.push(["ranges", rangesMax]);
    for (const [what, max] of counted) {
      const count = this.open[what].get(name) ?? 0;
      if (max === undefined || count < max) continue;
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "NAME_LIMIT",
        `${quoted(name)} has ${count} ${what} open, and its ${what}_max is ${max}: end one first`,
      );
    }
    for (const [what] of counted) this.add(what, name, 1);
    const leave = () => {
      for (const [what] of counted) this.add(what, name, -1);
    };
    if (signal.aborted) leave();
    else signal.addEventListener("abort", leave, { once: true });
  }

  private add(what: "streams" | "ranges", name: string, by: number): void {
    const count = (this.open[what].get(name) ?? 0) + by;
    if (count === 0) this.open[what].delete(name);
    else this.open[what].set(name, count);
  }
}
