/**
 * Memory for messages and files that is used again. Fresh memory for each message of a megabyte costs more in page faults than
 * everything else that is done to receive it.
 */
import { freeBytes } from "./free-bytes.ts";

const STEP_BYTES = 256 << 10; // the next one is seldom just as large as the last
const POOLED_BYTES_MIN = 64 << 10; // smaller ones are freed: they cost little to make anew

/** For one stream or folder, on the main thread. */
export class ReusedBuffers {
  /** The one given back last stands last: its bytes may still be in the cache. */
  readonly #free: Buffer[] = [];
  #freeBytes = 0;

  /** @param freeBytesMax what is kept for later */
  constructor(readonly freeBytesMax: number) {}

  /** @returns a buffer of that length, with anything in it */
  take(bytes: number): Buffer {
    if (bytes < POOLED_BYTES_MIN) return Buffer.allocUnsafeSlow(bytes);
    for (let i = this.#free.length - 1; i >= 0; i--) {
      const buffer = this.#free[i]!;
      if (buffer.length < bytes) continue;
      this.#free.splice(i, 1);
      this.#freeBytes -= buffer.length;
      return buffer.subarray(0, bytes);
    }
    this.#drop(this.#free.shift()); // what is kept has become too small
    return Buffer.allocUnsafeSlow(Math.ceil(bytes / STEP_BYTES) * STEP_BYTES).subarray(0, bytes);
  }

  /** Takes back what `take` has given. Nobody may read or write it any more. */
  give(taken: Uint8Array): void {
    const buffer = Buffer.from(taken.buffer as ArrayBuffer);
    if (buffer.length < POOLED_BYTES_MIN) {
      freeBytes(buffer);
      return;
    }
    if (this.#freeBytes + buffer.length > this.freeBytesMax) {
      freeBytes(buffer);
      return;
    }
    this.#free.push(buffer);
    this.#freeBytes += buffer.length;
  }

  /** Frees what is kept. */
  clear(): void {
    for (const buffer of this.#free.splice(0)) freeBytes(buffer);
    this.#freeBytes = 0;
  }

  #drop(buffer: Buffer | undefined): void {
    if (buffer === undefined) return;
    this.#freeBytes -= buffer.length;
    freeBytes(buffer);
  }
}
