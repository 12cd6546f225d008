/** What a client can do wrong to a unary call past node:http2, frame by frame, and what it is told. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import net from "node:net";
import { Server } from "@grpc/grpc-js";
import { Health, HealthCheckRequest } from "../../src/grpc/generated/health.ts";
import { type GrpcListener, grpcServerOptions, listenGrpc } from "../../src/grpc/listen.ts";
import { addService } from "../../src/grpc/service.ts";
import { until } from "../support/until.ts";
import { ACK, CLIENT_PREFACE, frame, reset, settings, wholeFrames, windowUpdate } from "./frames.ts";
import { opening, start } from "./raw-call.ts";

const CHECK = `/${Health.typeName}/Check`;
const STREAMS_MAX = 8;
const CALLS_REMEMBERED = 1024;
const REQUEST = HealthCheckRequest.encode({ service: "" });
const MESSAGE = Buffer.concat([Buffer.from([0, 0, 0, 0, REQUEST.length]), REQUEST]);
const OPENS = opening(1, CHECK);
const BLOCK = OPENS.subarray(9);

let listener: GrpcListener;
let clients = 0;
let holds = false; // answers
beforeAll(async () => {
  const server = new Server(grpcServerOptions({ "grpc.max_concurrent_streams": STREAMS_MAX }));
  const check = async () => {
    await until(() => !holds, "the end of the hold");
    return { status: 1 };
  };
  addService(server, Health, { check, watch: () => {} } as never); // the answer is as its codec wants it
  listener = await listenGrpc(server, { host: "127.0.0.1", port: 0, directPaths: new Set([CHECK]) });
});
afterAll(() => listener.close(0));

/** A client of an address of its own: faults count against an address. */
class Peer {
  readonly socket: net.Socket;
  #bytes = Buffer.alloc(0);
  closed = false;

  constructor() {
    const localAddress = `127.0.7.${++clients}`;
    this.socket = net.connect({ port: listener.port, host: "127.0.0.1", localAddress });
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.closed = true;
    });
    this.socket.on("data", (bytes: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
    });
    this.socket.write(Buffer.concat([CLIENT_PREFACE, settings(), ACK]));
  }

  /** How each stream ended, and "GOAWAY" with its code. */
  get told(): string[] {
    return wholeFrames(this.#bytes).flatMap(({ type, flags, stream, payload }) => {
      if (type === 7) return [`GOAWAY ${payload.readUInt32BE(4)}`];
      if (type === 3) return [`${stream} reset ${payload.readUInt32BE()}`];
      return type === 1 && (flags & 1) === 1 ? [`${stream} answered`] : [];
    });
  }

  updatesOf(stream: number): number {
    return wholeFrames(this.#bytes).filter((frame) => frame.type === 8 && frame.stream === stream).length;
  }

  async hears(what: string): Promise<void> {
    await until(() => this.told.includes(what) || this.closed, what);
    expect(this.told).toContain(what);
  }
}

/** The fault is in stream 1, and a call in stream 3 follows. */
const FAULTS: Record<string, [told: string, ...frames: Buffer[]]> = {
  "a CONTINUATION of another stream": [
    "GOAWAY 1",
    frame(1, 0, 1, BLOCK.subarray(0, 9)),
    frame(9, 4, 3, BLOCK.subarray(9)),
  ],
  "HEADERS inside a header block": [
    "GOAWAY 1",
    frame(1, 0, 1, BLOCK.subarray(0, 9)),
    frame(1, 4, 1, BLOCK.subarray(9)),
  ],
  "a priority that is cut short": ["GOAWAY 1", frame(1, 0x24, 1, Buffer.alloc(2))],
  "an entry that is in no table": ["GOAWAY 9", frame(1, 4, 1, Buffer.from([0xfe]))],
  "data after the end": ["1 reset 5", OPENS, frame(0, 1, 1, MESSAGE), frame(0, 1, 1, MESSAGE)],
  "headers after the end": ["1 reset 5", OPENS, frame(0, 1, 1, MESSAGE), frame(1, 5, 1, BLOCK)],
  "headers inside the request": ["1 reset 1", OPENS, frame(0, 0, 1, MESSAGE), frame(1, 4, 1, BLOCK)],
  "a WINDOW_UPDATE of nothing": ["1 reset 1", OPENS, windowUpdate(1, 0)],
  "a second message, and no end": ["1 answered", OPENS, frame(0, 0, 1, MESSAGE), frame(0, 0, 1, MESSAGE)],
  "an even stream": ["GOAWAY 1", opening(2, CHECK)],
  "a RST_STREAM of one byte": ["GOAWAY 11", OPENS, frame(3, 0, 1, Buffer.alloc(1))],
  "a WINDOW_UPDATE of two bytes": ["GOAWAY 11", OPENS, frame(8, 0, 1, Buffer.alloc(2))],
  "a PRIORITY of one byte": ["GOAWAY 11", OPENS, frame(2, 0, 1, Buffer.alloc(1))],
  "a PING of a stream": ["GOAWAY 11", OPENS, frame(6, 0, 1, Buffer.alloc(8))],
  "a PUSH_PROMISE": ["GOAWAY 11", OPENS, frame(5, 4, 1, Buffer.from([0, 0, 0, 2]))],
};

describe("a client's fault in a direct call", () => {
  for (const [name, [told, ...frames]] of Object.entries(FAULTS)) {
    test(name, async () => {
      const peer = new Peer();
      holds = true;
      peer.socket.write(Buffer.concat(frames));
      await peer.hears(told);
      holds = false;
      if (!told.startsWith("GOAWAY")) {
        peer.socket.write(start(3, CHECK, REQUEST));
        await peer.hears("3 answered");
      }
      peer.socket.destroy();
    });
  }

  test("calls over the limit of streams are refused, and the others are answered", async () => {
    const peer = new Peer();
    for (let i = 0; i <= STREAMS_MAX; i++) peer.socket.write(opening(2 * i + 1, CHECK));
    await peer.hears(`${2 * STREAMS_MAX + 1} reset 7`);
    for (let i = 0; i <= STREAMS_MAX; i++) peer.socket.write(frame(0, 1, 2 * i + 1, MESSAGE));
    for (let i = 0; i < STREAMS_MAX; i++) await peer.hears(`${2 * i + 1} answered`);
    const next = 2 * STREAMS_MAX + 3;
    peer.socket.write(start(next, CHECK, REQUEST));
    await peer.hears(`${next} answered`);
    peer.socket.destroy();
  });

  test("frames of a call that ended a thousand calls ago are no fault", async () => {
    const peer = new Peer();
    let stream = 1;
    for (; stream < 2 * CALLS_REMEMBERED + 9; stream += 2) {
      peer.socket.write(start(stream, CHECK, REQUEST));
      if (stream % STREAMS_MAX === 1) await peer.hears(`${stream} answered`);
    }
    peer.socket.write(
      Buffer.concat([windowUpdate(1, 5), frame(0, 1, 1, MESSAGE), reset(1), start(stream, CHECK, REQUEST)]),
    );
    await peer.hears(`${stream} answered`);
    peer.socket.destroy();
  });

  test("a request of many small frames is not answered by as many WINDOW_UPDATEs", async () => {
    const peer = new Peer();
    const bytes = 30_000;
    const frames = [opening(1, CHECK), frame(0, 0, 1, Buffer.from([0, 0, 0, bytes >> 8, bytes & 0xff]))];
    for (let at = 0; at < bytes; at += 10) frames.push(frame(0, at + 10 < bytes ? 0 : 1, 1, Buffer.alloc(10)));
    peer.socket.write(Buffer.concat(frames));
    await peer.hears("1 answered");
    expect(peer.updatesOf(1)).toBe(3);
    peer.socket.destroy();
  });
});
