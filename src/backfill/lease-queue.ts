/** Hands out chunks with nothing but the place itself: whoever writes the object of a try first has the chunk. */
import { pause } from "../base/pause.ts";
import { CodedError } from "../error.ts";
import type { LedgerRange } from "../vocabulary/ledger-range.ts";
import type { ChunkBoard } from "./chunk-board.ts";
import type { ChunkQueue, TakenChunk } from "./chunk-queue.ts";
import type { LostWorkers } from "./lost-workers.ts";

const RACE_MS = 50; // until the place is looked at again
const LOOK_MS_MIN = 250; // the first look at what others have; then half as often each time
const LOOKS_A_LEASE = 6; // a worker is known to be lost after a lease and a sixth

/** One worker's view of it. */
export class LeaseQueue implements ChunkQueue {
  /**
   * @param worker its id
   * @param index which of the free chunks it tries first, so that workers that look at the same instant do not all try
   * the same one
   */
  constructor(
    readonly board: ChunkBoard,
    private readonly workers: LostWorkers,
    private readonly worker: string,
    private readonly index: number,
    private readonly leaseMs: number,
  ) {}

  async take(signal: AbortSignal): Promise<TakenChunk | undefined> {
    const { board } = this;
    for (let lookMs = LOOK_MS_MIN; ; lookMs *= 2) {
      signal.throwIfAborted();
      await board.refresh();
      const free = board.in("free").toSorted((a, b) => board.triesOf(a).last - board.triesOf(b).last); // new ones first
      const first = free.length === 0 ? 0 : this.index % free.length;
      for (const chunk of [...free.slice(first), ...free.slice(0, first)]) {
        signal.throwIfAborted();
        const begun = await this.begin(chunk);
        if (begun !== undefined) return begun;
      }
      if (free.length > 0) {
        await pause(RACE_MS, signal); // others were first with each of them
        continue;
      }
      const held = board.in("taken");
      if (held.length === 0) return undefined;
      for (const chunk of held) {
        const own = await this.lookAt(chunk);
        if (own !== undefined) return own;
      }
      await pause(Math.min(lookMs, this.leaseMs / LOOKS_A_LEASE), signal);
    }
  }

  async drop(): Promise<void> {} // what is at the place stays, for whoever asks how it went

  /** Begins the chunk's next try. @returns undefined where somebody else was first. @throws CodedError as the storage */
  async begin(chunk: LedgerRange): Promise<TakenChunk | undefined> {
    const number = this.board.triesOf(chunk).last + 1;
    return (await this.board.log.take(chunk, number, this.worker)) ? this.taken(chunk, number) : undefined;
  }

  /**
   * Ends the try of a worker that is lost.
   * @returns the chunk where it is this worker's own, whose answer was lost
   * @throws CodedError as the storage
   */
  async lookAt(chunk: LedgerRange): Promise<TakenChunk | undefined> {
    const { last } = this.board.triesOf(chunk);
    const holder = await this.board.log.holder(chunk, last);
    if (holder === undefined) return undefined;
    if (holder === this.worker) return this.taken(chunk, last);
    if (await this.workers.isLost(holder)) {
      const message = `worker ${holder} has renewed nothing for ${this.leaseMs} ms`;
      const why = new CodedError("UNAVAILABLE", "BACKFILL_WORKER_LOST", message);
      await this.board.log.end(chunk, last, "lost", this.worker, why);
    }
    return undefined;
  }

  private taken(chunk: LedgerRange, number: number): TakenChunk {
    return {
      ...{ chunk, number },
      done: async () => {},
      giveUp: (how, why) => this.board.log.end(chunk, number, how, this.worker, why),
    };
  }
}
