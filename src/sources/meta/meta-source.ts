/**
 * Ledgers from core's meta stream: one stream of bytes, which nobody can ask for an earlier ledger. All reads share its
 * newest ledgers (ledger-window.ts); one read that is behind holds the stream back, and so core.
 */
import { CodedError } from "../../error.ts";
import { checkRange } from "../check-range.ts";
import { BrieflyAwaited } from "../coming-bytes.ts";
import type { LedgerObject, LedgerSource, TroubleListener } from "../source.ts";
import type { ComingRecord } from "./coming-record.ts";
import { LedgerWindow } from "./ledger-window.ts";
import type { MetaFeed } from "./meta-feed.ts";
import { ledgerBefore, metaObject } from "./meta-object.ts";
import { MetaPump } from "./meta-pump.ts";

/**
 * The most that a window holds: some 16 of the busiest ledgers, so a minute and a half for a lake to catch up with, and
 * what a bucket is read ahead. A small MAX_MEMORY_MB gives less (engine/memory-plan.ts).
 */
export const META_WINDOW_BYTES_MAX = 32 << 20;

/** A read gives up after so long without a ledger from the stream: longer than a restart of core with its catch-up. */
const OUTAGE_MS_MAX = 300_000;

/** The network closes a ledger every five to six seconds. */
const REACH_MS = 8_000;

/** What may be set otherwise by tests. */
interface MetaSourceOptions {
  outageMsMax?: number;
  comingPauseMsMax?: number;
}

/** A live source: a read may begin at the oldest ledger of the window. */
export class MetaSource implements LedgerSource {
  readonly description: string;
  readonly seekable = false;
  private readonly window: LedgerWindow;
  private readonly pump: MetaPump;
  private readonly closing = new AbortController();
  private readonly pumping: Promise<void>;
  private readonly options: MetaSourceOptions & { outageMsMax: number };

  /** Begins to read the stream. @param windowBytesMax of the ledgers that are kept, or one larger ledger */
  constructor(
    feed: MetaFeed,
    windowBytesMax: number,
    { outageMsMax = OUTAGE_MS_MAX, comingPauseMsMax }: MetaSourceOptions = {},
  ) {
    this.description = `meta stream ${feed.name}`;
    this.options = { outageMsMax, comingPauseMsMax };
    this.window = new LedgerWindow(windowBytesMax);
    this.pump = new MetaPump(this.description, feed, this.window, this.closing.signal);
    this.pumping = this.pump.run();
  }

  /** The stream does not say. */
  networkPassphrase(): Promise<string | undefined> {
    return Promise.resolve(undefined);
  }

  /** The last ledger that came whole; undefined before the first. */
  ledgerLatest(): Promise<number | undefined> {
    return Promise.resolve(this.window.newest);
  }

  /** Waits a moment for its first ledger. @throws CodedError what keeps that away; silence is none */
  async reach(): Promise<void> {
    const until = Date.now() + REACH_MS;
    while (this.window.newest === undefined && Date.now() < until) {
      if (this.pump.trouble !== undefined) throw this.pump.trouble.error;
      await this.window.change(until - Date.now());
    }
  }

  /**
   * One object a ledger, inflated. A later ledger than the newest is waited for.
   * @throws CodedError OUT_OF_RANGE / LEDGER_BEFORE_SOURCE with the oldest ledger of the window; NOT_FOUND /
   * LEDGER_MISSING for a gap; after OUTAGE_MS_MAX without a ledger UNAVAILABLE / SOURCE_UNAVAILABLE, or NOT_FOUND,
   * PERMISSION_DENIED where there is no stream to read; DATA_LOSS, RESOURCE_EXHAUSTED as wholeLedgers, PipeFeed
   */
  async *read(
    start: number,
    end: number,
    signal: AbortSignal,
    onTrouble: TroubleListener = () => {},
    takesComing = false,
  ): AsyncGenerator<LedgerObject, void, undefined> {
    const last = checkRange(start, end);
    const { window } = this;
    const stop = AbortSignal.any([signal, this.closing.signal]);
    let given: ComingRecord | undefined;
    const wake = () => {
      window.notify();
      given?.wake();
    };
    stop.addEventListener("abort", wake, { once: true });
    const reader = window.enter(start);
    try {
      const waiting = new Waiting(this.pump, this.options.outageMsMax, onTrouble);
      while (reader.next <= last && !stop.aborted) {
        const sequence = reader.next;
        const bytes = window.get(sequence);
        const begun = bytes === undefined && takesComing ? window.coming(sequence) : undefined;
        if (begun !== undefined && begun !== given) {
          given = begun;
          const coming = new BrieflyAwaited(begun.awaitedBy(stop), this.options.comingPauseMsMax);
          yield { ...metaObject(this.description, begun), coming };
          if (coming.isLost) continue;
        } else if (bytes === undefined) {
          this.check(sequence);
          await window.change(waiting.msLeft());
          continue;
        } else yield metaObject(this.description, { sequence, bytes });
        reader.next += 1;
        window.notify();
      }
    } finally {
      window.leave(reader);
      stop.removeEventListener("abort", wake);
    }
  }

  async close(): Promise<void> {
    this.closing.abort();
    this.window.notify();
    await this.pumping;
  }

  /** @throws CodedError where the ledger, which is not in the window, will not come into it */
  private check(sequence: number): void {
    const { oldest } = this.window;
    if (oldest !== undefined && sequence < oldest) throw ledgerBefore(this.description, sequence, oldest);
    const fault = this.window.faultOf(sequence);
    if (fault !== undefined) throw fault;
  }
}

/** A read that waits for its next ledger: what it tells meanwhile, and for how long. */
class Waiting {
  private readonly since = Date.now();
  private told: MetaPump["trouble"];

  constructor(
    private readonly pump: MetaPump,
    private readonly msMax: number,
    private readonly onTrouble: TroubleListener,
  ) {}

  /** Milliseconds that it may wait on. @throws CodedError why nothing comes, where the time is over */
  msLeft(): number {
    const { trouble, movedAt, name } = this.pump;
    if (trouble !== this.told) this.onTrouble(trouble?.error, trouble?.retryMs ?? 0);
    this.told = trouble;
    const awayMs = Date.now() - Math.max(this.since, movedAt);
    if (awayMs < this.msMax) return this.msMax - awayMs;
    const { code, reason, message } = trouble?.error ?? nothingComes(name);
    const detail = `${message}; no ledger for ${awayMs} ms, over max ${this.msMax} ms`;
    throw CodedError.received(code, reason, detail, { cause: trouble?.error });
  }
}

function nothingComes(name: string): CodedError {
  return new CodedError("UNAVAILABLE", "SOURCE_UNAVAILABLE", `${name}: nothing comes from it`);
}
