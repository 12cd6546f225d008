/** One member of a joined source: opened when it is needed, and again where that has failed. */
import { settlesWithin } from "../../base/settles-within.ts";
import { CodedError } from "../../error.ts";
import type { LedgerSource } from "../source.ts";

/** What a member is before it is opened. */
export interface MemberSpec {
  /** For people, until the source itself tells. */
  name: string;
  /** False for a lake, which lags behind the network: it is left for a later member as soon as it has nothing newer. */
  isTip: boolean;
  open(): Promise<LedgerSource>;
}

/** Opens its source once, for all reads. */
export class JoinMember {
  readonly isTip: boolean;
  /** Reads of it under way. */
  readers = 0;
  private fault: { error: CodedError; atMs: number } | undefined;
  /** The network that it names, once it has been asked. */
  network: string | undefined;
  private opened: LedgerSource | undefined;
  private opening: Promise<LedgerSource> | undefined;
  private isNetworkKnown = false;
  private closed = false;

  constructor(private readonly spec: MemberSpec) {
    this.isTip = spec.isTip;
  }

  get description(): string {
    return this.opened?.description ?? this.spec.name;
  }

  /** Whether any ledger can be read again; of a lake that is away, what it will be. */
  get seekable(): boolean {
    return this.opened?.seekable ?? !this.isTip;
  }

  /**
   * The source, with its network known.
   * @throws CodedError why it cannot be opened or asked; UNAVAILABLE / SOURCE_UNAVAILABLE where it is not after `msMax`,
   * or `stop` has aborted. The next call tries again, or waits for what is still under way
   */
  async source(msMax: number, stop: AbortSignal): Promise<LedgerSource> {
    if (this.opened !== undefined && this.isNetworkKnown) return this.opened;
    this.opening ??= this.openAndAsk().finally(() => {
      this.opening = undefined;
    });
    const { opening } = this;
    const stopped = Promise.withResolvers<void>();
    const wake = (): void => stopped.resolve();
    stop.addEventListener("abort", wake);
    const isSettled = await settlesWithin(Promise.race([opening, stopped.promise]), msMax);
    stop.removeEventListener("abort", wake);
    if (isSettled && !stop.aborted) return opening;
    opening.catch(() => {}); // kept in `fault`
    const message = `${this.description}: it is not open after ${msMax} ms`;
    const late = new CodedError("UNAVAILABLE", "SOURCE_UNAVAILABLE", message);
    throw isSettled ? late : this.failed(late);
  }

  /** Why it could not be opened or asked; undefined while that works. Tries again where the last try is `ageMsMax` old. */
  trouble(ageMsMax: number, stop: AbortSignal): CodedError | undefined {
    const { fault } = this;
    if (fault !== undefined && performance.now() - fault.atMs >= ageMsMax) this.source(ageMsMax, stop).catch(() => {});
    return fault?.error;
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.opened?.close();
  }

  private async openAndAsk(): Promise<LedgerSource> {
    try {
      this.opened ??= await this.spec.open();
      if (this.closed) await this.opened.close();
      this.network = await this.opened.networkPassphrase();
    } catch (thrown) {
      throw this.failed(CodedError.from(thrown));
    }
    this.isNetworkKnown = true;
    this.fault = undefined;
    return this.opened;
  }

  private failed(error: CodedError): CodedError {
    this.fault = { error, atMs: performance.now() };
    return error;
  }
}

/** The network that all members are of, as far as they name one: the first that was asked decides. */
export class OneNetwork {
  private first: JoinMember | undefined;

  get passphrase(): string | undefined {
    return this.first?.network;
  }

  /**
   * @param member one that has been asked
   * @throws CodedError FAILED_PRECONDITION / NETWORK_MISMATCH, naming two
   */
  check(member: JoinMember): void {
    if (member.network === undefined) return;
    this.first ??= member;
    if (this.first.network === member.network) return;
    throw new CodedError(
      "FAILED_PRECONDITION",
      "NETWORK_MISMATCH",
      `${this.first.description} holds "${this.first.network}", and ${member.description} "${member.network}": join sources of one network`,
    );
  }
}
