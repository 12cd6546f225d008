/** Both sides of a connection's frames as WindowShim wires them, over buffers instead of a socket and node:http2. */
import { FloodMeter } from "../../src/http2/flood-meter.ts";
import { OutboundFrames } from "../../src/http2/http2-outbound.ts";
import { WindowRewriter } from "../../src/http2/http2-window-rewriter.ts";

export interface Connection {
  subject: WindowRewriter;
  outbound: OutboundFrames;
  /** What node:http2 has been given to read. */
  toNode: Buffer[];
  /** What has gone to the client. */
  toClient: Buffer[];
  /** False: the socket is full. Call `outbound.pump()` after setting it. */
  socket: { idle: boolean };
  /** Why the connection has to be closed. */
  failures: string[];
}

/** A meter for which minutes pass between two looks at a clock, so that nothing is a flood. */
export function unhurriedMeter(): FloodMeter {
  let nowMs = 0;
  return new FloodMeter(() => {
    nowMs += 600_000;
    return nowMs;
  });
}

/** @param onRead called for what node:http2 is given to read, when it is */
export function connection(onRead: (bytes: Buffer) => void = () => {}): Connection {
  const toNode: Buffer[] = [];
  const toClient: Buffer[] = [];
  const socket = { idle: true };
  const failures: string[] = [];
  const read = (bytes: Buffer) => {
    toNode.push(Buffer.from(bytes));
    onRead(bytes);
  };
  const outbound = new OutboundFrames({
    write: (bytes) => toClient.push(Buffer.from(bytes)),
    get idle() {
      return socket.idle;
    },
    grant: (bytes) => subject.grant(bytes),
    fail: (error) => failures.push(error.reason),
    ended: (stream) => subject.ended(stream),
    reset: () => {},
    sent: () => {},
  });
  const subject: WindowRewriter = new WindowRewriter(read, outbound, unhurriedMeter());
  return { subject, outbound, toNode, toClient, socket, failures };
}
