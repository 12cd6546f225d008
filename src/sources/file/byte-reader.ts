/** Bytes of a file or pipe as they come, handed out in pieces of a wanted size, with no more held than one piece. */
import { promises as fs } from "node:fs";
import { fileFault } from "../lake/file-fault.ts";

const CHUNK_BYTES = 256 << 10; // read at a time

/**
 * The chunks of a file, or of a pipe until it ends; each has memory of its own.
 *
 * @throws CodedError NOT_FOUND, PERMISSION_DENIED, DATA_LOSS as `fileFault` has them
 */
export async function* chunksOf(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    const handle = await fs.open(path, "r");
    try {
      let chunk = new Uint8Array(CHUNK_BYTES);
      for (;;) {
        const { bytesRead } = await handle.read(chunk, 0, chunk.length, null);
        if (bytesRead === 0) return;
        // A pipe may give a few bytes at a time: whoever keeps them must not keep the whole chunk.
        if (bytesRead < CHUNK_BYTES / 2) yield chunk.slice(0, bytesRead);
        else {
          yield chunk.subarray(0, bytesRead);
          chunk = new Uint8Array(CHUNK_BYTES);
        }
      }
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    throw fileFault(path, thrown);
  }
}

/** Reads chunks as a stream of bytes. */
export class ByteReader {
  /** Offset of the next byte from the beginning. */
  offset = 0;
  private chunk: Uint8Array = new Uint8Array(0);
  private scratch: Uint8Array = new Uint8Array(0);

  constructor(private readonly chunks: AsyncIterator<Uint8Array>) {}

  /** The next `bytes` bytes, or as many as are left, without taking them. */
  async peek(bytes: number): Promise<Uint8Array> {
    const parts = [this.chunk];
    let length = this.chunk.length;
    while (length < bytes) {
      const next = await this.chunks.next();
      if (next.done) break;
      parts.push(next.value);
      length += next.value.length;
    }
    if (parts.length > 1) this.chunk = joined(parts, length);
    return this.chunk.subarray(0, bytes);
  }

  /** What is to come, chunk by chunk as it comes, without taking it. Leave the loop before the reader is used again. */
  async *ahead(): AsyncGenerator<Uint8Array, void, undefined> {
    const parts = [this.chunk];
    try {
      if (this.chunk.length > 0) yield this.chunk;
      for (;;) {
        const next = await this.chunks.next();
        if (next.done) return;
        parts.push(next.value);
        yield next.value;
      }
    } finally {
      if (parts.length > 1) this.chunk = joined(parts);
    }
  }

  /** The next `bytes` bytes, or as many as are left. Valid until the next call. */
  async take(bytes: number): Promise<Uint8Array> {
    if (this.chunk.length >= bytes) return this.advance(bytes);
    if (this.scratch.length < bytes) this.scratch = new Uint8Array(Math.ceil(bytes * 1.25));
    let filled = 0;
    while (filled < bytes) {
      if (this.chunk.length === 0) {
        const next = await this.chunks.next();
        if (next.done) break;
        this.chunk = next.value;
      }
      const part = this.advance(Math.min(bytes - filled, this.chunk.length));
      this.scratch.set(part, filled);
      filled += part.length;
    }
    return this.scratch.subarray(0, filled);
  }

  /** What has not been taken, chunk by chunk. The reader is not to be used any more. */
  async *rest(): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.chunk.length > 0) yield this.chunk;
    for (;;) {
      const next = await this.chunks.next();
      if (next.done) return;
      yield next.value;
    }
  }

  /** Lets go of the source. */
  async close(): Promise<void> {
    await this.chunks.return?.();
  }

  private advance(bytes: number): Uint8Array {
    const part = this.chunk.subarray(0, bytes);
    this.chunk = this.chunk.subarray(bytes);
    this.offset += bytes;
    return part;
  }
}

/** Bytes in memory as the only chunk. */
export async function* chunkOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

/** The parts one behind the other, in memory of their own. */
export function joined(parts: readonly Uint8Array[], length = lengthOf(parts)): Uint8Array {
  const { buffer, byteOffset } = Buffer.concat(parts, length);
  return new Uint8Array(buffer, byteOffset, length);
}
