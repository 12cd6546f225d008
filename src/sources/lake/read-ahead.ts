/**
 * Loads things ahead of their consumer, several at a time, and hands them over in order. What is held ahead is bounded
 * in number and in bytes.
 *
 *     keys ──▶ [ loading | loading | loaded | loaded ] ──▶ consumer
 *               at most itemsMax, together at most bytesMax (or one item that is larger than that by itself)
 */

const LARGE_PART = 4; // of `bytesMax`: such an item counts until the consumer comes for the next

interface ReadAheadLimits {
  /** Things loading or loaded and not yet taken; read each time, so it may change. */
  readonly itemsMax: number;
  /** Their bytes together; read each time, too. */
  readonly bytesMax: number;
  /** Told of bytes that are held ahead from now on, or, below 0, no more. */
  hold?(bytes: number): void;
}

/** What a load gets from the one who runs it. */
export interface LoadContext {
  /** To be called once at most, when the size of the item is known and before it is allocated; resolves when there is room. */
  admit(bytes: number): Promise<void>;
  /** Aborts when the consumer has stopped: the item will not be used. */
  signal: AbortSignal;
}

/**
 * Yields `load(key)` for each key, in the order of `keys`. An error of one load is thrown when its turn comes. When the
 * consumer stops early, loads that are under way are waited for, and those waiting for room are told by a rejection.
 */
export async function* readAhead<K, T>(
  keys: Iterator<K>,
  load: (key: K, context: LoadContext) => Promise<T>,
  limits: ReadAheadLimits,
): AsyncGenerator<T, void, undefined> {
  const room = new Room(limits);
  const stopping = new AbortController();
  const slots: Slot<T>[] = [];
  // Room is granted in the order of the keys: a later item must never hold what the first one waits for.
  let granted: Promise<void> = Promise.resolve();
  let ended = false;
  const fill = (): void => {
    while (!ended && slots.length < limits.itemsMax) {
      const key = keys.next();
      if (key.done === true) {
        ended = true;
        return;
      }
      const before = granted;
      // `load` gets `admit`, which writes to the slot, so the slot has to exist before its item.
      const slot: Slot<T> = { bytes: 0, item: undefined as unknown as Promise<T> };
      const own = Promise.withResolvers<void>();
      granted = before.then(() => own.promise);
      const admit = async (bytes: number): Promise<void> => {
        await before;
        await room.take(bytes);
        slot.bytes = bytes;
        own.resolve();
      };
      // A load that never asks for room must not hold up those after it.
      slot.item = load(key.value, { admit, signal: stopping.signal }).finally(own.resolve);
      slot.item.catch(() => {}); // thrown when its turn comes; until then it is not unhandled
      slots.push(slot);
    }
  };
  try {
    for (;;) {
      fill();
      const slot = slots[0];
      if (slot === undefined) return;
      const item = await slot.item;
      slots.shift();
      // The consumer holds a large item for a while: it counts until then, so that two are not there at once.
      const isLarge = slot.bytes * LARGE_PART >= limits.bytesMax;
      if (!isLarge) room.give(slot.bytes);
      fill();
      yield item;
      if (isLarge) room.give(slot.bytes);
    }
  } finally {
    stopping.abort();
    room.close();
    await Promise.allSettled(slots.map((slot) => slot.item));
    room.give(room.used);
  }
}

interface Slot<T> {
  bytes: number;
  item: Promise<T>;
}

/** Counts bytes; only one taker waits at a time, because room is granted in order. */
class Room {
  used = 0;
  #closed = false;
  #wake: (() => void) | undefined;

  constructor(readonly limits: ReadAheadLimits) {}

  async take(bytes: number): Promise<void> {
    while (!this.#closed && this.used > 0 && this.used + bytes > this.limits.bytesMax) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#closed) throw new Error("the consumer has stopped");
    this.#hold(bytes);
  }

  give(bytes: number): void {
    this.#hold(-bytes);
    this.#notify();
  }

  close(): void {
    this.#closed = true;
    this.#notify();
  }

  #hold(bytes: number): void {
    this.used += bytes;
    this.limits.hold?.(bytes);
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}

/**
 * Bytes of lake files loaded ahead of all readers of a lake together: some 200 dense ledgers as stored. Each reader may
 * have its even part of them, and what nobody has; one file is read ahead however large it is.
 */
export const READ_AHEAD_BYTES = 32 << 20;

/** Files loaded ahead before the size of one is known. */
const FILES_AHEAD_FIRST = 4;

/** What is loaded ahead in one lake. */
export class AheadBudget {
  bytes = 0;
  /** Readers that hold something of it. */
  readers = 0;

  constructor(readonly bytesMax: number) {}
}

/**
 * How many files are loaded ahead of one reader: as many of the last one's size as may be held. A store begins to send a
 * file before its size is known here, and the runtime takes what comes.
 */
export class AheadBySize implements ReadAheadLimits {
  /** Set by the consumer with each item. */
  bytesLast = 0;
  #held = 0;

  constructor(
    private readonly filesMax: number,
    private readonly budget: AheadBudget,
  ) {}

  get itemsMax(): number {
    if (this.bytesLast === 0) return Math.min(this.filesMax, FILES_AHEAD_FIRST);
    return Math.max(1, Math.min(this.filesMax, Math.floor(this.bytesMax / this.bytesLast)));
  }

  get bytesMax(): number {
    const { bytes, bytesMax, readers } = this.budget;
    return Math.max(bytesMax / Math.max(1, readers), this.#held + bytesMax - bytes);
  }

  hold(bytes: number): void {
    const { budget } = this;
    if (this.#held > 0) budget.readers--;
    this.#held += bytes;
    budget.bytes += bytes;
    if (this.#held > 0) budget.readers++;
  }
}
