/**
 * How fast a name is sent rows: one pace for all deliveries of a name together, whatever they are made by. After each
 * message a delivery asks how long to wait before its next one. What is sent moves the moment at which the name is even
 * again, so deliveries get their turns in the order in which they have sent, and none waits for more than what was sent
 * before it.
 */
import type { Identity } from "./grant.ts";

const AHEAD_MS_MAX = 1000; // of its pace that a name which has rested is sent at once
const NAMES_KEPT_MAX = 1000; // before those that are even again are forgotten

/** The paces of one thread's deliveries. */
export class NamePaces {
  /** When each name has been sent no more than its pace allows, as of what was sent so far. */
  private readonly evenAtMs = new Map<string, number>();

  /** @param nowMs monotonic milliseconds */
  constructor(private readonly nowMs: () => number = () => performance.now()) {}

  /** Counts what was sent. @returns milliseconds to wait before more is sent; 0 where the name has no limit */
  sent({ name, bytesPerSecondMax }: Pick<Identity, "name" | "bytesPerSecondMax">, bytes: number): number {
    if (bytesPerSecondMax === undefined) return 0;
    const nowMs = this.nowMs();
    const from = Math.max(this.evenAtMs.get(name) ?? 0, nowMs - AHEAD_MS_MAX);
    const evenAtMs = from + (bytes / bytesPerSecondMax) * 1000;
    if (this.evenAtMs.size >= NAMES_KEPT_MAX) this.forget(nowMs - AHEAD_MS_MAX);
    this.evenAtMs.set(name, evenAtMs);
    return Math.max(0, evenAtMs - nowMs);
  }

  private forget(beforeMs: number): void {
    for (const [name, evenAtMs] of this.evenAtMs) if (evenAtMs <= beforeMs) this.evenAtMs.delete(name);
  }
}
