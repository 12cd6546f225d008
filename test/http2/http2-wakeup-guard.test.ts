/** The guard against a session that is played here, so that every case of "stuck" can be had at will. */
import { afterEach, expect, test } from "bun:test";
import { EventEmitter } from "node:events";
import type { Http2Server, Http2Session } from "node:http2";
import {
  guardWakeups,
  LOOK_MS_MAX,
  LOOK_MS_MIN,
  noteWaitingWriter,
  PINGS_UNANSWERED_MAX,
  wakeupGuardCounters,
} from "../../src/http2/http2-wakeup-guard.ts";
import { until } from "../support/until.ts";

class PlayedSession extends EventEmitter {
  destroyed = false;
  state = { outboundQueueSize: 0 };
  looks = 0;
  bytes = 0;
  /** Bytes go out between any two looks. */
  writes = false;
  pings: (() => void)[] = [];
  answers = true;
  /** Set for a session behind a WindowShim. */
  wake: (() => void) | undefined;
  get socket(): object {
    const { wake } = this;
    const countLook = () => {
      this.looks++;
      if (this.writes) this.bytes++;
      return this.bytes;
    };
    return {
      get bytesWritten() {
        return countLook();
      },
      ...(wake && { wake }),
    };
  }
  ping(callback: () => void): boolean {
    if (this.answers) callback();
    this.pings.push(callback);
    return true;
  }
}

const sessions: PlayedSession[] = [];
afterEach(() => {
  for (const session of sessions.splice(0)) session.emit("close");
});

function play(enabled = true): { session: PlayedSession; openStream: () => EventEmitter } {
  const server = new EventEmitter();
  guardWakeups(server as Http2Server, enabled);
  const session = new PlayedSession();
  sessions.push(session);
  const openStream = () => {
    const stream = Object.assign(new EventEmitter(), { session });
    server.emit("stream", stream);
    return stream;
  };
  return { session, openStream };
}

function waitingWriter(session: PlayedSession): () => void {
  // The class above has the members of Http2Session that the guard uses, and no others.
  return noteWaitingWriter(session as unknown as Http2Session);
}

/** Waits for some looks, or long enough for some to have happened. */
const someLooks = () => Bun.sleep(LOOK_MS_MIN * 12);

test("pings while frames are queued and the socket stands still, and counts it", async () => {
  const { session, openStream } = play();
  const before = wakeupGuardCounters.pings;
  openStream();
  session.state.outboundQueueSize = 1;
  await until(() => session.pings.length >= 3, "three pings");
  expect(wakeupGuardCounters.pings - before).toBe(session.pings.length);
});

test("pings for a waiting writer although nothing is queued, until the wait is over", async () => {
  const { session, openStream } = play();
  openStream();
  const stop = waitingWriter(session);
  await until(() => session.pings.length >= 1, "a ping");
  stop();
  const { length } = session.pings;
  await someLooks();
  expect(session.pings).toHaveLength(length);
});

test("wakes the queue where it can, and pings only when that did not help", async () => {
  const { session, openStream } = play();
  let wakes = 0;
  session.wake = () => {
    wakes++;
    if (wakes < 4) session.bytes++;
  };
  const before = wakeupGuardCounters.kicks;
  openStream();
  session.state.outboundQueueSize = 1;
  await until(() => wakes >= 3, "three wakes");
  expect(session.pings).toHaveLength(0);
  await until(() => session.pings.length > 0, "a ping");
  expect(wakes).toBeGreaterThanOrEqual(5);
  expect(wakeupGuardCounters.kicks - before).toBe(wakes);
});

test("wakes the queue for a waiting writer in a turn of its own, once for all writers of a turn", async () => {
  const { session, openStream } = play();
  let wakes = 0;
  session.wake = () => wakes++;
  openStream();
  const stops = [1, 2, 3].map(() => waitingWriter(session));
  expect(wakes).toBe(0);
  await new Promise((resolve) => setImmediate(resolve));
  expect(wakes).toBe(1);
  for (const stop of stops) stop();
});

test("leaves a socket alone that writes, or has nothing to write", async () => {
  const { session, openStream } = play();
  openStream();
  session.state.outboundQueueSize = 9;
  session.writes = true;
  await until(() => session.looks >= 5, "five looks");
  expect(session.pings).toHaveLength(0);
  const quiet = play();
  quiet.openStream();
  await until(() => quiet.session.looks >= 5, "five looks");
  expect(quiet.session.pings).toHaveLength(0);
});

test("has no timer before the first stream, after the last, and after the session is closed", async () => {
  const { session, openStream } = play();
  expect(session.looks).toBe(0);
  const [first, second] = [openStream(), openStream()];
  await until(() => session.looks >= 2, "two looks");
  first.emit("close");
  let { looks } = session;
  await until(() => session.looks > looks, "another look");
  second.emit("close");
  looks = session.looks;
  await someLooks();
  expect(session.looks).toBe(looks);

  openStream();
  await until(() => session.looks > looks, "another look");
  session.destroyed = true;
  session.emit("close");
  looks = session.looks;
  await someLooks();
  expect(session.looks).toBe(looks);
});

test("looks ever more seldom while nothing moves, and again when a writer waits", async () => {
  const { session, openStream } = play();
  openStream();
  const begun = performance.now();
  await until(() => session.looks >= 6, "six looks"); // after 4, 8, 16, 32, 64 and 128 ms, the first at once
  expect(performance.now() - begun).toBeGreaterThan(LOOK_MS_MIN * 2 ** 5 - LOOK_MS_MIN);
  expect(LOOK_MS_MAX / LOOK_MS_MIN).toBe(2 ** 6);
  const { looks } = session;
  const stop = waitingWriter(session);
  await until(() => session.looks > looks + 2, "three more looks");
  stop();
});

test("stops pinging a client that answers none", async () => {
  const { session, openStream } = play();
  session.answers = false;
  session.state.outboundQueueSize = 1;
  openStream();
  await until(() => session.pings.length === PINGS_UNANSWERED_MAX, "the last ping without an answer");
  const { looks } = session;
  await until(() => session.looks > looks + 1, "two more looks");
  expect(session.pings).toHaveLength(PINGS_UNANSWERED_MAX);
  session.pings[0]?.();
  await until(() => session.pings.length === PINGS_UNANSWERED_MAX + 1, "another ping");
});

test("does nothing when it is switched off, nor for sessions that it does not guard", async () => {
  const { session, openStream } = play(false);
  openStream();
  session.state.outboundQueueSize = 1;
  const stop = waitingWriter(session);
  await someLooks();
  stop();
  noteWaitingWriter(undefined)();
  expect(session.looks).toBe(0);
});
