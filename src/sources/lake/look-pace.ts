/**
 * How often to look for the next object of a lake: often about the time at which it is due, by the distance of the last
 * two, and seldom long before and after that. At the network's pace of one in five seconds that is a third of the looks.
 */

/** Longest pause between two looks. */
const PAUSE_MS_MAX = 100;

/** Looks within the time that is left until an object is due, or has passed since. */
const LOOKS_TO_DUE = 50;

/** The pace of one lake. All times are milliseconds; `now` is a monotonic clock. */
export class LookPace {
  private cameAtMs: number | undefined;
  /** Between the last two objects; undefined while fewer have come. */
  private distanceMs: number | undefined;

  /** @param pauseMsMin between two looks when the next object is due; also as long as nothing is known */
  constructor(
    private readonly pauseMsMin: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** An object has come. */
  came(): void {
    const now = this.now();
    if (this.cameAtMs !== undefined) this.distanceMs = now - this.cameAtMs;
    this.cameAtMs = now;
  }

  /** Until the next look. */
  pauseMs(): number {
    if (this.cameAtMs === undefined || this.distanceMs === undefined) return Math.min(this.pauseMsMin, PAUSE_MS_MAX);
    const untilDueMs = Math.abs(this.cameAtMs + this.distanceMs - this.now());
    return Math.min(PAUSE_MS_MAX, Math.max(this.pauseMsMin, untilDueMs / LOOKS_TO_DUE));
  }
}
