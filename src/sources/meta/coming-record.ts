/** A large ledger of a meta stream that is read while it comes. Its last byte counts as here once the ledger is known to be whole. */

import { settlesWithin } from "../../base/settles-within.ts";
import type { Incoming } from "../coming-bytes.ts";

/** Filled by the stream; any number of reads may wait for its bytes. */
export class ComingRecord {
  private taken = 0;
  private state: "coming" | "whole" | "lost" = "coming";
  /** What the most modest of those who wait wants. */
  private wanted = Number.POSITIVE_INFINITY;
  private changed = Promise.withResolvers<void>();

  /** @param bytes memory for all of one LedgerCloseMeta */
  constructor(
    readonly sequence: number,
    readonly bytes: Uint8Array,
  ) {}

  /** Whether it may still become whole. */
  get isComing(): boolean {
    return this.state === "coming";
  }

  /** How many bytes are here, from the front on. */
  filled(): number {
    return this.state === "whole" ? this.bytes.length : Math.min(this.taken, this.bytes.length - 1);
  }

  /** Its bytes, for a read that is over once the signal has aborted and `wake` was called. */
  awaitedBy(signal: AbortSignal): Incoming {
    return { filled: () => this.filled(), until: (bytes, msMax) => this.until(bytes, msMax, signal) };
  }

  private async until(bytes: number, msMax: number, signal: AbortSignal): Promise<boolean> {
    const untilMs = performance.now() + msMax;
    while (this.filled() < bytes) {
      if (this.state === "lost" || signal.aborted) return false;
      this.wanted = Math.min(this.wanted, bytes);
      if (!(await settlesWithin(this.changed.promise, untilMs - performance.now()))) return false;
    }
    return true;
  }

  /** So many bytes have been taken off the stream. */
  fill(taken: number): void {
    this.taken = taken;
    if (this.filled() >= this.wanted) this.wake();
  }

  /** All of it is here, and it is a ledger. */
  complete(): void {
    this.state = "whole";
    this.wake();
  }

  /** No more of it comes; of one that is whole nothing changes. */
  lose(): void {
    if (this.state === "coming") this.state = "lost";
    this.wake();
  }

  /** Lets all who wait look again. */
  wake(): void {
    this.wanted = Number.POSITIVE_INFINITY;
    this.changed.resolve();
    this.changed = Promise.withResolvers();
  }
}
