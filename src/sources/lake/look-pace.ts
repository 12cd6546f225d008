/**
 * How often to look for the next object of a lake: often about the time at which it is due, by the distance of the last
 * two, and seldom long before and after that. At the network's pace of one in five seconds that is a third of the looks.
 */

/** Longest pause between two looks; a storage that is looked at seldom has a longer one. */
const PAUSE_MS_MAX = 100;
const PAUSES_MIN_MAX = 4; // of the shortest pause

/** Looks within the time that is left until an object is due, or has passed since: fewer where a look costs more. */
const LOOKS_TO_DUE_MAX = 50;
const LOOKS_TO_DUE_MIN = 3;
const LOOKS_MS = 500; // of the shortest pauses together

/** The pace of one lake. All times are milliseconds; `now` is a monotonic clock. */
export class LookPace {
  private cameAtMs: number | undefined;
  private readonly looksToDue: number;
  private readonly pauseMsMax: number;
  /** Between the last two objects; undefined while fewer have come. */
  private distanceMs: number | undefined;

  /** @param pauseMsMin between two looks when the next object is due; also as long as nothing is known */
  constructor(
    private readonly pauseMsMin: number,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.looksToDue = Math.max(LOOKS_TO_DUE_MIN, Math.min(LOOKS_TO_DUE_MAX, LOOKS_MS / pauseMsMin));
    this.pauseMsMax = Math.max(PAUSE_MS_MAX, PAUSES_MIN_MAX * pauseMsMin);
  }

  /** An object has come. */
  came(): void {
    const now = this.now();
    if (this.cameAtMs !== undefined) this.distanceMs = now - this.cameAtMs;
    this.cameAtMs = now;
  }

  /** Until the next look. */
  pauseMs(): number {
    if (this.cameAtMs === undefined || this.distanceMs === undefined) return this.pauseMsMin;
    const untilDueMs = Math.abs(this.cameAtMs + this.distanceMs - this.now());
    return Math.min(this.pauseMsMax, Math.max(this.pauseMsMin, untilDueMs / this.looksToDue));
  }
}
