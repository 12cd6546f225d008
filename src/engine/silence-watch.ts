/**
 * Main thread: notices that the data-plane thread takes no turns any more. A thread that loops or is blocked does not
 * end, and nothing else would tell it from one that has no clients.
 */
import type { Heartbeat } from "../threads/heartbeat.ts";

/** When a silence counts; all in milliseconds. */
export interface SilenceLimits {
  /** From then on the thread counts as silent: Flight is not served. */
  silentMs: number;
  /** From then on the thread counts as lost. */
  lostMs: number;
  /** Between two looks. */
  lookMs: number;
}

const SILENCE_LIMITS: SilenceLimits = {
  silentMs: 5_000, // the longest turns of a busy data plane are well under a second
  lostMs: 60_000, // a machine that swaps may come back; probes that believe /health have acted long before
  lookMs: 500,
};

/** What the watch tells; `ms` is how long the thread has been silent. */
export interface SilenceEvents {
  /** Once, when the silence begins to count. */
  silent(ms: number): void;
  /** Once, when a silence that counted is over. */
  over(ms: number): void;
  /** Once; no look follows. */
  lost(ms: number): void;
}

/** Counts the time in which the heart has not beaten, in looks of its own: a process that was paused is not silent. */
export class SilenceWatch {
  private count: number;
  private silentMs = 0;
  private told = false;
  private lookedMs: number;
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly heartbeat: Heartbeat,
    private readonly events: SilenceEvents,
    private readonly limits: SilenceLimits = SILENCE_LIMITS,
    private readonly nowMs: () => number = () => performance.now(),
  ) {
    this.count = heartbeat.count;
    this.lookedMs = nowMs();
  }

  start(): void {
    this.timer = setInterval(() => this.look(), this.limits.lookMs);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** How long the thread has been silent, where that counts; undefined while it answers. */
  get silence(): number | undefined {
    return this.told ? this.silentMs : undefined;
  }

  look(): void {
    const nowMs = this.nowMs();
    // No more than two intervals a look: where this thread had no turns either, the whole process was paused.
    const passedMs = Math.min(nowMs - this.lookedMs, 2 * this.limits.lookMs);
    this.lookedMs = nowMs;
    const { count } = this.heartbeat;
    if (count !== this.count) {
      this.count = count;
      const ms = this.silentMs;
      this.silentMs = 0;
      if (!this.told) return;
      this.told = false;
      this.events.over(ms);
      return;
    }
    this.silentMs += passedMs;
    if (!this.told && this.silentMs >= this.limits.silentMs) {
      this.told = true;
      this.events.silent(this.silentMs);
    }
    if (this.silentMs >= this.limits.lostMs) {
      this.stop();
      this.events.lost(this.silentMs);
    }
  }
}
