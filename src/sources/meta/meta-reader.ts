/** Bytes of a meta stream in pieces of a wanted size. Each has memory of its own, to which it is copied once. */
import { DroppedMemory } from "../../base/dropped-memory.ts";
import type { MetaBytes } from "./meta-feed.ts";

const EMPTY = new Uint8Array(0);

/** Reads a feed piece by piece. */
export class MetaReader {
  /** Offset of the next byte from where reading began. */
  offset = 0;
  /** What has come and was not taken. */
  held: Uint8Array = EMPTY;
  private readonly dropped = new DroppedMemory();

  /** @param admit resolves when there is room for a piece of so many bytes; asked before it is allocated */
  constructor(
    private readonly bytes: MetaBytes,
    private readonly admit: (bytes: number) => Promise<void>,
  ) {}

  /** The next `length` bytes, or as many as are left. */
  async take(length: number): Promise<Uint8Array> {
    const piece = await this.room(length);
    return piece.subarray(0, await this.fill(piece));
  }

  /** Memory for a piece of that size, once there is room for it. */
  async room(length: number): Promise<Uint8Array> {
    await this.admit(length);
    return new Uint8Array(length);
  }

  /**
   * Fills a piece with the next bytes, and answers with how many there were.
   * @param told how many have come so far
   */
  async fill(piece: Uint8Array, told?: (filled: number) => void): Promise<number> {
    let filled = 0;
    while (filled < piece.length && (this.held.length > 0 || (await this.more()))) {
      const part = this.held.subarray(0, piece.length - filled);
      piece.set(part, filled);
      filled += part.length;
      this.skip(part.length);
      told?.(filled);
    }
    this.dropped.add(filled); // the chunks that it came in
    return filled;
  }

  /** Waits until more is held; false at the end. */
  async more(): Promise<boolean> {
    const chunk = await this.bytes.next();
    if (chunk === undefined) return false;
    this.held = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
    return true;
  }

  /** Leaves out so many of the bytes that are held. */
  skip(length: number): void {
    this.held = this.held.subarray(length);
    this.offset += length;
  }

  /** Puts bytes that were taken last in front again. */
  putBack(bytes: Uint8Array): void {
    this.offset -= bytes.length;
    this.held = Buffer.concat([bytes, this.held]);
  }
}
