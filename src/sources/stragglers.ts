/**
 * Tells when an answer is so late that a second request for the same is worth it: the one that was sent may have met a
 * server that hangs. Second requests are few, whatever the store does.
 */

/** Late is what takes so many times the median of the last answers, and no less than this. */
const LATE_MEDIANS = 4;
const LATE_MS_MIN = 250;
/** Late while too few answers are known. */
const LATE_MS_UNKNOWN = 2_000;

/** Answers that the median is of, at most and at least. */
const ANSWERS_MAX = 64;
const ANSWERS_MIN = 8;

/** One second request to so many answers; what is not used is kept for so many at most. */
const ANSWERS_TO_SECOND = 20;
const SECONDS_KEPT_MAX = 2;

/** The answers of one store. */
export class Stragglers {
  private readonly lastMs: number[] = [];
  private seconds = 1;

  /** An answer has come after so long. */
  came(ms: number): void {
    if (this.lastMs.push(ms) > ANSWERS_MAX) this.lastMs.shift();
    this.seconds = Math.min(SECONDS_KEPT_MAX, this.seconds + 1 / ANSWERS_TO_SECOND);
  }

  /** Milliseconds after which an answer is late. */
  get lateMs(): number {
    if (this.lastMs.length < ANSWERS_MIN) return LATE_MS_UNKNOWN;
    const median = this.lastMs.toSorted((a, b) => a - b)[this.lastMs.length >> 1]!;
    return Math.max(LATE_MS_MIN, LATE_MEDIANS * median);
  }

  /** Whether one more second request may be sent; it is then counted. */
  take(): boolean {
    if (this.seconds < 1) return false;
    this.seconds -= 1;
    return true;
  }
}
