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
  #due: NodeJS.Immediate | undefined;
  #isPostponed = false;

  /** @param send takes the bytes over, or copies them before it returns, and then answers true: their memory is used again */
  constructor(private readonly send: (bytes: Uint8Array) => boolean) {}

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
    if (this.#due !== undefined) {
      // An answer behind a PING's: its trailers come after what was due for the PING, and would go by themselves.
      if (this.#isPostponed) return;
      this.#isPostponed = true;
      clearImmediate(this.#due);
    }
    this.#due = setImmediate(() => {
      this.#due = undefined;
      this.#isPostponed = false;
      this.flush();
    });
  }

  /** Sends what has been collected, now. */
  flush(): void {
    if (this.#fill === 0) return;
    const bytes = this.#bytes!;
    const part = bytes.subarray(0, this.#fill);
    this.#bytes = undefined; // a busy socket keeps it, and what is written meanwhile needs another
    this.#fill = 0;
    if (this.send(part)) this.#bytes ??= bytes;
  }
}
