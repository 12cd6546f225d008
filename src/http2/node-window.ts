/** The part of a connection's window that node:http2 is told of: see http2-outbound.ts. */
import { INITIAL_WINDOW_BYTES_DEFAULT } from "./http2-frames.ts";
import type { OutboundPeers } from "./outbound-parts.ts";

/** What node:http2 may send before it is told of more; calls without a lane are small. */
export const NODE_WINDOW_BYTES = INITIAL_WINDOW_BYTES_DEFAULT; // it begins with that, and cannot be told of less
const TOP_UP_BYTES_MIN = NODE_WINDOW_BYTES / 2; // a frame for every few bytes would be a waste …
const BELIEVED_BYTES_LOW = 16384; // … but what is less than a frame may stand in the way of one

/** What node:http2 believes that it may send. */
export class NodeWindow {
  #believed = INITIAL_WINDOW_BYTES_DEFAULT;
  #isDue = false;

  /** @param room what may be sent in truth, in bytes */
  constructor(
    private readonly peers: Pick<OutboundPeers, "grant">,
    private readonly room: () => number,
  ) {}

  /** node:http2 sends so many bytes. */
  spend(bytes: number): void {
    this.#believed -= bytes;
  }

  /** In a turn of its own: node:http2 may be writing, and must not be given something to read meanwhile. */
  topUpSoon(): void {
    if (this.#isDue || this.#missing() === 0) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      const bytes = this.#missing();
      if (bytes === 0) return;
      this.#believed += bytes;
      this.peers.grant(bytes);
    });
  }

  #missing(): number {
    const bytes = Math.min(NODE_WINDOW_BYTES, this.room()) - this.#believed;
    if (bytes <= 0) return 0;
    return bytes >= TOP_UP_BYTES_MIN || this.#believed < BELIEVED_BYTES_LOW ? bytes : 0;
  }
}
