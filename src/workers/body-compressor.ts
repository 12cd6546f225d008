/**
 * Compressed record batch bodies (Arrow columnar format, "Compressed body"): every buffer stands for itself, behind its
 * uncompressed length as int64, little-endian; −1 there says that the buffer follows as it is, which is what buffers
 * get that would not shrink. apache-arrow's own writer puts the compressed length there, which others cannot read.
 */

import { zstdCompressSync } from "bun";
import type { BatchEncoder, BatchPlan } from "../columns/batch-encoder.ts";
import type { RowSet } from "../ledger/row-set.ts";
import type { Compression } from "../vocabulary/compression.ts";
import { lz4FrameBytesMax, writeLz4Frame } from "./lz4-frame.ts";
import { align8 } from "./records.ts";

const PREFIX_BYTES = 8; // the uncompressed length
const STORED = -1n;
const ZSTD_LEVEL = 1; // the fastest: higher ones cost several times the CPU for some percent
const COMPRESSED_BYTES_MIN = 64; // a frame's own header eats what a smaller buffer could save

interface CompressedBatch {
  header: Uint8Array;
  /** Valid until the next batch. */
  body: Uint8Array;
}

/** Compresses the buffers of a batch's body as Arrow IPC has it. */
export class BodyCompressor {
  private plain = new Uint8Array(0);
  private packed = new Uint8Array(0);

  constructor(private readonly compression: Exclude<Compression, "none">) {}

  /** The batch of a plan, formatted and compressed. @param laid its body, where that is formatted already */
  batch(encoder: BatchEncoder, rows: RowSet, plan: BatchPlan, laid?: Uint8Array): CompressedBatch {
    const { regions } = plan;
    const plain = laid ?? this.format(encoder, rows, plan);
    this.reserve(regions);

    const view = new DataView(this.packed.buffer);
    const packed: number[] = [];
    let at = 0;
    for (let i = 0; i < regions.length; i += 2) {
      const bytes = regions[i + 1]!;
      const source = plain.subarray(regions[i]!, regions[i]! + bytes);
      const end = bytes === 0 ? at : this.buffer(source, view, at);
      packed.push(at, end - at);
      at = align8(end);
      this.packed.fill(0, end, at);
    }
    const header = encoder.header({ ...plan, regions: packed, bodyBytes: at }, this.compression);
    return { header, body: this.packed.subarray(0, at) };
  }

  private format(encoder: BatchEncoder, rows: RowSet, plan: BatchPlan): Uint8Array {
    if (this.plain.length < plan.bodyBytes) this.plain = new Uint8Array(plan.bodyBytes * 2);
    encoder.write(rows, plan, this.plain);
    return this.plain;
  }

  /** Writes one buffer with its prefix; answers its end. An empty one has not even the prefix. */
  private buffer(source: Uint8Array, view: DataView, at: number): number {
    const from = at + PREFIX_BYTES;
    let end = from + source.length;
    if (source.length >= COMPRESSED_BYTES_MIN) end = this.compress(source, from);
    if (end < from + source.length) {
      view.setBigInt64(at, BigInt(source.length), true);
      return end;
    }
    view.setBigInt64(at, STORED, true);
    this.packed.set(source, from);
    return from + source.length;
  }

  private compress(source: Uint8Array, from: number): number {
    if (this.compression === "lz4") return writeLz4Frame(source, this.packed, from);
    const frame = zstdCompressSync(source, { level: ZSTD_LEVEL });
    if (frame.length < source.length) this.packed.set(frame, from);
    return from + frame.length;
  }

  private reserve(regions: readonly number[]): void {
    let bytes = 0;
    for (let i = 1; i < regions.length; i += 2) bytes += align8(PREFIX_BYTES + lz4FrameBytesMax(regions[i]!));
    if (this.packed.length < bytes) this.packed = new Uint8Array(bytes * 2);
  }
}
