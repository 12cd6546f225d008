/**
 * The memory that streams have for their retained batches, divided when they are admitted: a stream gets what it has use
 * for, but no more than half of what is left, so that those who come later find something too.
 */
import { CodedError } from "../error.ts";

const MIB = 1 << 20;

export class MemoryShares {
  private readonly shares = new Map<number, number>();

  constructor(readonly bytesMax: number) {}

  get freeBytes(): number {
    let free = this.bytesMax;
    for (const bytes of this.shares.values()) free -= bytes;
    return free;
  }

  of(stream: number): number {
    return this.shares.get(stream) ?? 0;
  }

  hold(stream: number, bytes: number): void {
    this.shares.set(stream, bytes);
  }

  drop(stream: number): void {
    this.shares.delete(stream);
  }

  /** Whether a stream that wants so much would get all of it. */
  fitsWhole(wanted: number): boolean {
    return wanted <= this.freeBytes / 2;
  }

  /**
   * What a stream that wants so much gets.
   * @param least below this it is refused
   * @throws CodedError RESOURCE_EXHAUSTED / MEMORY_EXHAUSTED with what is needed and what is left
   */
  grant(wanted: number, least: number): number {
    const free = Math.max(0, this.freeBytes);
    if (free < Math.min(least, wanted)) {
      const held = [...this.shares.values()].filter((bytes) => bytes > 0).length;
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "MEMORY_EXHAUSTED",
        `a stream needs ${mib(Math.min(least, wanted))} MiB for its batches, and ${mib(free)} of the ${mib(this.bytesMax)} MiB that MAX_MEMORY_MB leaves for them are free (${held} streams have the rest): stop one, or raise MAX_MEMORY_MB`,
      );
    }
    return Math.min(wanted, Math.max(least, Math.floor(free / 2)), free);
  }
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(1).replace(/\.0$/, "");
}
