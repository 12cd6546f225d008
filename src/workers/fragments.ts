/**
 * Messages larger than half a ring travel in fragments: every fragment but the last carries MORE in its tag. The
 * receiver joins them in memory of its own; whole messages, which are nearly all, are read in place.
 */
import { CodedError } from "../error.ts";
import { messageBytesMax, type RingConsumer, type RingProducer } from "./ring.ts";

const MORE = 0x80000000; // top bit of the tag
const WAIT_MS = 1000; // longest single sleep; a thread that is told to end looks up at least this often

/** Ends an endless wait: returns true when the other side is gone. */
export type Abandoned = () => boolean;

function gone(): CodedError {
  return new CodedError("UNAVAILABLE", "RING_ABANDONED", "the thread at the other end of the ring has ended");
}

/** Blocking: offset of a reserved payload. For worker threads. */
export function reserveBlocking(ring: RingProducer, payloadBytes: number, abandoned: Abandoned): number {
  for (;;) {
    const at = ring.reserve(payloadBytes);
    if (at >= 0) return at;
    if (abandoned()) throw gone();
    ring.waitForRoom(WAIT_MS);
  }
}

/** The same without blocking the event loop. */
export async function reserveAsync(ring: RingProducer, payloadBytes: number, abandoned: Abandoned): Promise<number> {
  for (;;) {
    const at = ring.reserve(payloadBytes);
    if (at >= 0) return at;
    if (abandoned()) throw gone();
    await ring.waitForRoomAsync(WAIT_MS);
  }
}

/** Pieces that follow each other in one message, and how many bytes of them fit into one fragment. */
function* fragmentsOf(parts: readonly Uint8Array[], fragmentBytesMax: number): Generator<Uint8Array[]> {
  let fragment: Uint8Array[] = [];
  let room = fragmentBytesMax;
  for (const part of parts) {
    for (let from = 0; from < part.length; ) {
      if (room === 0) {
        yield fragment;
        fragment = [];
        room = fragmentBytesMax;
      }
      const to = Math.min(part.length, from + room);
      fragment.push(part.subarray(from, to));
      room -= to - from;
      from = to;
    }
  }
  yield fragment;
}

function sizeOf(parts: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const part of parts) bytes += part.length;
  return bytes;
}

function put(ring: RingProducer, at: number, parts: readonly Uint8Array[]): void {
  for (const part of parts) {
    ring.bytes.set(part, at);
    at += part.length;
  }
}

/** Sends the parts as one message, in fragments where it is too large. */
export async function sendAsync(
  ring: RingProducer,
  tag: number,
  parts: readonly Uint8Array[],
  abandoned: Abandoned,
): Promise<void> {
  const bytes = sizeOf(parts);
  const max = messageBytesMax(ring.memory);
  if (bytes <= max) {
    put(ring, await reserveAsync(ring, bytes, abandoned), parts);
    ring.commit(bytes, tag);
    return;
  }
  let left = bytes;
  for (const fragment of fragmentsOf(parts, max)) {
    const size = sizeOf(fragment);
    put(ring, await reserveAsync(ring, size, abandoned), fragment);
    left -= size;
    ring.commit(size, left > 0 ? (tag | MORE) >>> 0 : tag);
  }
}

/** The same for a worker thread. */
export function sendBlocking(
  ring: RingProducer,
  tag: number,
  parts: readonly Uint8Array[],
  abandoned: Abandoned,
): void {
  let left = sizeOf(parts);
  for (const fragment of fragmentsOf(parts, messageBytesMax(ring.memory))) {
    const size = sizeOf(fragment);
    put(ring, reserveBlocking(ring, size, abandoned), fragment);
    left -= size;
    ring.commit(size, left > 0 ? (tag | MORE) >>> 0 : tag);
  }
}

/** Joins what the senders above cut. */
export class MessageReader {
  tag = 0;
  /** The message. `shared` says whether it lies in the ring (copy before `release`) or is memory of its own. */
  payload: Uint8Array = new Uint8Array(0);
  shared = true;
  private pieces: Uint8Array[] = [];
  private piecesBytes = 0;

  constructor(
    private readonly ring: RingConsumer,
    /** Largest joined message; a limit against a runaway producer. */
    private readonly joinedBytesMax: number,
  ) {}

  /** The next whole message, if there is one. Call `release` when done with it. */
  next(): boolean {
    while (this.ring.next()) {
      if ((this.ring.tag & MORE) !== 0) {
        this.keep();
        continue;
      }
      this.tag = this.ring.tag;
      if (this.pieces.length === 0) {
        this.payload = this.ring.view();
        this.shared = true;
        return true;
      }
      this.keep();
      const joined = new Uint8Array(this.piecesBytes);
      let at = 0;
      for (const piece of this.pieces) {
        joined.set(piece, at);
        at += piece.length;
      }
      this.pieces = [];
      this.piecesBytes = 0;
      this.payload = joined;
      this.shared = false;
      return true;
    }
    return false;
  }

  release(): void {
    if (this.shared) this.ring.release();
  }

  private keep(): void {
    this.piecesBytes += this.ring.length;
    if (this.piecesBytes > this.joinedBytesMax) {
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "RING_MESSAGE_TOO_LARGE",
        `a message on a ring has reached ${this.piecesBytes} B, over max ${this.joinedBytesMax} B`,
      );
    }
    this.pieces.push(this.ring.view().slice());
    this.ring.release();
  }
}
