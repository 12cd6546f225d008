/**
 * The window that a client gives each new stream by SETTINGS_INITIAL_WINDOW_SIZE. A change holds for open streams too, at
 * once, and may leave them with less than nothing (RFC 9113 section 6.9.2). But the client counts all that comes before
 * an acknowledgement by the value before: so the lesser of the two is what may be used.
 */
import { INITIAL_WINDOW_BYTES_DEFAULT } from "./http2-frames.ts";

/** One connection has one. Both methods answer with the bytes by which every open stream's window changes. */
export class InitialWindow {
  #asked = INITIAL_WINDOW_BYTES_DEFAULT;
  #acknowledged = INITIAL_WINDOW_BYTES_DEFAULT;
  /** By how much each SETTINGS changes it that is not acknowledged yet, the oldest first. */
  readonly #unacknowledged: number[] = [];

  /** Bytes that a new stream may send. */
  get bytes(): number {
    return Math.min(this.#asked, this.#acknowledged);
  }

  /** SETTINGS came that change it by so many bytes, or 0. */
  ask(change: number): number {
    const before = this.bytes;
    this.#asked += change;
    this.#unacknowledged.push(change);
    return this.bytes - before;
  }

  /** The oldest of those SETTINGS is acknowledged. */
  acknowledge(): number {
    const before = this.bytes;
    this.#acknowledged += this.#unacknowledged.shift() ?? 0;
    return this.bytes - before;
  }
}
