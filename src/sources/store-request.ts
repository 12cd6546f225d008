/**
 * Requests to an object store or an RPC server: asked again where that may help, bounded in time, and given up with a reason.
 *
 *     answers        2xx, 403, 404 and every other status but those below
 *     asked again    no connection (but for a TLS handshake that fails), a cut or late one, 429 and 5xx: TRIES_MAX times, longer and longer apart
 *     ends at once   when its signal aborts, with the signal's reason
 */
import { backoffMs } from "../base/backoff.ts";
import { pause } from "../base/pause.ts";
import { settlesWithin } from "../base/settles-within.ts";
import { unlessAborted } from "../base/unless-aborted.ts";
import { CodedError } from "../error.ts";
import { Stragglers } from "./stragglers.ts";

/** How often one request is sent at most. */
const TRIES_MAX = 6;
/** Between two tries: the first and the longest pause. Together some 6 s: beyond that the session waits. */
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 3_000;
/** An answer's head has to come within this time, and its body within the same and a time for its bytes. */
const WAIT_MS_MAX = 10_000;
/** The slowest body that is waited for: 100 kB/s. */
const BYTES_PER_MS_MIN = 100;

/** What may be set otherwise, mostly by tests. Each defaults to the constant of the same name above. */
export interface StoreRequestOptions {
  triesMax?: number;
  retryMsMin?: number;
  waitMsMax?: number;
}

/** A store that says when to ask again is not asked before, and not left waiting for longer than this. */
const RETRY_AFTER_MS_MAX = 60_000;

/** An answer that says: not now. */
class Busy extends CodedError {
  readonly retryAfterMs: number;

  constructor(name: string, { status, headers }: Response) {
    super("UNAVAILABLE", "STORE_UNAVAILABLE", `${name}: the server answers ${status}`);
    const seconds = Number(headers.get("retry-after") ?? 0); // or a date, which no store here sends
    this.retryAfterMs = Number.isNaN(seconds) ? 0 : Math.min(RETRY_AFTER_MS_MAX, seconds * 1000);
  }
}

/** One try of a request. It is told when to give up by the signal. */
export type Send = (signal: AbortSignal) => Promise<Response>;

/** An answer whose body is read under the same rules. */
export interface StoreAnswer {
  status: number;
  headers: Headers;
  /** The whole body. @throws CodedError UNAVAILABLE / STORE_UNAVAILABLE where it is cut or late */
  bytes(): Promise<Uint8Array>;
  /** Lets the connection go without reading the body. */
  drop(): void;
}

/** Sends requests to one store. */
export class StoreRequests {
  private readonly options: Required<StoreRequestOptions>;
  private readonly closing = new AbortController();
  private readonly stragglers = new Stragglers();

  /** @param place of the store, for messages: its host */
  constructor(
    private readonly place: string,
    options: StoreRequestOptions = {},
  ) {
    this.options = { triesMax: TRIES_MAX, retryMsMin: RETRY_MS_MIN, waitMsMax: WAIT_MS_MAX, ...options };
  }

  /**
   * The answer's head.
   * @param name of the object, for messages
   * @param signal of whoever waits for it, for the body too; default: until `close`
   * @throws CodedError UNAVAILABLE / STORE_UNAVAILABLE with the last trouble, after all tries; the reason of the signal
   */
  async answer(name: string, send: Send, signal: AbortSignal = this.closing.signal): Promise<StoreAnswer> {
    return this.tried(name, signal, () => this.once(name, send, signal));
  }

  /**
   * As `answer`, for objects: where it is late, a second request is sent, and the first answer of both is taken. The other
   * request is given up, so that no second body comes.
   */
  async soonest(name: string, send: Send, signal: AbortSignal = this.closing.signal): Promise<StoreAnswer> {
    return this.tried(name, signal, () => this.firstOfTwo(name, send, signal));
  }

  /** The answer with its whole body, asked again where the body breaks off. @throws CodedError as `answer` does */
  async whole(
    name: string,
    send: Send,
    signal: AbortSignal = this.closing.signal,
  ): Promise<{ status: number; headers: Headers; body: Uint8Array }> {
    return this.tried(name, signal, async () => {
      const answer = await this.once(name, send, signal);
      return { status: answer.status, headers: answer.headers, body: await answer.bytes() };
    });
  }

  /** Ends every request that has no signal of its own, and each one to come. */
  close(): void {
    this.closing.abort(new CodedError("UNAVAILABLE", "STORE_UNAVAILABLE", `${this.place}: the source has been closed`));
  }

  private async tried<T>(name: string, signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
    const { triesMax, retryMsMin } = this.options;
    for (let tries = 1; ; tries++) {
      signal.throwIfAborted();
      try {
        return await attempt();
      } catch (thrown) {
        signal.throwIfAborted();
        const error = unavailable(name, thrown);
        if (error.code !== "UNAVAILABLE" || error.reason === "SOURCE_TLS") throw error;
        if (tries >= triesMax) {
          const message = `${error.message} (${tries} tries, the last this one): is ${this.place} up and reachable from here?`;
          throw CodedError.received(error.code, error.reason, message, { cause: error });
        }
        const busyMs = thrown instanceof Busy ? thrown.retryAfterMs : 0;
        const waitMs = Math.max(busyMs, backoffMs(tries - 1, retryMsMin, RETRY_MS_MAX));
        await pause(waitMs, signal);
      }
    }
  }

  private async firstOfTwo(name: string, send: Send, signal: AbortSignal): Promise<StoreAnswer> {
    const begun = performance.now();
    const ask = () => {
      const loser = new AbortController();
      return { loser, answer: this.once(name, send, AbortSignal.any([signal, loser.signal])) };
    };
    const asked = [ask()];
    const { lateMs } = this.stragglers;
    if (!(await settlesWithin(asked[0]!.answer, lateMs)) && this.stragglers.take()) {
      asked.push(ask());
    }
    try {
      const won = await Promise.any(asked.map(({ answer }, index) => answer.then((first) => ({ first, index }))));
      if (won.index === 0) this.stragglers.came(performance.now() - begun);
      for (const { loser, answer } of asked.toSpliced(won.index, 1)) {
        loser.abort();
        answer.then(({ drop }) => drop()).catch(() => {});
      }
      return won.first;
    } catch (thrown) {
      throw (thrown as AggregateError).errors[0];
    }
  }

  private async once(name: string, send: Send, signal: AbortSignal): Promise<StoreAnswer> {
    const patience = new Patience(name, this.options.waitMsMax, signal);
    let response: Response;
    try {
      response = await unlessAborted(send(patience.signal), patience.signal);
    } catch (thrown) {
      patience.giveUp();
      throw patience.error ?? thrown;
    }
    patience.rest();
    const { status, headers } = response;
    if (status === 429 || status >= 500) {
      patience.giveUp();
      throw new Busy(name, response);
    }
    return {
      status,
      headers,
      drop: () => patience.giveUp(),
      bytes: () => bodyOf(name, response, patience),
    };
  }
}

/** Gives a connection up once what is waited for is late, or nobody waits for it any more. */
class Patience {
  private readonly abort = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** Set once it was given up. */
  error: CodedError | undefined;

  /** Begins to wait for an answer's head. */
  constructor(
    private readonly name: string,
    private readonly waitMsMax: number,
    private readonly outer: AbortSignal,
  ) {
    outer.addEventListener("abort", this.giveUp);
    this.expect(0);
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  /** Waits for so many bytes from now on. */
  expect(bytes: number): void {
    this.rest();
    const msMax = Math.ceil(this.waitMsMax + bytes / BYTES_PER_MS_MIN);
    this.timer = setTimeout(() => {
      const what = bytes === 0 ? "no answer" : `not all ${bytes} B`;
      const message = `${this.name}: ${what} within ${msMax} ms`;
      this.error = new CodedError("UNAVAILABLE", "STORE_UNAVAILABLE", message);
      this.abort.abort();
    }, msMax);
  }

  /** Nothing is waited for: the reader may take its time. */
  rest(): void {
    clearTimeout(this.timer);
  }

  /** The body is here. */
  end(): void {
    this.rest();
    this.outer.removeEventListener("abort", this.giveUp);
  }

  readonly giveUp = (): void => {
    this.end();
    this.abort.abort();
  };
}

/** @throws CodedError UNAVAILABLE / STORE_UNAVAILABLE where it is cut, late or not as long as its head says */
async function bodyOf(name: string, response: Response, patience: Patience): Promise<Uint8Array> {
  const said = response.headers.get("content-length");
  patience.expect(Number(said ?? 0));
  let bytes: Uint8Array;
  try {
    bytes = await unlessAborted(response.bytes(), patience.signal); // whole: a piece at a time costs twice the CPU
  } catch (thrown) {
    throw patience.error ?? unavailable(name, thrown);
  } finally {
    patience.end();
  }
  if (said !== null && Number(said) !== bytes.length) {
    throw new CodedError("UNAVAILABLE", "STORE_UNAVAILABLE", `${name}: ${bytes.length} of ${said} B came`);
  }
  return bytes;
}

/** The runtime's errors of a connection as ours. */
function unavailable(name: string, thrown: unknown): CodedError {
  if (thrown instanceof CodedError) return thrown;
  // The runtime's own sentences ask about typing errors; its code says what happened.
  const { code } = thrown as { code?: unknown };
  const detail = typeof code === "string" ? code : thrown instanceof Error ? thrown.message : String(thrown);
  const message = `${name}: no answer (${detail})`;
  return new CodedError("UNAVAILABLE", "STORE_UNAVAILABLE", message); // without its cause: that has the address, and keys in it
}
