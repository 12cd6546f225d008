/**
 * A rate over a sliding window: somebody samples the counter at even intervals, and the rate is taken between the
 * oldest sample in the window and the counter's present reading. Reading it changes nothing.
 */
export const RATE_WINDOW_MS = 10_000;
const SAMPLES_MAX = 64; // one a second needs ten; who samples more often thins the window out

/** The rate of one counter. Times are monotonic milliseconds, values whatever the counter counts. */
export class Rate {
  private readonly samples: Array<{ atMs: number; value: number }> = [];

  /** @param startMs monotonic, when counting began; @param value the counter at that moment */
  constructor(startMs: number = performance.now(), value = 0) {
    this.samples.push({ atMs: startMs, value });
  }

  sample(value: number, nowMs: number): void {
    const { samples } = this;
    while (samples.length > 1 && nowMs - samples[1]!.atMs >= RATE_WINDOW_MS) samples.shift();
    const last = samples[samples.length - 1]!;
    if (nowMs - last.atMs >= RATE_WINDOW_MS / SAMPLES_MAX) samples.push({ atMs: nowMs, value });
  }

  /** Units a second up to now; `value` is the counter's present reading. */
  read(value: number, nowMs: number): number {
    const { samples } = this;
    // The oldest sample that is no older than the window; where sampling stood still, the newest there is.
    const base = samples.find(({ atMs }) => nowMs - atMs <= RATE_WINDOW_MS) ?? samples[samples.length - 1]!;
    return nowMs > base.atMs ? ((value - base.value) * 1000) / (nowMs - base.atMs) : 0;
  }
}
