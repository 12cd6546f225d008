/**
 * The patience of a continuous session with its source: what time or an operator can mend is tried again for ever, and
 * what it waits for can be seen meanwhile. Nothing is ever left out for it.
 */

import { backoffMs } from "../base/backoff.ts";
import type { CodedError } from "../error.ts";
import { isMendable } from "../sources/mendable.ts";

/** First and longest wait before a source that has failed is read again. */
const SOURCE_RETRY_MS_MIN = 1_000;
const SOURCE_RETRY_MS_MAX = 30_000;

/** What a stream waits for while its source fails. */
export interface SourceWait {
  /** Needed next. */
  ledger: number;
  /** Why the last try failed. */
  error: CodedError;
  /** When the first one did. */
  sinceUnixMs: number;
  /** When the next one begins or began. */
  nextTryUnixMs: number;
}

/**
 * The retry state of one session. Waits grow from SOURCE_RETRY_MS_MIN to SOURCE_RETRY_MS_MAX, and begin anew after
 * `recovered`. The caller does the waiting and reading.
 */
export class SourcePatience {
  private current: SourceWait | undefined;
  private tries = 0;

  /**
   * @param ledgerStart the session's first ledger
   * @param changed called at each failed try, and when the source is well again (`over`)
   */
  constructor(
    private readonly ledgerStart: number,
    private readonly changed: (wait: SourceWait, over: boolean) => void,
  ) {}

  /** Undefined while the source delivers, or has nothing new. */
  get wait(): SourceWait | undefined {
    return this.current;
  }

  /** Milliseconds after which to read again from `ledger` on; undefined where that mends nothing. */
  retryAfter(ledger: number, error: CodedError): number | undefined {
    // A lake that has been copied anew may have its newest ledgers first. A session's first ledger is another matter.
    const early = error.reason === "LEDGER_BEFORE_SOURCE" && ledger > this.ledgerStart;
    if (!isMendable(error) && !early) return undefined;
    const ms = backoffMs(this.tries++, SOURCE_RETRY_MS_MIN, SOURCE_RETRY_MS_MAX);
    this.failed(ledger, error, ms);
    return ms;
  }

  /** A try has failed, and the next one begins after so long. */
  failed(ledger: number, error: CodedError, retryMs: number): void {
    const now = Date.now();
    const sinceUnixMs = this.current?.sinceUnixMs ?? now;
    this.current = { ledger, error, sinceUnixMs, nextTryUnixMs: now + retryMs };
    this.changed(this.current, false);
  }

  /** A ledger has come, or a look at the source has succeeded. */
  recovered(): void {
    this.tries = 0;
    const { current } = this;
    if (current === undefined) return;
    this.current = undefined;
    this.changed(current, true);
  }
}

/** For people: which ledger, why, since when, and when it is tried again. */
export function waitSentence({ ledger, error, sinceUnixMs, nextTryUnixMs }: SourceWait, nowUnixMs: number): string {
  const seconds = Math.ceil((nextTryUnixMs - nowUnixMs) / 1000);
  const next = seconds > 0 ? `next try in ${seconds} s` : "trying now";
  const since = new Date(sinceUnixMs).toISOString().replace(/\.\d+/, "");
  return `waiting for ledger ${ledger}: ${error.message}, since ${since}, ${next}`;
}
