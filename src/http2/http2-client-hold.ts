/**
 * Lets the reader of a node:http2 client stream hold the server back.
 *
 * Why: in Bun 1.4.5 a client stream has a listener of its own on "resume" (`streamOnResume`), which grants the server
 * window for everything that has come, read or not. grpc-js pauses and resumes the stream around every message, so each
 * message that is read lets up to one window more come, and what nobody has read grows without limit. The stream's
 * `_read` calls the same function when its buffer is low, so the listener is superfluous.
 *
 * How: `http2.connect`, which grpc-js calls through the module object, gives sessions whose `request` takes that listener
 * off. Nothing happens where there is none: on Node, and on a Bun that has mended it.
 */
import http2, { type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";

const LISTENER_NAME = "streamOnResume"; // what Bun calls it

/** Calls begun in this thread, and the streams among them that had the listener: tests see whether Bun still needs this. */
export const clientHoldCounters = { calls: 0, streams: 0 };

let isInstalled = false;

/** Mends all client sessions that this thread opens from now on. Calling it again does nothing. */
export function holdClientStreams(): void {
  if (isInstalled) return;
  isInstalled = true;
  const connect = http2.connect as (...args: unknown[]) => ClientHttp2Session;
  const connectHeld = (...args: unknown[]): ClientHttp2Session => {
    const session = connect(...args);
    const request = session.request;
    session.request = (...parts: Parameters<typeof request>): ClientHttp2Stream => {
      const stream = request.apply(session, parts);
      clientHoldCounters.calls += 1;
      for (const listener of stream.listeners("resume")) {
        if (listener.name !== LISTENER_NAME) continue;
        stream.removeListener("resume", listener as () => void);
        clientHoldCounters.streams += 1;
      }
      return stream;
    };
    return session;
  };
  http2.connect = connectHeld as typeof http2.connect;
}
