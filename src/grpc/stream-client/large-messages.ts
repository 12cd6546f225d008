/**
 * Messages that are larger than a stream's window stand in memory whole while their bytes come, and until they are
 * released. All streams of the process share the room for them, first come, first served: with eight of them a ledger of
 * 64 MiB each would be half a gigabyte that nobody has asked about.
 */

const BYTES_MAX = 64 << 20; // a larger message comes alone
/** A source that sends slowly, or a reader that keeps what it has, holds the others up for so long at most, all of them together. */
export const WAIT_MS_MAX = 10_000;

/** What one message has of the room, or waits for. */
export class LargeMessage {
  static #usedBytes = 0;
  static readonly #waiting = new Set<LargeMessage>();

  #mayCome = false;
  /** Whether it counts among `#usedBytes`. */
  #isCounted = false;
  /** When it has waited, or held others up, for long enough. */
  #late: ReturnType<typeof setTimeout>;

  /** @param granted told once when there is room, if there is none now */
  constructor(
    readonly bytes: number,
    private readonly granted: () => void,
  ) {
    this.#late = setTimeout(() => {
      this.#grant();
      this.granted();
    }, WAIT_MS_MAX);
    LargeMessage.#waiting.add(this);
    LargeMessage.#admit(this);
  }

  /** Whether more of it may come than a window holds. */
  get mayCome(): boolean {
    return this.#mayCome;
  }

  /** It is gone, or will not come. */
  end(): void {
    clearTimeout(this.#late);
    LargeMessage.#waiting.delete(this);
    this.#uncount();
    this.#mayCome = false;
    LargeMessage.#admit();
  }

  #grant(): void {
    clearTimeout(this.#late);
    LargeMessage.#waiting.delete(this);
    LargeMessage.#usedBytes += this.bytes;
    this.#isCounted = true;
    this.#mayCome = true;
    this.#late = setTimeout(() => {
      this.#uncount();
      LargeMessage.#admit();
    }, WAIT_MS_MAX);
  }

  #uncount(): void {
    if (this.#isCounted) LargeMessage.#usedBytes -= this.bytes;
    this.#isCounted = false;
  }

  /** @param begun asks for itself, and is not told */
  static #admit(begun?: LargeMessage): void {
    for (const first of LargeMessage.#waiting) {
      const used = LargeMessage.#usedBytes;
      if (used > 0 && used + first.bytes > BYTES_MAX) return;
      first.#grant();
      if (first !== begun) first.granted();
    }
  }
}
