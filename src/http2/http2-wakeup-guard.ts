/**
 * Revives node:http2 sessions that forget to send.
 *
 * Why: in Bun 1.4.5 frames can stay in a session's outbound queue although the windows are open and the socket is
 * empty. It happens now and then on any session over a plain socket, and always when one call of a connection is
 * held up by its client: the frames of its other calls are queued behind, and nothing wakes the queue but the next
 * frame that comes in, or a "drain" of the socket.
 *
 * How: a writer that waits has the queue woken in the next turn of the event loop, by the `wake` of WindowShim. And while a session has streams
 * open, a timer looks at it: when frames are queued, or a writer waits, and the socket has written nothing since the
 * last look, it wakes the queue, and from the second time on also sends a PING, whose acknowledgement is a frame that
 * comes in (the only way where there is no WindowShim). Time between two looks: 4 ms, doubling to 256 ms while nothing
 * moves. Sessions without streams have no timer. A client that does not read looks just like the defect, and is pinged
 * four times a second at most, with few pings unanswered.
 */
import type { Http2Server, Http2Session, ServerHttp2Stream } from "node:http2";

/** Time to the first look, and after each progress. */
export const LOOK_MS_MIN = 4; // a stall costs about this much; shorter would cost CPU on every busy stream
/** Time between looks while nothing moves. */
export const LOOK_MS_MAX = 256; // slow readers are pinged no more often than this
/** Pings that a client may owe an answer for. */
export const PINGS_UNANSWERED_MAX = 4; // a client that answers none is gone, and keepalive's to find

/** What guards of this thread have done: looks that found a session standing still, and pings sent. */
export const wakeupGuardCounters = { kicks: 0, pings: 0 };

/** True where the defect is: on Bun. */
const WAKEUP_GUARD_NEEDED = process.versions.bun !== undefined;

const guards = new WeakMap<Http2Session, SessionGuard>();

class SessionGuard {
  #streams = 0;
  #waiting = 0;
  #pingsUnanswered = 0;
  #kicksInARow = 0;
  #wakesSoon = false;
  #bytesWritten = -1;
  #lookMs = LOOK_MS_MIN;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly session: Http2Session) {
    session.once("close", () => this.#stop());
  }

  streamOpened(stream: ServerHttp2Stream): void {
    this.#streams++;
    stream.once("close", () => {
      this.#streams--;
      if (this.#streams === 0) this.#stop();
    });
    this.#lookSoon();
  }

  startWaiting(): void {
    this.#waiting++;
    this.#lookSoon();
    if (this.#wakesSoon) return;
    this.#wakesSoon = true;
    // Not at once: the writer may be running inside node:http2's own sending, and a wake from there left calls stuck.
    setImmediate(() => {
      this.#wakesSoon = false;
      if (this.#waiting > 0 && !this.session.destroyed) this.#wake();
    });
  }

  stopWaiting(): void {
    this.#waiting--;
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #lookSoon(): void {
    if (this.#timer !== undefined && this.#lookMs === LOOK_MS_MIN) return;
    this.#lookMs = LOOK_MS_MIN;
    this.#schedule();
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), this.#lookMs);
    this.#timer.unref();
  }

  #look(): void {
    this.#timer = undefined;
    const { session } = this;
    if (session.destroyed || this.#streams === 0) return;
    const bytesWritten = session.socket?.bytesWritten ?? 0;
    if (bytesWritten !== this.#bytesWritten) {
      this.#bytesWritten = bytesWritten;
      this.#lookMs = LOOK_MS_MIN;
      this.#kicksInARow = 0;
    } else {
      if (this.#waiting > 0 || (session.state.outboundQueueSize ?? 0) > 0) this.#kick();
      this.#lookMs = Math.min(LOOK_MS_MAX, this.#lookMs * 2);
    }
    this.#schedule();
  }

  #kick(): void {
    wakeupGuardCounters.kicks++;
    if (!this.#wake() || this.#kicksInARow > 0) this.#ping();
    this.#kicksInARow++;
  }

  /** False where the session has no WindowShim to wake it. */
  #wake(): boolean {
    const { wake } = (this.session.socket ?? {}) as { wake?: () => void };
    wake?.();
    return wake !== undefined;
  }

  #ping(): void {
    if (this.#pingsUnanswered >= PINGS_UNANSWERED_MAX) return;
    try {
      this.session.ping(() => {
        this.#pingsUnanswered--;
      });
    } catch {
      return; // the session is being destroyed: its close event ends this guard
    }
    this.#pingsUnanswered++;
    wakeupGuardCounters.pings++;
  }
}

/** Guards every session of `server` from its next stream on. Does nothing when `enabled` is false (default: on Bun). */
export function guardWakeups(server: Http2Server, enabled: boolean = WAKEUP_GUARD_NEEDED): void {
  if (!enabled) return;
  server.on("stream", (stream: ServerHttp2Stream) => {
    const { session } = stream;
    if (session === undefined) return;
    let guard = guards.get(session);
    if (guard === undefined) {
      guard = new SessionGuard(session);
      guards.set(session, guard);
    }
    guard.streamOpened(stream);
  });
}

function ignore(): void {}

/**
 * Tells the guard of `session`, when it has one, that a writer waits from now on: it wakes the queue soon, and takes a
 * socket that stands still for stuck. Returns the function to call, once, when the wait is over.
 */
export function noteWaitingWriter(session: Http2Session | undefined): () => void {
  const guard = session === undefined ? undefined : guards.get(session);
  if (guard === undefined) return ignore;
  guard.startWaiting();
  return () => guard.stopWaiting();
}
