/** Counts a second since the heartbeat before. */
const MS_MIN = 1_000; // over less, a rate is chance

/** Rates of counters by name, which never fall. */
export class Rates<N extends string> {
  private before: Readonly<Record<N, number>>;
  private beforeMs = performance.now();
  private rates: Readonly<Record<N, number>>;

  /** @param names of the counters, which begin at 0 */
  constructor(names: readonly N[]) {
    this.before = this.rates = Object.fromEntries(names.map((name) => [name, 0])) as Record<N, number>;
  }

  /** The rates up to now; those of the call before where that was just now. */
  of(counts: Readonly<Record<N, number>>): Readonly<Record<N, number>> {
    const nowMs = performance.now();
    const ms = nowMs - this.beforeMs;
    if (ms < MS_MIN) return this.rates;
    const names = Object.keys(this.before) as N[];
    const rates = names.map((name) => [name, ((counts[name] - this.before[name]) * 1000) / ms]);
    this.rates = Object.fromEntries(rates) as Record<N, number>;
    this.before = counts;
    this.beforeMs = nowMs;
    return this.rates;
  }
}
