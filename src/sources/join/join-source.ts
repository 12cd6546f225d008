/**
 * Several sources as one: history from lakes, then the tip from a service, with every ledger once and in order
 * (docs/sources.md, Joins). Which member gives a ledger is decided anew by each read: join-read.ts.
 */
import { CodedError } from "../../error.ts";
import { checkRange } from "../check-range.ts";
import type { LedgerObject, LedgerSource, SourceCondition, TroubleListener } from "../source.ts";
import { JOIN_LIMITS, type JoinLimits } from "./join-limits.ts";
import { JoinMember, type MemberSpec, OneNetwork } from "./join-member.ts";
import { JoinRead } from "./join-read.ts";

/** Any number of reads may run at once. `close` ends them and all members. Get one by `open`. */
export class JoinSource implements LedgerSource {
  readonly description: string;
  readonly seekable: boolean;
  private readonly network = new OneNetwork();
  /** The newest ledger that any read has given. */
  private newest = 0;
  private readonly closing = new AbortController();

  private constructor(
    private readonly members: readonly JoinMember[],
    private readonly limits: JoinLimits,
  ) {
    const shown = members.map(({ description }) => description);
    const tip = members.findIndex(({ isTip }) => isTip);
    this.description = [...shown.slice(0, tip), shown.slice(tip).join(" or ")].join(", then ");
    this.seekable = members.some(({ seekable }) => seekable);
  }

  /**
   * Opens the members. One that cannot be opened is opened again when it is needed, as long as another one can be.
   * @param specs at least one; the last counts as a tip whatever it is
   * @throws CodedError INVALID_ARGUMENT for an address; FAILED_PRECONDITION / NETWORK_MISMATCH; of the first member where
   * none can be opened
   */
  static async open(specs: readonly MemberSpec[], limits: Partial<JoinLimits> = {}): Promise<JoinSource> {
    const all = { ...JOIN_LIMITS, ...limits };
    const members = specs.map(
      (spec, index) => new JoinMember({ ...spec, isTip: spec.isTip || index === specs.length - 1 }),
    );
    const { signal } = new AbortController();
    const faults = await Promise.all(
      members.map((member) =>
        member.source(all.openMsMax, signal).then(
          () => undefined,
          (thrown) => CodedError.from(thrown),
        ),
      ),
    );
    const source = new JoinSource(members, all);
    try {
      const wrong = faults.find((fault) => fault?.code === "INVALID_ARGUMENT");
      if (wrong !== undefined || faults.every((fault) => fault !== undefined)) throw wrong ?? faults[0]!;
      for (const member of members) source.network.check(member);
    } catch (thrown) {
      await source.close();
      throw thrown;
    }
    return source;
  }

  /** As the members have named it so far; asks nobody. */
  networkPassphrase(): Promise<string | undefined> {
    return Promise.resolve(this.network.passphrase);
  }

  /** The first tip that answers tells, unless another one has given a later ledger; lakes are asked where no tip can be. */
  async ledgerLatest(): Promise<number | undefined> {
    let fault: unknown;
    for (const member of [...this.members].sort((a, b) => Number(b.isTip) - Number(a.isTip))) {
      try {
        const source = await member.source(this.limits.openMsMax, this.closing.signal);
        const latest = await source.ledgerLatest();
        return latest && Math.max(latest, this.newest);
      } catch (thrown) {
        fault ??= thrown;
      }
    }
    throw fault;
  }

  /** Who is read now, and who cannot be opened; that is tried again every retryMsMax. */
  condition(): SourceCondition {
    const parts = [this.description];
    for (const { readers, description } of this.members) {
      if (readers > 0) parts.push(`${readers === 1 ? "1 read" : `${readers} reads`} of ${description} now`);
    }
    let well = true;
    for (const member of this.members) {
      const trouble = member.trouble(this.limits.retryMsMax, this.closing.signal);
      if (trouble === undefined) continue;
      well = false;
      parts.push(`${member.description} cannot be opened: ${trouble.message}`);
    }
    return { message: parts.join("; "), well };
  }

  /**
   * @throws CodedError for a range with an end, of what no member gives for outageMsMax: UNAVAILABLE / NO_MEMBER_DELIVERS,
   * or a lake's own error; where no member can ever give a ledger, the first one's; all with what each member says. With
   * `end` 0 it waits for what may come yet, and tells `onTrouble`
   */
  async *read(
    start: number,
    end: number,
    signal: AbortSignal,
    onTrouble: TroubleListener = () => {},
  ): AsyncGenerator<LedgerObject, void, undefined> {
    const range = { start, end, last: checkRange(start, end) };
    const stop = AbortSignal.any([signal, this.closing.signal]);
    const read = new JoinRead(this.members, this.network, range, stop, onTrouble, this.limits);
    for await (const object of read.objects()) {
      this.newest = Math.max(this.newest, object.ledgerLast);
      yield object;
    }
  }

  async close(): Promise<void> {
    this.closing.abort();
    await Promise.all(this.members.map((member) => member.close()));
  }
}
