/**
 * One read of a joined source. Its members are asked in their order, each for the next ledger that is needed, and one
 * that delivers is read until it is left:
 *
 * | a member                                   | that is a lake                       | that is a tip                     |
 * |--------------------------------------------|--------------------------------------|-----------------------------------|
 * | has nothing newer                          | is left for the next one that is not | is waited for                     |
 * |                                            | at rest, else waited for             |                                   |
 * | fails, or gives another ledger than needed | rests, and the next one is asked     | rests, and the lake is asked first |
 * | gives nothing for long                     | the same                             | the same                          |
 *
 * A tip that serves is read on, also where one before it is well again; a lake that had failed is looked at meanwhile,
 * and is read again when it is far ahead.
 */
import { pause } from "../../base/pause.ts";
import { CodedError } from "../../error.ts";
import type { LedgerObject, TroubleListener } from "../source.ts";
import type { JoinLimits } from "./join-limits.ts";
import type { JoinMember, OneNetwork } from "./join-member.ts";
import { JoinSeat } from "./join-seat.ts";
import { MemberRead } from "./member-read.ts";

/** The ledgers to read; `end` is as for LedgerSource.read, `last` the last one in any case. */
interface JoinRange {
  start: number;
  end: number;
  last: number;
}

/** Knows the next ledger that is needed, and who may give it. */
export class JoinRead {
  private readonly seats: readonly JoinSeat[];
  private next: number;
  private movedMs = performance.now();

  constructor(
    members: readonly JoinMember[],
    private readonly network: OneNetwork,
    private readonly range: JoinRange,
    private readonly stop: AbortSignal,
    private readonly onTrouble: TroubleListener,
    private readonly limits: JoinLimits,
  ) {
    this.seats = members.map((member) => new JoinSeat(member, limits));
    this.next = range.start;
  }

  /** As LedgerSource.read. Each object holds the ledger that is needed next, and may begin before it. */
  async *objects(): AsyncGenerator<LedgerObject, void, undefined> {
    while (!this.isOver) {
      const before = this.next;
      yield* this.round();
      if (this.isOver) return;
      const restMs = Math.min(...this.seats.map((seat) => seat.restMs));
      if (this.next === before || restMs > 0) this.tell(restMs);
      await pause(restMs, this.stop);
    }
  }

  private get isOver(): boolean {
    return this.stop.aborted || this.next > this.range.last;
  }

  private async *round(): AsyncGenerator<LedgerObject, void, undefined> {
    for (const seat of this.seats) {
      if (this.isOver) return;
      if (seat.restMs > 0) continue;
      const before = this.next;
      yield* this.from(seat);
      if (seat.member.isTip && this.next > before) return;
    }
  }

  /** What one member gives until it is left. */
  private async *from(seat: JoinSeat): AsyncGenerator<LedgerObject, void, undefined> {
    const { member } = seat;
    const silentMs = member.isTip ? this.limits.silentMsMax : this.limits.lakeSilentMsMax;
    const reading = await this.begin(seat);
    if (reading === undefined) return;
    member.readers += 1;
    try {
      const [asked, begunMs] = [this.next, performance.now()];
      let leaveMs = begunMs + silentMs;
      let isSpare = false;
      for (;;) {
        const news = await reading.next(Math.max(0, leaveMs - performance.now()));
        if (this.stop.aborted) return;
        if (news.kind === "object") {
          const misplaced = this.misplaced(seat, news.object);
          if (misplaced !== undefined) return seat.rest(this.next, misplaced);
          seat.delivered();
          yield news.object;
          this.next = news.object.ledgerLast + 1;
          this.movedMs = performance.now();
          if (this.isOver || this.isLakeAhead(seat)) return;
          leaveMs = this.movedMs + silentMs;
          isSpare = false;
        } else if (news.kind === "quiet") {
          seat.quiet();
          if (member.isTip) {
            this.onTrouble(undefined, 0);
            if (this.next === asked) leaveMs = Math.min(leaveMs, begunMs + this.limits.quietMsMax);
          } else {
            const restMs = this.restMsBehind(seat);
            if (restMs === 0) return;
            this.tell(restMs);
            leaveMs = performance.now() + restMs;
            isSpare = true;
          }
        } else if (news.kind === "silent") {
          if (!isSpare) seat.rest(this.next, seat.isWell ? undefined : this.silence(seat, silentMs));
          return;
        } else {
          return seat.rest(this.next, news.kind === "trouble" ? news.error : this.short(seat));
        }
      }
    } finally {
      member.readers -= 1;
      reading.close();
    }
  }

  /** Undefined where it cannot be read now: it rests then. */
  private async begin(seat: JoinSeat): Promise<MemberRead | undefined> {
    seat.isWell = false;
    try {
      const source = await seat.member.source(this.limits.openMsMax, this.stop);
      this.network.check(seat.member);
      return new MemberRead(source, this.next, this.range.end, this.stop);
    } catch (thrown) {
      seat.rest(this.next, CodedError.from(thrown));
      return undefined;
    }
  }

  /** Until a member behind this one may be read; 0 = now. */
  private restMsBehind(seat: JoinSeat): number {
    const behind = this.seats.slice(this.seats.indexOf(seat) + 1);
    return Math.min(...behind.map(({ restMs }) => restMs));
  }

  /** Whether a lake before this member has failed, and is now far ahead. */
  private isLakeAhead(serving: JoinSeat): boolean {
    for (const seat of this.seats) {
      if (seat === serving) return false;
      if (seat.isAhead) return true;
      if (!seat.member.isTip && seat.error !== undefined && !seat.isBehind) seat.look(() => this.next, this.stop);
    }
    return false;
  }

  /**
   * What the reader is told while no member delivers: that all is well where a tip has nothing new, else what each says.
   * @throws CodedError where waiting mends nothing, or has lasted for too long in a read that is not to wait for ever
   */
  private tell(restMs: number): void {
    const { seats } = this;
    const hopeless = seats.filter((seat) => seat.isHopelessFor(this.next));
    const lake = hopeless.find(({ member }) => !member.isTip);
    if (hopeless.length === seats.length) throw this.fault((lake ?? seats[0]!).error);
    const isBounded = this.range.end !== 0;
    if (isBounded && seats.every(({ isBehind }) => isBehind)) throw this.fault(seats[0]!.error);
    const isOverdue = performance.now() - this.movedMs >= this.limits.outageMsMax;
    if (isOverdue && (isBounded || lake !== undefined)) throw this.fault(lake?.error);
    const isWell = seats.some(({ member, isWell }) => member.isTip && isWell);
    this.onTrouble(isWell ? undefined : this.fault(undefined), restMs);
  }

  /** What all members say, as the error of one of them, or that none delivers. */
  private fault(lead: CodedError | undefined): CodedError {
    const message = `no member of the source gives ledger ${this.next}: ${this.seats.map((seat) => seat.sentence()).join("; ")}`;
    if (lead === undefined) return new CodedError("UNAVAILABLE", "NO_MEMBER_DELIVERS", message);
    return CodedError.received(lead.code, lead.reason, message, { cause: lead });
  }

  private misplaced({ member }: JoinSeat, { name, ledgerFirst, ledgerLast }: LedgerObject): CodedError | undefined {
    if (ledgerFirst <= this.next && this.next <= ledgerLast) return undefined;
    const message = `${member.description}: ${name} holds ledgers ${ledgerFirst} to ${ledgerLast}, but ${this.next} is next`;
    return new CodedError("DATA_LOSS", "LEDGER_GAP", message);
  }

  private silence({ member }: JoinSeat, ms: number): CodedError {
    const message = `${member.description}: nothing came for ${ms} ms`;
    return new CodedError("UNAVAILABLE", "SOURCE_UNAVAILABLE", message);
  }

  private short({ member }: JoinSeat): CodedError {
    const message = `${member.description}: it ended before ledger ${this.next}`;
    return new CodedError("UNAVAILABLE", "SOURCE_UNAVAILABLE", message);
  }
}
