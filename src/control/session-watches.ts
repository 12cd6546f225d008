/** WatchSession: tells clients of sessions as they change. A client that reads slowly is told the latest, not all. */
import type * as grpc from "@grpc/grpc-js";
import { CodedError } from "../error.ts";
import type { WatchSessionRequest, WatchSessionResponse } from "../grpc/generated/control.ts";
import { type Init, statusOf } from "../grpc/service.ts";
import { type Identity, identify, identityOf } from "../security/grant.ts";
import type { SessionService, SessionSnapshot, WatchEvent } from "../sessions/session-service.ts";
import { isEnded } from "../sessions/states.ts";
import { sessionMessage } from "./messages.ts";

const WATCHES_MAX = 1000; // each holds a call and is told of every change
const INTERVAL_MS_DEFAULT = 1000;
const INTERVAL_MS_MIN = 50; // more often is polling by other means

type WatchCall = grpc.ServerWritableStream<WatchSessionRequest, Init<WatchSessionResponse>>;

/**
 * All open WatchSession calls, at most WATCHES_MAX. A watch sends changes of state at once and progress once per
 * interval_ms (default 1000, at least 50). A watch of one session ends with the session.
 */
export class SessionWatches {
  private readonly calls = new Set<WatchCall>();

  /**
   * @param sessions those that the caller may watch
   * @param id undefined = all sessions
   * @throws CodedError NOT_FOUND, RESOURCE_EXHAUSTED / SESSION_WATCHES, INVALID_ARGUMENT / INTERVAL
   */
  begin(sessions: SessionService, call: WatchCall, id: string | undefined): void {
    const intervalMs = call.request.intervalMs || INTERVAL_MS_DEFAULT;
    if (intervalMs < INTERVAL_MS_MIN) {
      throw new CodedError(
        "INVALID_ARGUMENT",
        "INTERVAL",
        `interval_ms is ${intervalMs}: ${INTERVAL_MS_MIN} or more is accepted`,
      );
    }
    if (this.calls.size >= WATCHES_MAX) {
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "SESSION_WATCHES",
        `${this.calls.size} watches are open, and ${WATCHES_MAX} is the limit: close one, or use GetSession`,
      );
    }
    const watch = new Watch(call, id, intervalMs);
    const end = sessions.watch(id, (session, event) => watch.told(session, event));
    this.calls.add(call);
    // grpc-js emits it after every end of a call, not only when the client cancels.
    call.on("cancelled", () => {
      end();
      watch.close();
      this.calls.delete(call);
    });
    const now = id === undefined ? sessions.list().reverse() : [sessions.get(id)];
    for (const session of now) watch.told(session, "state");
  }

  /** Ends those of callers who would not be let in again. @param again as Gate has it */
  judge(again: (identity: Identity) => Identity): void {
    for (const call of this.calls) {
      const identity = identityOf(call);
      try {
        if (identity !== undefined) identify(call, again(identity));
      } catch (thrown) {
        call.emit("error", statusOf(thrown));
      }
    }
  }

  /** Ends all watches, which would otherwise keep the server from closing. */
  close(): void {
    for (const call of this.calls) call.end();
  }
}

class Watch {
  /** The latest of each session that has not been told yet. */
  private readonly waiting = new Map<string, { session: SessionSnapshot; event: WatchEvent }>();
  private readonly toldMs = new Map<string, number>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private blocked = false;
  private over = false;

  constructor(
    private readonly call: WatchCall,
    /** The one session that is watched. */
    private readonly id: string | undefined,
    private readonly intervalMs: number,
  ) {
    call.on("drain", () => {
      this.blocked = false;
      this.flush();
    });
  }

  told(session: SessionSnapshot, event: WatchEvent): void {
    if (this.over) return;
    const before = this.waiting.get(session.id);
    // A change of state stays one, whatever progress comes before it is told.
    this.waiting.set(session.id, { session, event: event === "progress" && before ? before.event : event });
    this.flush();
  }

  close(): void {
    this.over = true;
    clearTimeout(this.timer);
    this.waiting.clear();
  }

  private flush(): void {
    if (this.over) return;
    const nowMs = performance.now();
    let waitMs = Number.POSITIVE_INFINITY;
    for (const [id, { session, event }] of this.waiting) {
      if (this.blocked) return;
      const dueMs = (this.toldMs.get(id) ?? Number.NEGATIVE_INFINITY) + this.intervalMs - nowMs;
      if (event === "progress" && dueMs > 0) {
        waitMs = Math.min(waitMs, dueMs);
        continue;
      }
      this.waiting.delete(id);
      this.toldMs.set(id, nowMs);
      this.blocked = !this.call.write({ session: sessionMessage(session), deleted: event === "deleted" });
      if (event === "deleted") this.toldMs.delete(id);
      if (id === this.id && (event === "deleted" || isEnded(session.state))) {
        this.end();
        return;
      }
    }
    clearTimeout(this.timer);
    if (waitMs !== Number.POSITIVE_INFINITY) this.timer = setTimeout(() => this.flush(), waitMs);
  }

  private end(): void {
    this.close();
    this.call.end();
  }
}
