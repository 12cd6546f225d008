import { describe, expect, test } from "bun:test";
import {
  HELD_SETTINGS_MAX,
  OPEN_STREAMS_MAX,
  SETTINGS_FRAME_BYTES_MAX,
  WindowRewriter,
} from "../../src/http2/http2-window-rewriter.ts";
import { randomFrom, seedOf } from "../support/random.ts";
import { type Connection, connection, unhurriedMeter } from "./connection.ts";
import {
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

/** A rewriter after the preface, and the frames that it has emitted since the last look. */
function rewriter(firstSettings: Buffer | null = initialWindow(1000)) {
  const { subject, outbound, toNode } = connection();
  const frames = (): string[] => parseFrames(Buffer.concat(toNode.splice(0))).map(describeFrame);
  subject.inbound(CLIENT_PREFACE);
  expect(Buffer.concat(toNode.splice(0)).equals(CLIENT_PREFACE)).toBe(true);
  if (firstSettings !== null) {
    subject.inbound(firstSettings);
    frames();
  }
  const feed = (...parts: Buffer[]): string[] => {
    subject.inbound(Buffer.concat(parts));
    return frames();
  };
  return { subject, outbound, feed, frames };
}

describe("credit", () => {
  test("the first SETTINGS is rewritten to an initial window of 0, with its other entries kept in order", () => {
    const { feed, subject } = rewriter(null);
    expect(subject.established).toBe(false);
    expect(feed(settings([3, 100], [4, 4_194_304], [5, 16384]))).toEqual(["SETTINGS(3=100,5=16384,4=0)"]);
    expect(subject.established).toBe(true);
    expect(feed(headers(1))).toEqual(["HEADERS(1)", "WINDOW_UPDATE(1,4194304)"]);
  });

  test("without an entry the initial window is 65535", () => {
    const { feed } = rewriter(null);
    expect(feed(settings())).toEqual(["SETTINGS(4=0)"]);
    expect(feed(headers(1))).toEqual(["HEADERS(1)", "WINDOW_UPDATE(1,65535)"]);
  });

  test("of two entries the last counts", () => {
    const { feed } = rewriter(settings([4, 5], [4, 7]));
    expect(feed(headers(1))).toEqual(["HEADERS(1)", "WINDOW_UPDATE(1,7)"]);
  });

  test("an initial window of 0 grants nothing", () => {
    const { feed } = rewriter(initialWindow(0));
    expect(feed(headers(1))).toEqual(["HEADERS(1)"]);
    expect(feed(windowUpdate(1, 5))).toEqual(["WINDOW_UPDATE(1,5)"]);
  });

  test("an increase is the difference, for every open stream, and the whole for later ones", () => {
    const { feed } = rewriter();
    feed(headers(1), headers(3), windowUpdate(1, 500));
    expect(feed(initialWindow(1600))).toEqual(["SETTINGS()", "WINDOW_UPDATE(1,600)", "WINDOW_UPDATE(3,600)"]);
    expect(feed(headers(5))).toEqual(["HEADERS(5)", "WINDOW_UPDATE(5,1600)"]);
  });

  test("the same value again changes nothing", () => {
    const { feed } = rewriter();
    feed(headers(1));
    expect(feed(initialWindow(1000))).toEqual(["SETTINGS()"]);
  });

  test("acknowledgements, pings and unknown frames pass; the connection's window is kept back", () => {
    const { feed } = rewriter();
    const bytes = [frame(4, 1, 0), frame(6, 0, 0, Buffer.alloc(8)), frame(0xfa, 3, 9, Buffer.alloc(5))];
    const emitted: Buffer[] = [];
    const subject = new WindowRewriter((part) => emitted.push(part), connection().outbound, unhurriedMeter());
    subject.inbound(Buffer.concat([CLIENT_PREFACE, initialWindow(1), ...bytes]));
    expect(Buffer.concat(emitted).subarray(-Buffer.concat(bytes).length).equals(Buffer.concat(bytes))).toBe(true);
    expect(feed(windowUpdate(0, 77))).toEqual([]);
    expect(feed(windowUpdate(0, 0))).toEqual(["WINDOW_UPDATE(0,0)"]); // an error, which node:http2 answers
  });

  test("a header block in CONTINUATION frames is topped up after the last of them", () => {
    const { feed, subject } = rewriter();
    expect(feed(headers(1, 0))).toEqual(["HEADERS(1)"]);
    expect(subject.openStreams).toBe(0);
    expect(feed(continuation(1, 0))).toEqual(["CONTINUATION(1)"]);
    expect(feed(continuation(1, END_HEADERS))).toEqual(["CONTINUATION(1)", "WINDOW_UPDATE(1,1000)"]);
    expect(subject.openStreams).toBe(1);
  });

  test("END_STREAM on HEADERS does not matter for credit", () => {
    const { feed } = rewriter();
    expect(feed(headers(1, END_HEADERS | END_STREAM))).toEqual(["HEADERS(1)", "WINDOW_UPDATE(1,1000)"]);
    expect(feed(initialWindow(1001))).toEqual(["SETTINGS()", "WINDOW_UPDATE(1,1)"]);
  });

  test("trailers on an open stream open nothing", () => {
    const { feed, subject } = rewriter();
    feed(headers(1), data(1, 10));
    expect(feed(headers(1, END_HEADERS | END_STREAM))).toEqual(["HEADERS(1)"]);
    expect(subject.openStreams).toBe(1);
  });
});

describe("a decrease", () => {
  test("is a debt that WINDOW_UPDATEs pay first, and its acknowledgement waits until it is paid", () => {
    const { feed, subject } = rewriter();
    feed(headers(1));
    expect(feed(initialWindow(400))).toEqual([]);
    expect(subject.holdsSettings).toBe(true);
    expect(feed(windowUpdate(1, 250))).toEqual([]);
    expect(feed(windowUpdate(1, 400))).toEqual(["WINDOW_UPDATE(1,50)", "SETTINGS()"]);
    expect(subject.holdsSettings).toBe(false);
    expect(feed(windowUpdate(1, 30))).toEqual(["WINDOW_UPDATE(1,30)"]);
  });

  test("below what was sent makes the window negative: the debt counts from the initial window", () => {
    // 1000 granted, 900 used up, window 100; a decrease to 100 makes it −800, so 800 must come before 1 byte may go.
    const { feed } = rewriter();
    feed(headers(1));
    feed(initialWindow(100));
    expect(feed(windowUpdate(1, 900))).toEqual(["SETTINGS()"]);
    expect(feed(windowUpdate(1, 1))).toEqual(["WINDOW_UPDATE(1,1)"]);
  });

  test("followed by increases is paid by them, and only the rest is granted", () => {
    const { feed } = rewriter();
    feed(headers(1));
    expect(feed(initialWindow(400))).toEqual([]);
    expect(feed(initialWindow(700))).toEqual([]);
    expect(feed(initialWindow(1500))).toEqual(["SETTINGS()", "SETTINGS()", "SETTINGS()", "WINDOW_UPDATE(1,500)"]);
  });

  test("does not touch streams that open later", () => {
    const { feed } = rewriter();
    feed(headers(1));
    feed(initialWindow(400));
    expect(feed(headers(3))).toEqual(["HEADERS(3)", "WINDOW_UPDATE(3,400)"]);
    expect(feed(initialWindow(500))).toEqual(["WINDOW_UPDATE(3,100)"]);
    expect(feed(windowUpdate(1, 500))).toEqual(["SETTINGS()", "SETTINGS()"]);
  });

  test("is settled by the end of the stream from either side", () => {
    for (const end of ["client reset", "server reset", "server end"]) {
      const { feed, subject, outbound, frames } = rewriter();
      feed(headers(1), headers(3));
      feed(initialWindow(400), windowUpdate(3, 600));
      if (end === "client reset") expect(feed(reset(1))).toEqual(["RST_STREAM(1)", "SETTINGS()"]);
      else {
        outbound.fromNode(end === "server reset" ? reset(1) : data(1, 3, END_STREAM));
        expect(frames()).toEqual(["SETTINGS()"]);
      }
      expect(subject.openStreams).toBe(1);
    }
  });

  test("releases the SETTINGS between two frames only, never inside a header block", () => {
    const { feed, subject, outbound, frames } = rewriter();
    feed(headers(1));
    feed(initialWindow(400));
    subject.inbound(headers(3, 0).subarray(0, 4));
    outbound.fromNode(reset(1));
    subject.inbound(headers(3, 0).subarray(4));
    expect(frames()).toEqual(["HEADERS(3)"]);
    expect(feed(continuation(3, END_HEADERS))).toEqual(["CONTINUATION(3)", "WINDOW_UPDATE(3,400)", "SETTINGS()"]);
  });

  test("can be released by the owner, and the debt stays", () => {
    const { feed, subject, frames } = rewriter();
    feed(headers(1));
    feed(initialWindow(400));
    subject.releaseSettings();
    expect(frames()).toEqual(["SETTINGS()"]);
    expect(feed(windowUpdate(1, 700))).toEqual(["WINDOW_UPDATE(1,100)"]);
  });
});

describe("streams are forgotten", () => {
  test("when the server ends or resets them, or the client resets them", () => {
    const { feed, subject, outbound } = rewriter();
    feed(headers(1), headers(3), headers(5), headers(7));
    outbound.fromNode(headers(1, END_HEADERS)); // response headers
    outbound.fromNode(data(1, 100));
    expect(subject.openStreams).toBe(4);
    outbound.fromNode(headers(1, END_HEADERS | END_STREAM)); // trailers
    outbound.fromNode(data(3, 0, END_STREAM));
    outbound.fromNode(reset(5));
    expect(subject.openStreams).toBe(1);
    feed(reset(7));
    expect(subject.openStreams).toBe(0);
    expect(feed(initialWindow(2000))).toEqual(["SETTINGS()"]);
    expect(feed(windowUpdate(1, 9))).toEqual(["WINDOW_UPDATE(1,9)"]); // node:http2 knows what to do with it
  });

  test("also when node:http2 answers while it is given the header block", () => {
    const { subject, outbound, toNode }: Connection = connection((bytes) => {
      if (bytes.includes("block")) outbound.fromNode(headers(1, END_HEADERS | END_STREAM));
    });
    subject.inbound(Buffer.concat([CLIENT_PREFACE, initialWindow(1000), headers(1)]));
    expect(subject.openStreams).toBe(0);
    const frames = parseFrames(Buffer.concat(toNode).subarray(CLIENT_PREFACE.length)).map(describeFrame);
    expect(frames).toEqual(["SETTINGS(4=0)", "HEADERS(1)"]);
  });

  test("flags and ids of other frame types mean nothing on the way out", () => {
    const { feed, subject, outbound } = rewriter();
    feed(headers(1));
    outbound.fromNode(frame(6, 1, 0, Buffer.alloc(8))); // PING with ACK, the bit of END_STREAM
    outbound.fromNode(frame(4, 1, 0));
    outbound.fromNode(data(3, 10, END_STREAM));
    expect(subject.openStreams).toBe(1);
  });
});

describe("refuses", () => {
  const reasonOf = (action: () => void): string => {
    try {
      action();
      return "nothing thrown";
    } catch (error) {
      return (error as { reason: string }).reason;
    }
  };

  test("a connection that does not begin with SETTINGS", () => {
    for (const first of [headers(1), data(1, 1), frame(4, 1, 0), Buffer.from("GET / HTTP/1.1\r\n\r\n")]) {
      const { subject } = rewriter(null);
      expect(reasonOf(() => subject.inbound(first))).toBe("HTTP2_PROTOCOL");
    }
  });

  test("SETTINGS of a wrong or too large size, and windows over 2^31 − 1", () => {
    const fresh = () => rewriter().subject;
    expect(reasonOf(() => fresh().inbound(frame(4, 0, 0, Buffer.alloc(7))))).toBe("HTTP2_PROTOCOL");
    expect(reasonOf(() => fresh().inbound(initialWindow(0x80000000)))).toBe("HTTP2_PROTOCOL");
    const largest = SETTINGS_FRAME_BYTES_MAX - (SETTINGS_FRAME_BYTES_MAX % 6);
    expect(reasonOf(() => fresh().inbound(frame(4, 0, 0, Buffer.alloc(largest))))).toBe("nothing thrown");
    // The header alone is enough: a frame that is over the limit is never collected.
    expect(reasonOf(() => fresh().inbound(frame(4, 0, 0, Buffer.alloc(largest + 6)).subarray(0, 9)))).toBe(
      "HTTP2_LIMIT",
    );
  });

  test("more SETTINGS than may wait", () => {
    const { feed, subject } = rewriter();
    feed(headers(1));
    for (let i = 1; i <= HELD_SETTINGS_MAX; i++) subject.inbound(initialWindow(1000 - i));
    expect(reasonOf(() => subject.inbound(initialWindow(1)))).toBe("HTTP2_LIMIT");
  });

  test("more open streams than the limit", () => {
    const { subject } = rewriter();
    for (let i = 0; i < OPEN_STREAMS_MAX; i++) subject.inbound(headers(2 * i + 1));
    expect(subject.openStreams).toBe(OPEN_STREAMS_MAX);
    expect(reasonOf(() => subject.inbound(headers(2 * OPEN_STREAMS_MAX + 1)))).toBe("HTTP2_LIMIT");
  });
});

test("DATA is passed on as views on the bytes that came, not copied", () => {
  const emitted: Buffer[] = [];
  const subject = new WindowRewriter((bytes) => emitted.push(bytes), connection().outbound, unhurriedMeter());
  subject.inbound(Buffer.concat([CLIENT_PREFACE, initialWindow(1), headers(1)]));
  emitted.length = 0;
  const chunk = Buffer.concat([data(1, 50_000), data(1, 70_000).subarray(0, 60_000)]);
  subject.inbound(chunk);
  expect(emitted).toHaveLength(1);
  expect(emitted[0]).toBe(chunk);
  const rest = data(1, 70_000).subarray(60_000);
  subject.inbound(rest);
  expect(emitted[1]).toBe(rest);
});

/**
 * A random connection, with the windows of RFC 9113 kept beside it: `granted` is what the client allowed each stream in
 * total, by its initial windows and WINDOW_UPDATEs.
 */
function randomConnection(random: () => number) {
  const pick = (n: number) => Math.floor(random() * n);
  const steps: { bytes: Buffer; outward: boolean }[] = [];
  const granted = new Map<number, number>();
  let window = 65535;
  let nextStream = 1;
  let changesLeft = HELD_SETTINGS_MAX;
  const inward = (bytes: Buffer) => steps.push({ bytes, outward: false });
  const settingsTo = (value: number) => {
    for (const [stream, bytes] of granted) granted.set(stream, bytes + value - window);
    window = value;
    inward(random() < 0.5 ? initialWindow(value) : settings([5, 16384 + pick(100)], [4, value]));
  };
  inward(CLIENT_PREFACE);
  if (random() < 0.2) inward(settings([3, 100]));
  else settingsTo(pick(100_000));
  for (let i = 0; i < 60; i++) {
    const open = [...granted.keys()];
    const stream = open[pick(open.length)];
    const choice = pick(10);
    if (choice === 0 && changesLeft-- > 0) settingsTo(pick(100_000));
    else if (choice <= 2 || stream === undefined) {
      const id = nextStream;
      nextStream += 2;
      granted.set(id, window);
      if (random() < 0.3) {
        inward(headers(id, 0));
        while (random() < 0.3) inward(continuation(id, 0));
        inward(continuation(id, END_HEADERS));
      } else inward(headers(id));
    } else if (choice <= 5) {
      const bytes = 1 + pick(80_000);
      granted.set(stream, granted.get(stream)! + bytes);
      inward(windowUpdate(stream, bytes));
    } else if (choice === 6) inward(data(stream, pick(300)));
    else if (choice === 7) inward(random() < 0.5 ? windowUpdate(0, 9) : frame(6, pick(2), 0, Buffer.alloc(8)));
    else if (choice === 8) {
      granted.delete(stream);
      if (random() < 0.5) inward(reset(stream));
      else steps.push({ bytes: random() < 0.5 ? reset(stream) : data(stream, pick(300), END_STREAM), outward: true });
    } else steps.push({ bytes: random() < 0.5 ? data(stream, pick(300)) : headers(stream), outward: true });
  }
  return { steps, granted };
}

/** Credit that a stack which reads `emitted` gives each stream in total. */
function creditOf(emitted: Buffer): Map<number, number> {
  const credit = new Map<number, number>();
  let first = true;
  for (const { type, flags, stream, payload } of parseFrames(emitted.subarray(CLIENT_PREFACE.length))) {
    if (type === 1 || type === 9) credit.set(stream, credit.get(stream) ?? 0);
    if (type === 8 && stream > 0) credit.set(stream, (credit.get(stream) ?? Number.NaN) + payload.readUInt32BE(0));
    if (type === 4 && (flags & 1) === 0) {
      for (let at = 0; at < payload.length; at += 6) {
        // The initial window may be spoken of once, as 0.
        if (payload.readUInt16BE(at) === 4) expect([first, payload.readUInt32BE(at + 2)]).toEqual([true, 0]);
      }
      first = false;
    }
  }
  return credit;
}

test("random connections at random splits: same output, exact windows, nothing else touched", () => {
  const seed = seedOf();
  console.log(`http2-window-rewriter: SEED=${seed}`);
  const random = randomFrom(seed);
  for (let round = 0; round < 300; round++) {
    const { steps, granted } = randomConnection(random);
    const run = (chunkMax: number): { emitted: Buffer; subject: WindowRewriter } => {
      const { subject, outbound, toNode, toClient } = connection();
      for (const { bytes, outward } of steps) {
        for (let at = 0; at < bytes.length; ) {
          const end = Math.min(
            bytes.length,
            at + (chunkMax === Infinity ? bytes.length : 1 + Math.floor(random() * chunkMax)),
          );
          if (outward) outbound.fromNode(bytes.subarray(at, end));
          else subject.inbound(bytes.subarray(at, end));
          at = end;
        }
      }
      const outward = Buffer.concat(steps.filter((step) => step.outward).map(({ bytes }) => bytes));
      expect(Buffer.concat(toClient).equals(outward)).toBe(true);
      return { emitted: Buffer.concat(toNode), subject };
    };
    const whole = run(Infinity);
    for (const chunkMax of [1, 20, 500]) {
      expect(run(chunkMax).emitted.equals(whole.emitted)).toBe(true);
    }
    expect(whole.subject.openStreams).toBe(granted.size);

    const credit = creditOf(whole.emitted);
    for (const [stream, bytes] of granted) {
      // Never less than the client granted (that is the defect), and no more unless the acknowledgement is held back.
      if (whole.subject.holdsSettings) expect(credit.get(stream)!).toBeGreaterThanOrEqual(bytes);
      else expect(credit.get(stream)).toBe(bytes);
    }

    const others = (bytes: Buffer) =>
      parseFrames(bytes.subarray(CLIENT_PREFACE.length))
        .filter(({ type, flags }) => (type !== 4 || (flags & 1) !== 0) && type !== 8)
        .map(({ type, flags, stream, payload }) => `${type} ${flags} ${stream} ${payload.toString("hex")}`);
    const sent = Buffer.concat(steps.filter(({ outward }) => !outward).map(({ bytes }) => bytes));
    expect(others(whole.emitted)).toEqual(others(sent));
  }
});
