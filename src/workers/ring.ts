/**
 * Single-producer single-consumer ring of messages in shared memory. HOT PATH.
 *
 * ```
 *   control (256 B)            data (capacity, a power of two)
 *  ┌──────┬──────┬────────┬───────────┐  ┌─────────┬────────┬────────┬─────────┬──────┐
 *  │ TAIL │ HEAD │ CLOSED │ ABANDONED │  │  free   │ msg 17 │ msg 18 │ msg 19  │ free │
 *  └──────┴──────┴────────┴───────────┘  └─────────┴────────┴────────┴─────────┴──────┘
 *                                                  ▲ HEAD & mask               ▲ TAIL & mask
 *  message: u32 payload bytes, u32 tag, payload, padding to 8
 * ```
 *
 * - Positions count 8-byte units and run on for ever, wrapping at 2^32; `(TAIL - HEAD) >>> 0` is what is in use.
 * - Only the producer stores TAIL, only the consumer stores HEAD. A message is visible once TAIL has passed it, and
 *   its bytes may be overwritten once HEAD has: both are atomic stores after the plain accesses that they cover.
 * - A message is contiguous, so that a view can be laid on it. Where it does not fit before the end of the data, a
 *   skip mark fills the rest and it starts at 0.
 * - A message takes at most half of the ring, so that it always fits once the ring is empty, wherever TAIL stands.
 *   Anything larger is sent in fragments (`fragments.ts`).
 * - The producer sets CLOSED: what is there is still read. Anybody sets ABANDONED when nobody will read any more: a
 *   producer that waits for room gives up.
 * - The producer, when there is no room, sleeps on the HEAD that its failed attempt saw. Reading HEAD again before
 *   sleeping would open a window in which the consumer drains the ring and both sides sleep.
 */
import { type Bell, waitAsync } from "./bell.ts";

const CONTROL_BYTES = 256; // each of the four on a cache line of its own
const TAIL = 0;
const HEAD = 16;
const CLOSED = 32;
const ABANDONED = 48;
const UNIT_BYTES = 8;
const HEADER_BYTES = 8;
const SKIP = 0xffffffff; // in place of a length: go on at the start of the data

const RING_BYTES_MIN = 4096;
const RING_BYTES_MAX = 1 << 30; // positions of 2^32 units leave room for far more; one ring of a GiB is a mistake

/** Memory for a ring of `capacity` bytes, a power of two. */
export function createRing(capacity: number): SharedArrayBuffer {
  if (capacity < RING_BYTES_MIN || capacity > RING_BYTES_MAX || (capacity & (capacity - 1)) !== 0) {
    throw new RangeError(
      `a ring takes a power of two between ${RING_BYTES_MIN} and ${RING_BYTES_MAX} bytes, not ${capacity}`,
    );
  }
  return new SharedArrayBuffer(CONTROL_BYTES + capacity);
}

/** The largest payload that one message of this ring can hold. */
export function messageBytesMax(ring: SharedArrayBuffer): number {
  return (ring.byteLength - CONTROL_BYTES) / 2 - HEADER_BYTES;
}

/** What both ends of a ring know. */
export class RingEnd {
  protected readonly control: Int32Array;
  /** All data of the ring; payload offsets point into it. */
  readonly bytes: Uint8Array;
  protected readonly words: Uint32Array;
  protected readonly units: number;
  protected readonly mask: number;

  constructor(readonly memory: SharedArrayBuffer) {
    this.control = new Int32Array(memory, 0, CONTROL_BYTES / 4);
    this.bytes = new Uint8Array(memory, CONTROL_BYTES);
    this.words = new Uint32Array(memory, CONTROL_BYTES);
    this.units = this.bytes.length / UNIT_BYTES;
    this.mask = this.units - 1;
  }

  /** Bytes between HEAD and TAIL, headers and padding included. */
  get usedBytes(): number {
    return ((Atomics.load(this.control, TAIL) - Atomics.load(this.control, HEAD)) >>> 0) * UNIT_BYTES;
  }

  get closed(): boolean {
    return Atomics.load(this.control, CLOSED) !== 0;
  }

  /** True when nobody will read from this ring any more. */
  get abandoned(): boolean {
    return Atomics.load(this.control, ABANDONED) !== 0;
  }

  /** Says so, and wakes a producer that waits for room. Any thread may. */
  abandon(): void {
    Atomics.store(this.control, ABANDONED, 1);
    Atomics.notify(this.control, HEAD);
  }

  /** For the tests of the wrap at 2^32: starts an empty ring's positions elsewhere. */
  seek(position: number): void {
    if (this.usedBytes !== 0) throw new Error("only an empty ring can be moved");
    Atomics.store(this.control, HEAD, position | 0);
    Atomics.store(this.control, TAIL, position | 0);
  }
}

function unitsOf(payloadBytes: number): number {
  return 1 + ((payloadBytes + UNIT_BYTES - 1) >>> 3);
}

/** The end that writes; one thread. */
export class RingProducer extends RingEnd {
  private reservedUnits = 0;
  private skippedUnits = 0;
  private headSeen = 0;

  /** @param bell rung after every commit: what the consumer sleeps on */
  constructor(
    memory: SharedArrayBuffer,
    private readonly bell: Bell,
  ) {
    super(memory);
  }

  /**
   * Room for one payload: its byte offset in `bytes` (a multiple of 8), or -1 when there is none now.
   * A second call before `commit` replaces the first.
   * @throws RangeError for a payload over `messageBytesMax`
   */
  reserve(payloadBytes: number): number {
    const need = unitsOf(payloadBytes);
    if (need > this.units / 2) {
      throw new RangeError(`message of ${payloadBytes} B, over max ${messageBytesMax(this.memory)} B of this ring`);
    }
    const tail = Atomics.load(this.control, TAIL);
    const head = Atomics.load(this.control, HEAD);
    this.headSeen = head;
    const at = tail & this.mask;
    const skip = at + need > this.units ? this.units - at : 0;
    if (((tail - head) >>> 0) + skip + need > this.units) return -1;
    if (skip !== 0) this.words[at * 2] = SKIP;
    this.skippedUnits = skip;
    this.reservedUnits = need;
    return (skip !== 0 ? 0 : at * UNIT_BYTES) + HEADER_BYTES;
  }

  /** Makes the reserved payload visible to the consumer. It may be shorter than what was reserved. */
  commit(payloadBytes: number, tag: number): void {
    const need = unitsOf(payloadBytes);
    if (need > this.reservedUnits) throw new RangeError("commit of more than was reserved");
    const tail = Atomics.load(this.control, TAIL);
    const word = this.skippedUnits !== 0 ? 0 : (tail & this.mask) * 2;
    this.words[word] = payloadBytes;
    this.words[word + 1] = tag;
    Atomics.store(this.control, TAIL, (tail + this.skippedUnits + need) | 0);
    this.reservedUnits = 0;
    this.bell.ring();
  }

  /** After a failed `reserve`: blocks until the consumer has freed something, or the time is up. */
  waitForRoom(timeoutMs: number): void {
    Atomics.wait(this.control, HEAD, this.headSeen, timeoutMs);
  }

  async waitForRoomAsync(timeoutMs: number): Promise<void> {
    await waitAsync(this.control, HEAD, this.headSeen, timeoutMs);
  }

  /** No more messages will come; the consumer still gets those that are there. */
  close(): void {
    Atomics.store(this.control, CLOSED, 1);
    this.bell.ring();
  }
}

/** The end that reads; one thread. */
export class RingConsumer extends RingEnd {
  /** The current message, valid after `next()` returned true and until `release()`. */
  offset = 0;
  length = 0;
  tag = 0;
  private takenUnits = 0;

  /** The next message if there is one; it stays in the ring until `release`. */
  next(): boolean {
    for (;;) {
      const head = Atomics.load(this.control, HEAD);
      if (head === Atomics.load(this.control, TAIL)) return false;
      const at = head & this.mask;
      const length = this.words[at * 2]!;
      if (length === SKIP) {
        Atomics.store(this.control, HEAD, (head + this.units - at) | 0);
        continue;
      }
      this.length = length;
      this.tag = this.words[at * 2 + 1]!;
      this.offset = at * UNIT_BYTES + HEADER_BYTES;
      this.takenUnits = unitsOf(length);
      return true;
    }
  }

  /** Gives the current message's memory back to the producer. */
  release(): void {
    Atomics.store(this.control, HEAD, (Atomics.load(this.control, HEAD) + this.takenUnits) | 0);
    this.takenUnits = 0;
    Atomics.notify(this.control, HEAD);
  }

  /** A view on the current payload; it must not be used after `release`. */
  view(): Uint8Array {
    return this.bytes.subarray(this.offset, this.offset + this.length);
  }
}
