/**
 * Small writes of one turn of the event loop become one write of the socket.
 *
 * node:http2 writes each frame of a small answer by itself: an acknowledged PING, headers, message and trailers are three
 * or four system calls, and each of the first ones wakes the client for nothing. Together they are one, which goes out in
 * the same turn, behind the handlers that ran in it.
 */

const GATHERED_BYTES_MAX = 4096; // some dozens of small answers; what is larger goes by itself
const PART_BYTES_MAX = 1024; // copying more would cost more than a write

/** Collects small writes until the end of the turn; passes large ones on, in order. */
export class Gather {
  #bytes: Buffer | undefined;
  #fill = 0;
  #isDue = false;

  /** @param send takes bytes over, or copies them, before it returns */
  constructor(private readonly send: (bytes: Uint8Array) => void) {}

  /** Takes bytes over, or copies them, before it returns. */
  write(bytes: Uint8Array): void {
    if (bytes.length > PART_BYTES_MAX || this.#fill + bytes.length > GATHERED_BYTES_MAX) this.flush();
    if (bytes.length > PART_BYTES_MAX) {
      this.send(bytes);
      return;
    }
    this.#bytes ??= Buffer.allocUnsafeSlow(GATHERED_BYTES_MAX);
    this.#bytes.set(bytes, this.#fill);
    this.#fill += bytes.length;
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      this.flush();
    });
  }

  /** Sends what has been collected, now. */
  flush(): void {
    if (this.#bytes === undefined || this.#fill === 0) return;
    const bytes = Buffer.from(this.#bytes.subarray(0, this.#fill)); // of their own length: a busy socket keeps them
    this.#fill = 0;
    this.send(bytes);
  }
}
