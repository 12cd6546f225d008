/** How much of a call's requests has come. */

const INFLATED_FACTOR_MAX = 1032; // deflate, and so gzip, makes no more of a byte
const MESSAGE_PREFIX_BYTES = 5; // compressed flag (1), length (4): gRPC over HTTP/2, "Length-Prefixed-Message"

/**
 * Follows gRPC's message framing in the data of one call. A compressed message counts, once it has come, for as much as it
 * may inflate to: grpc-js inflates it at once, and sixty kilobytes can be sixty megabytes.
 */
export class MessageMeter {
  /** Bytes of the newest message that have come, its prefix included; of a compressed one that is whole, see above. */
  held = 0;
  /** Whether a first message has come whole. */
  whole = false;
  #prefixFill = 0;
  #length = 0; // of the message whose prefix has come, or as much of that number as has
  #left = 0; // of the message at hand, behind its prefix
  #compressed = false;

  /** @param requestBytesMax what a message is not inflated beyond */
  constructor(private readonly requestBytesMax = Number.POSITIVE_INFINITY) {}

  /** Whether the newest message has begun and is not whole. */
  get partial(): boolean {
    return this.#left > 0 || this.#prefixFill > 0;
  }

  /** Takes the next bytes, split anywhere. */
  add(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const count = Math.min(this.#left, chunk.length - at);
        this.#left -= count;
        this.held += count;
        at += count;
        if (this.#left > 0) continue;
        this.whole = true;
        if (this.#compressed) this.held += Math.min(this.#length * INFLATED_FACTOR_MAX, this.requestBytesMax);
        continue;
      }
      const byte = chunk[at++] as number;
      if (this.#prefixFill === 0) {
        this.held = 0;
        this.#length = 0;
        this.#compressed = byte !== 0;
      } else {
        this.#length = this.#length * 256 + byte;
      }
      this.held++;
      this.#prefixFill++;
      if (this.#prefixFill < MESSAGE_PREFIX_BYTES) continue;
      this.#prefixFill = 0;
      this.#left = this.#length;
      if (this.#length === 0) this.whole = true;
    }
  }
}
