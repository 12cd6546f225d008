/** One read of one member, pulled object by object, which tells meanwhile how the member fares. */
import { CodedError } from "../../error.ts";
import type { LedgerObject, LedgerSource, TroubleListener } from "../source.ts";

/** What `next` gives. */
type MemberNews =
  | { kind: "object"; object: LedgerObject }
  /** A look has succeeded, and there is nothing newer. */
  | { kind: "quiet" }
  /** It failed; it may be trying again by itself. */
  | { kind: "trouble"; error: CodedError }
  /** Nothing came for the time given, not even trouble. */
  | { kind: "silent" }
  /** Its range is done, or `stop` has aborted. */
  | { kind: "ended" };

/** To be closed by whoever made it. One caller awaits `next` before it calls again. */
export class MemberRead {
  private readonly abort = new AbortController();
  private readonly iterator: AsyncIterator<LedgerObject>;
  /** The object that is on its way. */
  private coming: Promise<MemberNews> | undefined;
  /** What the member has told while nobody waited. */
  private told: MemberNews | undefined;
  private wake: (() => void) | undefined;
  private readonly ended = (): void => this.tell({ kind: "ended" });

  constructor(
    source: LedgerSource,
    start: number,
    end: number,
    private readonly stop: AbortSignal,
  ) {
    const listen: TroubleListener = (error) =>
      this.tell(error === undefined ? { kind: "quiet" } : { kind: "trouble", error });
    this.iterator = source.read(start, end, this.abort.signal, listen)[Symbol.asyncIterator]();
    stop.addEventListener("abort", this.ended, { once: true });
  }

  /** The next object, or the first news before it; what is on its way stays so. Never rejects. */
  async next(silentMsMax: number): Promise<MemberNews> {
    if (this.stop.aborted) return { kind: "ended" };
    this.coming ??= this.pull();
    const told = new Promise<MemberNews>((resolve) => {
      const timer = setTimeout(() => resolve({ kind: "silent" }), silentMsMax);
      this.wake = () => {
        clearTimeout(timer);
        resolve(this.told!);
      };
      void this.coming!.then(() => clearTimeout(timer));
    });
    if (this.told !== undefined) this.wake?.();
    const news = await Promise.race([this.coming, told]);
    this.wake = undefined;
    this.told = undefined;
    if (news.kind === "object") this.coming = undefined;
    return news;
  }

  /** Reads no more, at once: nobody waits for what the member still has under way. */
  close(): void {
    this.stop.removeEventListener("abort", this.ended);
    this.abort.abort();
    void Promise.resolve(this.iterator.return?.()).catch(() => {});
  }

  private async pull(): Promise<MemberNews> {
    try {
      const { done, value } = await this.iterator.next();
      return done === true ? { kind: "ended" } : { kind: "object", object: value };
    } catch (thrown) {
      return { kind: "trouble", error: CodedError.from(thrown) };
    }
  }

  private tell(news: MemberNews): void {
    this.told = news;
    this.wake?.();
  }
}
