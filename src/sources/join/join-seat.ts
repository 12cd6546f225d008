/** How one member fares in one read of a joined source. */
import { backoffMs } from "../../base/backoff.ts";
import { CodedError } from "../../error.ts";
import { isMendable } from "../mendable.ts";
import type { JoinLimits } from "./join-limits.ts";
import type { JoinMember } from "./join-member.ts";

/** A member that has failed rests before it is read again: longer each time, until it has served for a while. */
export class JoinSeat {
  /** Why it was left; undefined where it delivers or has nothing new. */
  error: CodedError | undefined;
  /** The last that it said is that it has nothing new. */
  isWell = false;
  /** It had failed while another one went on, and is now far ahead of that. */
  isAhead = false;
  private errorLedger = 0;
  private restsUntilMs = Number.NEGATIVE_INFINITY;
  private tries = 0;
  private servesSinceMs: number | undefined;
  private isLooking = false;

  constructor(
    readonly member: JoinMember,
    private readonly limits: JoinLimits,
  ) {}

  /** Milliseconds until it may be read; 0 = now. */
  get restMs(): number {
    return Math.max(0, this.restsUntilMs - performance.now());
  }

  /** Whether no time makes it give that ledger, as far as it says. */
  isHopelessFor(ledger: number): boolean {
    const { error } = this;
    return error !== undefined && ledger === this.errorLedger && !isMendable(error) && !this.isBehind;
  }

  /** It ends before the ledger that is needed. */
  get isBehind(): boolean {
    return this.error?.reason === "LEDGER_AFTER_SOURCE";
  }

  /** It has given an object. */
  delivered(): void {
    this.error = undefined;
    this.isWell = false;
    this.isAhead = false;
    const now = performance.now();
    this.servesSinceMs ??= now;
    if (now - this.servesSinceMs >= this.limits.steadyMs) this.tries = 0;
  }

  /** It has nothing new. */
  quiet(): void {
    this.error = undefined;
    this.isWell = true;
  }

  /** @param error why it is left at `ledger`; undefined where it is well and gives nothing all the same */
  rest(ledger: number, error: CodedError | undefined): void {
    const { retryMsMin, retryMsMax } = this.limits;
    this.servesSinceMs = undefined;
    this.error = error;
    this.errorLedger = ledger;
    if (error !== undefined) this.isWell = false;
    const ms = error === undefined ? retryMsMin : backoffMs(this.tries++, retryMsMin, retryMsMax);
    this.restsUntilMs = performance.now() + ms;
  }

  /** Looks, in the background and once at a time, whether it is far ahead of the ledger that another one is to give next. */
  look(next: () => number, stop: AbortSignal): void {
    if (this.isLooking || this.restMs > 0) return;
    this.isLooking = true;
    this.member
      .source(this.limits.openMsMax, stop)
      .then((source) => source.ledgerLatest())
      .then(
        (latest) => {
          if (latest !== undefined && latest >= next() + this.limits.aheadLedgersMin) this.isAhead = true;
          else this.quiet();
        },
        (thrown) => this.rest(next(), CodedError.from(thrown)),
      )
      .finally(() => {
        this.isLooking = false;
      });
  }

  /** For people. */
  sentence(): string {
    const { description } = this.member;
    if (this.error === undefined) return `${description} has nothing newer`;
    const { message } = this.error;
    return message.includes(description) ? message : `${description}: ${message}`;
  }
}
