/**
 * Shares the event loop out among connections: what a client asks for in one write, thousands of calls perhaps, is taken
 * some calls a turn. A turn of the event loop has one such turn of one connection, and connections take them by turns; so
 * that what others ask waits for some calls, however many connections ask for thousands.
 */

/** Frames that ask for something, after which a turn is over: calls above all, which cost up to 0.3 ms each. */
const ASKED_A_TURN = 8;
const SLICE_BYTES_MIN = 1024; // some 15 calls; twice as much after each slice that asks for nothing

/** Who takes the bytes. */
interface Taker {
  /** Frames so far that ask for something. */
  asked(): number;
  /** Takes the next bytes; false when it wants no more. */
  take(slice: Buffer): boolean;
  /** All that there was is taken, in a turn that may have been a later one. */
  done(): void;
}

/** Turns to come, of all connections of this thread, the next one first. */
const waiting: (() => void)[] = [];

function later(turn: () => void): void {
  waiting.push(turn);
  if (waiting.length === 1) setImmediate(takeTurn);
}

function takeTurn(): void {
  const turn = waiting.shift();
  if (waiting.length > 0) setImmediate(takeTurn);
  turn?.();
}

/** The bytes of one connection on their way in. */
export class InboundTurns {
  readonly #taker: Taker;
  #rest: Buffer | undefined;

  constructor(taker: Taker) {
    this.#taker = taker;
  }

  /** Whether something waits for its turn. Give nothing more meanwhile, as far as that is in your hands. */
  get waiting(): boolean {
    return this.#rest !== undefined;
  }

  add(chunk: Buffer): void {
    if (this.#rest === undefined) this.#turn(chunk);
    else this.#rest = Buffer.concat([this.#rest, chunk]);
  }

  /** Drops what waits. */
  drop(): void {
    this.#rest = undefined;
  }

  #turn(chunk: Buffer): void {
    const taker = this.#taker;
    const askedMax = taker.asked() + ASKED_A_TURN;
    let at = 0;
    for (let bytes = SLICE_BYTES_MIN; at < chunk.length && taker.asked() < askedMax; ) {
      const asked = taker.asked();
      if (!taker.take(chunk.subarray(at, at + bytes))) return;
      at += bytes;
      if (taker.asked() === asked) bytes *= 2;
    }
    if (at >= chunk.length) {
      taker.done();
      return;
    }
    this.#rest = chunk.subarray(at);
    later(() => {
      const rest = this.#rest;
      this.#rest = undefined;
      if (rest !== undefined) this.#turn(rest);
    });
  }
}
