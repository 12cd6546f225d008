/**
 * Shares the event loop out among connections: what a client asks for in one write, thousands of calls perhaps, is taken
 * some calls a turn. A turn of the event loop has one such turn of one connection, and connections take them by turns; so
 * that what others ask waits for some calls, however many connections ask for thousands. Where that does not end, there
 * are pauses in between. Connections that reset one call after the other have smaller turns, one of them after each pause,
 * so that all of them together leave most of the CPU to others until their floods are ended.
 */

/** Frames that ask for something, after which a turn is over: calls above all, which cost up to 0.3 ms each. */
const ASKED_A_TURN = 8;
const SLICE_BYTES_MIN = 1024; // some 15 calls; twice as much after each slice that asks for nothing
const IN_A_ROW_MAX = 256; // turns: 2,048 calls, which no client of ours or of gRPC's has under way …
const PAUSE_MS = 1; // … and who goes on asking leaves some of the CPU to others, and garbage time to be collected
const REST_MS = 20; // without a turn, and the count begins again

/** As ASKED_A_TURN and SLICE_BYTES_MIN, for connections that reset many calls. */
const RESETTING_PAUSE_MS = 5; // all of them together take a sixth of a core
const RESETTING_ASKED_A_TURN = 2;
const RESETTING_SLICE_BYTES = 256; // two calls or three, and the reset of each

/** Who takes the bytes. */
interface Taker {
  /** Frames so far that ask for something. */
  asked(): number;
  /** Whether it resets one call after the other. */
  isResetting(): boolean;
  /** Takes the next bytes; false when it wants no more. */
  take(slice: Buffer): boolean;
  /** All that there was is taken, in a turn that may have been a later one. */
  done(): void;
}

/** Turns to come, of all connections of this thread, the next one first. */
const waiting: (() => void)[] = [];
/** Turns to come of connections that reset many calls. */
const resetting: (() => void)[] = [];
let inARow = 0; // turns without a rest
let turnMs = 0; // when the last one was

function later(turn: () => void): void {
  waiting.push(turn);
  if (waiting.length === 1) schedule();
}

/** The next turn: with the event loop's, or after a pause where they do not end. */
function schedule(): void {
  if (inARow > IN_A_ROW_MAX) setTimeout(takeTurn, PAUSE_MS);
  else setImmediate(takeTurn);
}

function takeTurn(): void {
  const turn = waiting.shift();
  const nowMs = performance.now();
  inARow = nowMs - turnMs < REST_MS ? inARow + 1 : 0;
  turnMs = nowMs;
  if (waiting.length > 0) schedule();
  turn?.();
}

function afterPause(turn: () => void): void {
  resetting.push(turn);
  if (resetting.length === 1) setTimeout(takeResettingTurn, RESETTING_PAUSE_MS);
}

function takeResettingTurn(): void {
  const turn = resetting.shift();
  if (resetting.length > 0) setTimeout(takeResettingTurn, RESETTING_PAUSE_MS);
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
    if (this.#rest !== undefined) this.#rest = Buffer.concat([this.#rest, chunk]);
    else if (this.#taker.isResetting()) this.#wait(chunk);
    else this.#turn(chunk);
  }

  /** Drops what waits. */
  drop(): void {
    this.#rest = undefined;
  }

  #turn(chunk: Buffer): void {
    const taker = this.#taker;
    const isResetting = taker.isResetting();
    const askedMax = taker.asked() + (isResetting ? RESETTING_ASKED_A_TURN : ASKED_A_TURN);
    let bytes = isResetting ? RESETTING_SLICE_BYTES : SLICE_BYTES_MIN;
    let at = 0;
    while (at < chunk.length && taker.asked() < askedMax) {
      const asked = taker.asked();
      if (!taker.take(chunk.subarray(at, at + bytes))) return;
      at += bytes;
      if (taker.asked() === asked) bytes *= 2;
    }
    if (at >= chunk.length) {
      taker.done();
      return;
    }
    this.#wait(chunk.subarray(at));
  }

  #wait(rest: Buffer): void {
    this.#rest = rest;
    const turn = () => {
      const rest = this.#rest;
      this.#rest = undefined;
      if (rest !== undefined) this.#turn(rest);
    };
    if (this.#taker.isResetting()) afterPause(turn);
    else later(turn);
  }
}
