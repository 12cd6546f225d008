/** Lanes beside node:http2's own frames: the client's windows are never exceeded, frames stay whole, and nothing is lost. */
import { describe, expect, test } from "bun:test";
import { NODE_WINDOW_BYTES } from "../../src/http2/node-window.ts";
import { HELD_FRAMES_MAX } from "../../src/http2/outbound-parts.ts";
import { connection } from "./connection.ts";
import {
  ACK,
  CLIENT_PREFACE,
  continuation,
  data,
  describeFrame,
  frame,
  headers,
  initialWindow,
  parseFrames,
  reset,
  settings,
  windowUpdate,
} from "./frames.ts";

const END_STREAM = 1;
const END_HEADERS = 4;
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A connection with those streams open and answered, whose initial window is acknowledged. */
function opened(window: number, ...streams: number[]) {
  const all = connection();
  const { subject, outbound, toClient, toNode } = all;
  subject.inbound(Buffer.concat([CLIENT_PREFACE, initialWindow(window), ...streams.map((stream) => headers(stream))]));
  outbound.fromNode(ACK);
  for (const stream of streams) outbound.fromNode(headers(stream));
  toClient.length = 0;
  toNode.length = 0;
  const sent = (): string[] =>
    parseFrames(Buffer.concat(toClient.splice(0))).map(
      (each) => `${describeFrame(each)}${each.type === 0 ? `:${each.payload.length}` : ""}`,
    );
  return { ...all, sent };
}

describe("a lane", () => {
  test("cuts what it is given into frames of 16 KiB, in order, over the boundaries of its parts", () => {
    const { outbound, toClient } = opened(1 << 20, 1);
    const parts = [Buffer.alloc(7, 1), Buffer.alloc(30_000, 2), Buffer.alloc(0), Buffer.alloc(5000, 3)];
    expect(outbound.openLane(1)!.write(parts)).toBe(true);
    const frames = parseFrames(Buffer.concat(toClient));
    expect(frames.map(({ type, flags, stream, payload }) => [type, flags, stream, payload.length])).toEqual([
      [0, 0, 1, 16384],
      [0, 0, 1, 16384],
      [0, 0, 1, 35_007 - 2 * 16384],
    ]);
    expect(Buffer.concat(frames.map(({ payload }) => payload)).equals(Buffer.concat(parts))).toBe(true);
  });

  test("waits for the response headers", async () => {
    const { subject, outbound, toClient } = connection();
    subject.inbound(Buffer.concat([CLIENT_PREFACE, initialWindow(1000), headers(1)]));
    outbound.fromNode(ACK);
    const written = outbound.openLane(1)!.write([Buffer.alloc(10)]);
    outbound.fromNode(headers(1, 0));
    expect(Buffer.concat(toClient).length).toBe(9 + headers(1).length);
    outbound.fromNode(continuation(1, END_HEADERS));
    expect(await written).toBe(true);
    const sent = parseFrames(Buffer.concat(toClient)).map(describeFrame);
    expect(sent).toEqual(["SETTINGS()", "HEADERS(1)", "CONTINUATION(1)", "DATA(1)"]);
  });

  test("keeps to the windows of its stream and of the connection", async () => {
    const { subject, outbound, sent } = opened(100, 1, 3);
    const lane = outbound.openLane(1)!;
    let done = false;
    void Promise.resolve(lane.write([Buffer.alloc(70_000)])).then(() => {
      done = true;
    });
    expect(sent()).toEqual(["DATA(1):100"]);
    subject.inbound(windowUpdate(3, 5000)); // of another stream
    subject.inbound(windowUpdate(0, 5000));
    expect(sent()).toEqual([]);
    subject.inbound(windowUpdate(1, 50));
    expect(sent()).toEqual(["DATA(1):50"]);
    subject.inbound(windowUpdate(1, 1_000_000));
    expect(sent()).toEqual(["DATA(1):16384", "DATA(1):16384", "DATA(1):16384", "DATA(1):16384", "DATA(1):4314"]);
    await turn();
    expect([done, lane.bytesLeft]).toEqual([true, 0]); // 65,535 and 5000 are just enough
    const rest = lane.write([Buffer.alloc(1000)]);
    expect(sent()).toEqual(["DATA(1):535"]);
    subject.inbound(windowUpdate(0, 465));
    expect(sent()).toEqual(["DATA(1):465"]);
    expect(await rest).toBe(true);
  });

  test("uses a larger initial window once its SETTINGS is acknowledged, a smaller one at once", () => {
    const { subject, outbound, sent } = opened(100, 1);
    void outbound.openLane(1)!.write([Buffer.alloc(1000)]);
    expect(sent()).toEqual(["DATA(1):100"]);
    subject.inbound(initialWindow(300));
    expect(sent()).toEqual([]);
    outbound.fromNode(ACK);
    expect(sent()).toEqual(["SETTINGS()", "DATA(1):200"]);
    subject.inbound(initialWindow(150));
    subject.inbound(windowUpdate(1, 150));
    expect(sent()).toEqual([]); // they pay what the smaller window owes
    subject.inbound(windowUpdate(1, 1));
    expect(sent()).toEqual(["DATA(1):1"]);
    subject.inbound(settings([5, 20_000])); // no window in it
    outbound.fromNode(ACK);
    outbound.fromNode(ACK);
    expect(sent()).toEqual(["SETTINGS()", "SETTINGS()"]);
  });

  test("stands aside while node:http2 is inside a frame or a header block, and while the socket is full", () => {
    const { outbound, sent, toClient, socket } = opened(1000, 1, 3);
    const lane = outbound.openLane(1)!;
    const own = data(3, 20);
    outbound.fromNode(own.subarray(0, 5));
    void lane.write([Buffer.alloc(10)]);
    expect(toClient).toEqual([]); // a header that is not complete is kept
    outbound.fromNode(own.subarray(5, 12));
    outbound.fromNode(own.subarray(12));
    expect(sent()).toEqual(["DATA(3):20", "DATA(1):10"]);
    outbound.fromNode(headers(3, END_STREAM));
    void lane.write([Buffer.alloc(11)]);
    outbound.fromNode(continuation(3, 0));
    expect(sent()).toEqual(["HEADERS(3)", "CONTINUATION(3)"]);
    outbound.fromNode(continuation(3, END_HEADERS));
    expect(sent()).toEqual(["CONTINUATION(3)", "DATA(1):11"]);
    socket.idle = false;
    void lane.write([Buffer.alloc(12)]);
    outbound.fromNode(frame(6, 1, 0, Buffer.alloc(8)));
    expect(sent()).toEqual(["PING(0)"]);
    socket.idle = true;
    outbound.pump();
    expect(sent()).toEqual(["DATA(1):12"]);
  });

  test("takes turns with the others of its connection", () => {
    const { subject, outbound, sent, socket } = opened(10_000_000, 1, 3, 5);
    subject.inbound(windowUpdate(0, 10_000_000));
    socket.idle = false;
    for (const stream of [1, 3, 5]) void outbound.openLane(stream)!.write([Buffer.alloc(600_000)]);
    socket.idle = true;
    outbound.pump();
    const order = sent().map((each) => Number(each[5]));
    expect(order.filter((stream, index) => stream !== order[index - 1])).toEqual([1, 3, 5, 1, 3, 5, 1, 3, 5]);
  });

  test("ends with its stream, from either side, and when the connection is gone", async () => {
    for (const end of ["client", "server reset", "server end", "connection"]) {
      const { subject, outbound, sent } = opened(100, 1);
      const lane = outbound.openLane(1)!;
      const written = lane.write([Buffer.alloc(1000)]);
      if (end === "client") subject.inbound(reset(1));
      else if (end === "server reset") outbound.fromNode(reset(1));
      else if (end === "server end") outbound.fromNode(headers(1, END_HEADERS | END_STREAM));
      else outbound.destroy();
      expect(await written).toBe(false);
      expect(lane.write([Buffer.alloc(1)])).toBe(false);
      subject.inbound(windowUpdate(0, 1000));
      expect(sent().filter((each) => each.startsWith("DATA"))).toEqual(["DATA(1):100"]);
      expect([outbound.flushed, outbound.openLane(1)]).toEqual([true, undefined]);
    }
  });

  test("can be freed from its caller's memory, and then still sends what it was given", async () => {
    const { subject, outbound, toClient } = opened(100, 1);
    const lane = outbound.openLane(1)!;
    const memory = Buffer.alloc(300, 7);
    const written = lane.write([memory]);
    lane.detach();
    expect(await written).toBe(true);
    memory.fill(0);
    let drained = false;
    void lane.drained().then(() => {
      drained = true;
    });
    await turn();
    expect(drained).toBe(false);
    subject.inbound(windowUpdate(1, 200));
    await turn();
    expect(drained).toBe(true);
    const sent = parseFrames(Buffer.concat(toClient)).filter(({ type }) => type === 0);
    expect(Buffer.concat(sent.map(({ payload }) => payload)).equals(Buffer.alloc(300, 7))).toBe(true);
  });
});

describe("node:http2", () => {
  test("is told of no more than its part of the connection's window, and again when it has used that", async () => {
    const { subject, outbound, toNode } = opened(1 << 20, 1);
    subject.inbound(windowUpdate(0, 1 << 20));
    await turn();
    expect(toNode).toEqual([]); // it believes in 65,535, from the beginning
    outbound.fromNode(data(1, 16_384));
    outbound.fromNode(data(1, 16_384));
    expect(toNode).toEqual([]); // never while it writes
    await turn();
    const told = () => parseFrames(Buffer.concat(toNode.splice(0))).map(describeFrame);
    expect(told()).toEqual([`WINDOW_UPDATE(0,${2 * 16_384})`]);
    expect(2 * 16_384).toBeGreaterThanOrEqual(NODE_WINDOW_BYTES / 2);
  });

  test("has DATA held while lanes have used the connection's window, with all that follows in its order", async () => {
    const { subject, outbound, sent } = opened(1 << 20, 1, 3, 5);
    void outbound.openLane(1)!.write([Buffer.alloc(100_000)]);
    expect(sent()).toHaveLength(4); // 65,535 bytes
    outbound.fromNode(Buffer.concat([data(3, 100), headers(3, END_HEADERS | END_STREAM), headers(5)]));
    outbound.fromNode(Buffer.concat([frame(6, 1, 0, Buffer.alloc(8)), frame(4, 1, 0)]));
    expect(sent()).toEqual(["PING(0)", "SETTINGS()"]);
    expect([subject.openStreams, outbound.flushed]).toEqual([3, false]);
    subject.inbound(windowUpdate(0, 99));
    expect(sent()).toEqual([]); // also no lane: who waited first comes first
    subject.inbound(windowUpdate(0, 2));
    expect(sent()).toEqual(["DATA(3):100", "HEADERS(3)", "HEADERS(5)", "DATA(1):1"]);
    expect(subject.openStreams).toBe(2);
  });

  test("resets a stream at once, and what is held of it is dropped", () => {
    const { subject, outbound, sent } = opened(1 << 20, 1, 3, 5);
    void outbound.openLane(1)!.write([Buffer.alloc(65_535)]);
    sent();
    outbound.fromNode(Buffer.concat([data(3, 100), data(5, 200), headers(5, END_HEADERS)]));
    outbound.fromNode(Buffer.concat([reset(3), reset(5)]));
    expect(sent()).toEqual(["RST_STREAM(3)", "HEADERS(5)", "RST_STREAM(5)"]); // headers must go, with a reset behind them
    expect([subject.openStreams, outbound.flushed]).toEqual([1, true]);
  });

  test("is told between two frames of the client, never inside one or inside a header block", async () => {
    const { subject, outbound, toNode } = opened(1 << 20, 1, 3);
    subject.inbound(windowUpdate(0, 1 << 20));
    const read = () => parseFrames(Buffer.concat(toNode)).map(describeFrame);
    const grantDue = async () => {
      toNode.length = 0;
      for (let count = 0; count < 3; count++) outbound.fromNode(data(1, 16_384));
      await turn();
    };
    const upload = data(3, 1000);
    subject.inbound(upload.subarray(0, 500));
    await grantDue();
    expect(toNode).toEqual([]);
    subject.inbound(Buffer.concat([upload.subarray(500), data(3, 10)]));
    expect(Buffer.concat(toNode).subarray(0, 509).equals(Buffer.alloc(509, 3))).toBe(true);
    expect(parseFrames(Buffer.concat(toNode).subarray(509)).map(describeFrame)).toEqual([
      "WINDOW_UPDATE(0,49152)",
      "DATA(3)",
    ]);
    subject.inbound(headers(5, 0));
    await grantDue();
    expect(toNode).toEqual([]);
    subject.inbound(continuation(5, END_HEADERS));
    expect(read()).toEqual(["CONTINUATION(5)", `WINDOW_UPDATE(5,${1 << 20})`, "WINDOW_UPDATE(0,49152)"]);
  });

  test("is told of a small rest of the window when it has next to nothing", async () => {
    const { subject, outbound, sent, toNode } = opened(1 << 20, 1, 3);
    for (let count = 0; count < 4; count++) outbound.fromNode(data(3, 16_000)); // it believes in 1535 more
    void outbound.openLane(1)!.write([Buffer.alloc(100_000)]);
    sent();
    subject.inbound(windowUpdate(1, 1)); // the lane has all that is left of the connection
    await turn();
    expect(toNode).toEqual([]);
    void subject.inbound(reset(1));
    toNode.length = 0;
    subject.inbound(windowUpdate(0, 5000));
    await turn();
    expect(parseFrames(Buffer.concat(toNode)).map(describeFrame)).toEqual(["WINDOW_UPDATE(0,3465)"]);
  });

  test("has nothing held of a call that the client has reset, and others do not wait for it", () => {
    const { subject, outbound, sent } = opened(1 << 20, 1, 3, 5);
    void outbound.openLane(1)!.write([Buffer.alloc(65_535)]);
    sent();
    outbound.fromNode(Buffer.concat([data(3, 100), headers(5, END_HEADERS | END_STREAM)]));
    expect(sent()).toEqual([]);
    subject.inbound(reset(3));
    expect(sent()).toEqual(["HEADERS(5)"]);
    const half = data(1, 100); // a frame that is being held while its call ends
    const { subject: other, outbound: out, sent: sentThere } = opened(1 << 20, 1, 3);
    void out.openLane(3)!.write([Buffer.alloc(65_535)]);
    sentThere();
    out.fromNode(half.subarray(0, 50));
    other.inbound(reset(1));
    out.fromNode(half.subarray(50));
    expect([sentThere(), out.flushed]).toEqual([[], true]);
  });

  test("that has more held than a client's calls can have is a flood, and its connection is closed", () => {
    const { subject, outbound, failures } = opened(1 << 20, 1, 3);
    void outbound.openLane(1)!.write([Buffer.alloc(65_535)]);
    outbound.fromNode(data(3, 100));
    for (let count = 1; count < HELD_FRAMES_MAX; count++) {
      const stream = 2 * count + 3;
      subject.inbound(headers(stream));
      outbound.fromNode(headers(stream));
      subject.inbound(reset(stream));
    }
    expect(failures).toEqual([]);
    outbound.fromNode(headers(3));
    expect(failures).toEqual(["HTTP2_LIMIT"]);
  });

  test("gets no credit for a stream with a lane", () => {
    const { subject, outbound, toNode } = opened(100, 1, 3);
    outbound.openLane(1);
    subject.inbound(Buffer.concat([windowUpdate(1, 5), windowUpdate(3, 6)]));
    expect(parseFrames(Buffer.concat(toNode)).map(describeFrame)).toEqual(["WINDOW_UPDATE(3,6)"]);
  });
});

test("a connection's window over 2^31 − 1 is refused", () => {
  const { subject } = opened(100, 1);
  const refused = (...frames: Buffer[]) => {
    try {
      subject.inbound(Buffer.concat(frames));
      return "";
    } catch (thrown) {
      return (thrown as { reason: string }).reason;
    }
  };
  expect(refused(windowUpdate(0, 0x7fffffff))).toBe("HTTP2_PROTOCOL");
});
