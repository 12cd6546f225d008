/**
 * Messages larger than half a ring travel in fragments. Every fragment but the last carries MORE in its tag; the first
 * also carries FIRST and begins with the size of the whole, so that the receiver joins them in memory that it takes
 * once. Whole messages, which are nearly all, are read in place.
 */

import { DroppedMemory } from "../base/dropped-memory.ts";
import { CodedError } from "../error.ts";
import { messageBytesMax, type RingConsumer, type RingProducer } from "./ring.ts";

const MORE = 0x80000000; // top bit of the tag
const FIRST = 0x40000000; // the bit below it
const SIZE_BYTES = 8; // the whole's size, before the first fragment's bytes
const JOINED_KEPT_BYTES_MAX = 16 << 20; // memory for the next joined message; larger ones are rare, and there is one in each thread
const NOTHING = new Uint8Array(0);
const WAIT_MS = 1000; // longest single sleep; a thread that is told to end looks up at least this often

function gone(): CodedError {
  return new CodedError("UNAVAILABLE", "RING_ABANDONED", "the thread at the other end of the ring has ended");
}

/** Blocking: offset of a reserved payload. For worker threads. @throws CodedError UNAVAILABLE / RING_ABANDONED */
export function reserveBlocking(ring: RingProducer, payloadBytes: number): number {
  for (;;) {
    if (ring.abandoned) throw gone();
    const at = ring.reserve(payloadBytes);
    if (at >= 0) return at;
    ring.waitForRoom(WAIT_MS);
  }
}

/** As `reserveBlocking`, without blocking the event loop. */
async function reserveAsync(ring: RingProducer, payloadBytes: number): Promise<number> {
  for (;;) {
    if (ring.abandoned) throw gone();
    const at = ring.reserve(payloadBytes);
    if (at >= 0) return at;
    await ring.waitForRoomAsync(WAIT_MS);
  }
}

interface Fragment {
  parts: Uint8Array[];
  bytes: number;
  tag: number;
}

/** A message as one fragment where it fits, else as several. */
function* fragmentsOf(parts: readonly Uint8Array[], tag: number, fragmentBytesMax: number): Generator<Fragment> {
  let left = 0;
  for (const part of parts) left += part.length;
  if (left <= fragmentBytesMax) {
    yield { parts: [...parts], bytes: left, tag };
    return;
  }
  const size = new Uint8Array(SIZE_BYTES);
  new DataView(size.buffer).setUint32(0, left, true);
  let fragment: Fragment = { parts: [size], bytes: SIZE_BYTES, tag: (tag | MORE | FIRST) >>> 0 };
  for (const part of parts) {
    for (let from = 0; from < part.length; ) {
      if (fragment.bytes === fragmentBytesMax) {
        yield fragment;
        fragment = { parts: [], bytes: 0, tag: left > fragmentBytesMax ? (tag | MORE) >>> 0 : tag };
      }
      const to = Math.min(part.length, from + fragmentBytesMax - fragment.bytes);
      fragment.parts.push(part.subarray(from, to));
      fragment.bytes += to - from;
      left -= to - from;
      from = to;
    }
  }
  yield fragment;
}

function put(ring: RingProducer, at: number, { parts, bytes, tag }: Fragment): void {
  for (const part of parts) {
    ring.bytes.set(part, at);
    at += part.length;
  }
  ring.commit(bytes, tag);
}

/**
 * Sends the parts as one message, in fragments where it is too large; waits for room.
 * @throws CodedError UNAVAILABLE / RING_ABANDONED
 */
export async function sendAsync(ring: RingProducer, tag: number, parts: readonly Uint8Array[]): Promise<void> {
  for (const fragment of fragmentsOf(parts, tag, messageBytesMax(ring.memory))) {
    put(ring, await reserveAsync(ring, fragment.bytes), fragment);
  }
}

/** As `sendAsync`, for a worker thread. */
export function sendBlocking(ring: RingProducer, tag: number, parts: readonly Uint8Array[]): void {
  for (const fragment of fragmentsOf(parts, tag, messageBytesMax(ring.memory))) {
    put(ring, reserveBlocking(ring, fragment.bytes), fragment);
  }
}

/** Joins what the senders above cut. */
export class MessageReader {
  tag = 0;
  /** The message, valid until `release`: it lies in the ring, or in memory that the next joined message is put into. */
  payload: Uint8Array = NOTHING;
  private inRing = true;
  private joined: Uint8Array = NOTHING;
  private joinedBytes = 0;
  private filled = 0;
  /** The rest of a message that was refused is dropped. */
  private dropping = false;
  private readonly dropped = new DroppedMemory();

  constructor(
    private readonly ring: RingConsumer,
    /** Largest joined message; a limit against a runaway producer. */
    private readonly joinedBytesMax: number,
  ) {}

  /**
   * The next whole message, if there is one. Call `release` when done with it.
   * @throws CodedError RESOURCE_EXHAUSTED / RING_MESSAGE_TOO_LARGE, once for such a message; the next call goes on
   */
  next(): boolean {
    while (this.ring.next()) {
      const { tag } = this.ring;
      if ((tag & FIRST) !== 0) this.begin();
      else if (this.filled === 0 && !this.dropping) {
        this.tag = tag;
        this.payload = this.ring.view();
        this.inRing = true;
        return true;
      } else this.add(this.ring.view());
      this.ring.release();
      if ((tag & MORE) !== 0) continue;
      const whole = !this.dropping;
      this.dropping = false;
      this.filled = 0;
      if (!whole) continue;
      this.tag = tag;
      this.payload = this.joined.subarray(0, this.joinedBytes);
      this.inRing = false;
      return true;
    }
    return false;
  }

  release(): void {
    this.payload = NOTHING;
    if (this.inRing) this.ring.release();
    else if (this.joined.length > JOINED_KEPT_BYTES_MAX) {
      const bytes = this.joined.length;
      this.joined = NOTHING;
      this.dropped.addNow(bytes);
    }
  }

  /** Lets the memory for joined messages go; for a reader that has had nothing to do for a while. */
  trim(): void {
    if (this.filled === 0) this.joined = NOTHING;
  }

  private begin(): void {
    const view = this.ring.view();
    this.joinedBytes = new DataView(view.buffer, view.byteOffset).getUint32(0, true);
    this.filled = 0;
    this.dropping = this.joinedBytes > this.joinedBytesMax;
    if (this.dropping) {
      this.ring.release();
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "RING_MESSAGE_TOO_LARGE",
        `a message on a ring has ${this.joinedBytes} B, over max ${this.joinedBytesMax} B`,
      );
    }
    if (this.joined.length < this.joinedBytes) this.joined = new Uint8Array(this.joinedBytes);
    this.add(view.subarray(SIZE_BYTES));
  }

  private add(bytes: Uint8Array): void {
    if (this.dropping) return;
    this.joined.set(bytes, this.filled);
    this.filled += bytes.length;
  }
}
