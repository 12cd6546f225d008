/**
 * Data-plane thread. The way to a range's place where RANGES_MAX ranges are open. One that nobody reads may be ended for
 * another that waits (slow-client rules in flight/slow-clients.ts), so a new range waits while there is one
 * whose client has taken nothing since: that one reads on, or leaves, or is ended. Where every range is being read,
 * the new one is refused at once.
 *
 * Waiting ranges get places in the order in which they came.
 */
import { CodedError } from "../error.ts";
import type { RangeRequest } from "../threads/data-plane-messages.ts";
import type { Hub } from "./hub.ts";
import type { MainThread } from "./main-thread-client.ts";
import { RangeFeed } from "./range-feed.ts";

/** How long a range waits for a place. */
const RANGE_WAIT_MS_MAX = 60_000; // as long as a catch-up waits for its turn: who waits longer does better to try again
/** Ranges that wait at once; one more is refused. */
const RANGES_WAITING_MAX = 256; // each is a call without a stream; more of them are a crowd that must back off
const LOOK_MS = 50; // between looks whether waiting still makes sense; a place that is freed is noticed at once

interface Waiter {
  wake(): void;
}

/** Gives the places of RANGES_MAX to ranges, first come first served. */
export class RangePlaces {
  /** First come, first served. */
  private readonly queue: Waiter[] = [];
  /** Places whose range has been closed, and of which the main thread has not heard yet. */
  private closing = 0;
  /** Places that are free for the first in the queue. */
  private free = 0;

  constructor(
    private readonly hub: Hub,
    private readonly main: MainThread,
    private readonly nowMs: () => number,
  ) {}

  /** Ranges that wait, beyond those for which a place is on its way. */
  get starving(): number {
    return Math.max(0, this.queue.length - this.closing - this.free);
  }

  /**
   * A range, which may have to wait for its place.
   * @param signal aborts when the client has left; then it waits no longer
   * @throws CodedError RESOURCE_EXHAUSTED / RANGES_MAX where it cannot have one, or not in time; CANCELLED / CLIENT_LEFT;
   * what RangeDesk.openRange throws
   */
  async open(asked: RangeRequest, signal: AbortSignal): Promise<RangeFeed> {
    if (this.queue.length > 0) return this.wait(asked, signal, undefined);
    const opened = await this.tryOpen(asked);
    return opened instanceof RangeFeed ? opened : this.wait(asked, signal, opened);
  }

  private async wait(asked: RangeRequest, signal: AbortSignal, full: CodedError | undefined): Promise<RangeFeed> {
    const since = this.nowMs();
    const waiter: Waiter = { wake() {} };
    signal.addEventListener("abort", () => waiter.wake(), { once: true });
    if (this.queue.length >= RANGES_WAITING_MAX) throw crowded(this.queue.length);
    this.queue.push(waiter);
    try {
      let refusal = full;
      for (;;) {
        if (signal.aborted) throw new CodedError("CANCELLED", "CLIENT_LEFT", "the client left while it waited");
        if (this.queue[0] === waiter && (this.free > 0 || refusal === undefined)) {
          const opened = await this.tryOpen(asked);
          this.free = Math.max(0, this.free - 1);
          if (opened instanceof RangeFeed) return opened;
          refusal = opened;
        }
        if (!this.mayWait(since)) throw refusal ?? crowded(this.queue.length);
        await sleep(waiter);
      }
    } finally {
      this.queue.splice(this.queue.indexOf(waiter), 1);
      if (this.queue.length === 0) this.free = 0;
      this.queue[0]?.wake();
    }
  }

  /** The feed, or the error that says that all places are taken. */
  private async tryOpen(asked: RangeRequest): Promise<RangeFeed | CodedError> {
    try {
      return await RangeFeed.open(this.hub, this.main, asked, this.nowMs, (freed) => this.leaving(freed));
    } catch (thrown) {
      if (thrown instanceof CodedError && thrown.reason === "RANGES_MAX") return thrown;
      throw thrown;
    }
  }

  private leaving(freed: Promise<void>): void {
    this.closing += 1;
    void freed.then(() => {
      this.closing -= 1;
      if (this.queue.length === 0) return;
      this.free += 1;
      this.queue[0]!.wake();
    });
  }

  /** Whether some range's client has taken nothing since then, or a place is on its way. */
  private mayWait(sinceMs: number): boolean {
    if (this.nowMs() - sinceMs > RANGE_WAIT_MS_MAX) return false;
    if (this.closing + this.free > 0) return true;
    for (const stream of this.hub.all()) {
      if (stream.opening.kind !== "range") continue;
      for (const part of stream.parts) {
        for (const { blockedSinceMs } of part.clients) {
          if (blockedSinceMs !== undefined && blockedSinceMs <= sinceMs) return true;
        }
      }
    }
    return false;
  }
}

/** Until there is something to do, or it is time to look again. */
async function sleep(waiter: Waiter): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  await new Promise<void>((resolve) => {
    waiter.wake = resolve;
    timer = setTimeout(resolve, LOOK_MS);
  });
  clearTimeout(timer);
}

function crowded(waiting: number): CodedError {
  return new CodedError(
    "RESOURCE_EXHAUSTED",
    "RANGES_MAX",
    `RANGES_MAX ranges are being read, and ${waiting} more wait, of ${RANGES_WAITING_MAX} that may: read fewer at once`,
  );
}
