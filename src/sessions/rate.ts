/**
 * A rate over the last seconds, worked out when somebody asks: each reading is kept, and the rate is taken against
 * the oldest one within the window. Nothing runs in between.
 */
const WINDOW_MS = 5000;
const READINGS_MAX = 64; // frequent readers thin the window out instead of growing it

export class Rate {
  private readings: Array<{ atMs: number; value: number }> = [];

  constructor(startMs: number = performance.now()) {
    this.readings.push({ atMs: startMs, value: 0 });
  }

  /** Units a second up to now; `value` is the counter's present reading. */
  read(value: number, nowMs: number): number {
    while (this.readings.length > 1 && nowMs - this.readings[1]!.atMs >= WINDOW_MS) this.readings.shift();
    const base = this.readings[0]!;
    const last = this.readings[this.readings.length - 1]!;
    if (nowMs - last.atMs >= WINDOW_MS / READINGS_MAX) this.readings.push({ atMs: nowMs, value });
    return nowMs > base.atMs ? ((value - base.value) * 1000) / (nowMs - base.atMs) : 0;
  }
}
