/**
 * Whether zstd data that comes in chunks has ended where a frame ends (RFC 8878, 3.1). node:zlib's stream does not say:
 * it takes a cut frame, and bytes behind the last one, without a word.
 */
import { frameFields, isSkippableMagic, ZSTD_MAGIC } from "./zstd-frame.ts";

const BLOCK_RLE = 1;

type Part = "magic" | "skippableSize" | "descriptor" | "blockHeader" | "skip";

/** Follows the frames by their headers; their content is stepped over. */
export class ZstdEnd {
  private part: Part = "magic";
  private readonly field = new Uint8Array(4);
  private filled = 0;
  /** Bytes to step over before `next` begins. */
  private skipLeft = 0;
  private next: Part = "magic";
  private hasChecksum = false;
  private isForeign = false;

  /** The next chunk of the data. */
  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length && !this.isForeign; ) {
      if (this.part === "skip") {
        const step = Math.min(this.skipLeft, chunk.length - at);
        this.skipLeft -= step;
        at += step;
        if (this.skipLeft === 0) this.part = this.next;
        continue;
      }
      this.field[this.filled++] = chunk[at++]!;
      if (this.filled === FIELD_BYTES[this.part]) this.read(this.part);
    }
  }

  /** `whole` where the data ends behind a frame, `cut` inside one, `foreign` where something else follows a frame. */
  get end(): "whole" | "cut" | "foreign" {
    if (this.isForeign) return "foreign";
    return this.part === "magic" && this.filled === 0 ? "whole" : "cut";
  }

  private read(part: Exclude<Part, "skip">): void {
    const word = new DataView(this.field.buffer).getUint32(0, true);
    this.field.fill(0);
    this.filled = 0;
    if (part === "magic") {
      if (word === ZSTD_MAGIC) this.part = "descriptor";
      else if (isSkippableMagic(word)) this.part = "skippableSize";
      else this.isForeign = true;
    } else if (part === "skippableSize") this.skip(word, "magic");
    else if (part === "descriptor") {
      const { checksum, headerBytes } = frameFields(word);
      this.hasChecksum = checksum;
      this.skip(headerBytes, "blockHeader");
    } else {
      const isLast = (word & 1) === 1;
      const bytes = ((word >> 1) & 3) === BLOCK_RLE ? 1 : word >> 3;
      if (!isLast) this.skip(bytes, "blockHeader");
      else this.skip(bytes + (this.hasChecksum ? 4 : 0), "magic");
    }
  }

  private skip(bytes: number, next: Part): void {
    this.next = next;
    this.skipLeft = bytes;
    this.part = bytes === 0 ? next : "skip";
  }
}

/** Bytes of the parts that are read. */
const FIELD_BYTES: Readonly<Record<Part, number>> = {
  ...{ magic: 4, skippableSize: 4, descriptor: 1, blockHeader: 3 },
  skip: 0,
};
