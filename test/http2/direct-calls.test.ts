/** Unary calls past node:http2: clients see what they see by way of it, whatever they send. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import net from "node:net";
import { Server } from "@grpc/grpc-js";
import { CALL_LIMITS_DEFAULT } from "../../src/grpc/call-budget.ts";
import { Health, HealthCheckRequest, HealthCheckResponse } from "../../src/grpc/generated/health.ts";
import { type GrpcListener, grpcServerOptions, listenGrpc } from "../../src/grpc/listen.ts";
import { addService } from "../../src/grpc/service.ts";
import type { UnaryCall } from "../../src/grpc/unary-calls.ts";
import { HpackDecoder } from "../../src/http2/hpack/decoder.ts";
import { until } from "../support/until.ts";
import { ACK, CLIENT_PREFACE, frame, parseFrames, reset, settings, windowUpdate } from "./frames.ts";
import { opening, start } from "./raw-call.ts";

const CHECK = `/${Health.typeName}/Check`;
const WATCH = `/${Health.typeName}/Watch`;
const STREAMS_MAX = 8;
const REQUEST_BYTES_MAX = 300_000;
const IDLE_MS = 400;
const CLOCK_MS = 20; // that timers may be early, added up
const SETTINGS_HOLD_MS_MAX = 10_000; // what a client may have to wait for an acknowledgement

/** Answers after `after:N` milliseconds; `large` has an answer of 100 kB by its details. */
class Subject {
  readonly calls: UnaryCall[] = [];
  cancelled = 0;
  listener!: GrpcListener;

  async listen(direct: boolean, callLimits = CALL_LIMITS_DEFAULT): Promise<this> {
    const server = new Server(
      grpcServerOptions({
        "grpc.max_concurrent_streams": STREAMS_MAX,
        "grpc.max_receive_message_length": REQUEST_BYTES_MAX,
        "grpc.max_connection_idle_ms": IDLE_MS,
      }),
    );
    // A response of its own size, so that windows can be met.
    const response = { ...HealthCheckResponse, encode: (message: object) => (message as { bytes: Uint8Array }).bytes };
    const service = { ...Health, methods: { ...Health.methods, check: { ...Health.methods.check, response } } };
    const check = async ({ service }: { service: string }, call: UnaryCall) => {
      this.calls.push(call);
      call.on("cancelled", () => {
        this.cancelled++;
      });
      const [kind, number] = service.split(":");
      if (kind === "after") await Bun.sleep(Number(number));
      if (kind === "fails") throw new Error("a fault of ours");
      return { bytes: Buffer.alloc(kind === "bytes" ? Number(number) : 3, call.metadata.get("mark").length) };
    };
    const handlers = { check, watch: () => {} };
    addService(server, service as unknown as typeof Health, handlers as never); // its codec is of the test's own
    const directPaths = direct ? new Set([CHECK, WATCH]) : undefined;
    this.listener = await listenGrpc(server, { host: "127.0.0.1", port: 0, directPaths, callLimits });
    return this;
  }
}

/** What a client has been sent, by stream. */
interface Seen {
  headers: [string, string][];
  bytes: number;
  ended: boolean;
  reset: number | undefined;
}

class Peer {
  readonly socket: net.Socket;
  readonly streams = new Map<number, Seen>();
  goaway: { last: number; code: number; why: string } | undefined;
  closed = false;
  updates = 0;
  readonly #decoder = new HpackDecoder(1 << 20);
  #bytes = Buffer.alloc(0);

  constructor({ listener }: Subject, first: Buffer = settings()) {
    this.socket = net.connect(listener.port, "127.0.0.1");
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.closed = true;
    });
    this.socket.on("data", (bytes: Buffer) => this.#receive(bytes));
    this.socket.write(Buffer.concat([CLIENT_PREFACE, first, ACK]));
  }

  async ended(stream: number): Promise<Seen> {
    const isOver = () => this.#seen(stream).ended || this.#seen(stream).reset !== undefined || this.closed;
    await until(isOver, `the end of stream ${stream}`);
    return this.#seen(stream);
  }

  status(stream: number): string {
    const { headers } = this.#seen(stream);
    const of = (name: string) => headers.filter((header) => header[0] === name).map((header) => header[1]);
    return [of(":status"), of("content-type"), of("grpc-status"), of("grpc-message"), of("reason")].join(" | ");
  }

  #seen(stream: number): Seen {
    const seen = this.streams.get(stream) ?? { headers: [], bytes: 0, ended: false, reset: undefined };
    this.streams.set(stream, seen);
    return seen;
  }

  #receive(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    let end = 0;
    while (this.#bytes.length - end >= 9 && this.#bytes.length - end >= 9 + this.#bytes.readUIntBE(end, 3)) {
      end += 9 + this.#bytes.readUIntBE(end, 3);
    }
    for (const { type, flags, stream, payload } of parseFrames(this.#bytes.subarray(0, end))) {
      const seen = this.#seen(stream);
      if (type === 0) seen.bytes += payload.length;
      if (type === 1) seen.headers.push(...(this.#decoder.decode(payload) as [string, string][]));
      if (type <= 1 && flags & 1) seen.ended = true;
      if (type === 3) seen.reset = payload.readUInt32BE();
      if (type === 8 && stream === 0) this.updates++;
      if (type === 7) {
        const last = payload.readUInt32BE() & 0x7fffffff;
        this.goaway = { last, code: payload.readUInt32BE(4), why: payload.toString("utf8", 8) };
      }
    }
    this.#bytes = this.#bytes.subarray(end);
  }
}

const asks = (service: string) => HealthCheckRequest.encode({ service });
const message = (bytes: Uint8Array) => Buffer.concat([Buffer.from([0, 0, 0, 0, bytes.length]), bytes]);
const prefix = (bytes: number) => Buffer.from([0, bytes >>> 24, (bytes >> 16) & 255, (bytes >> 8) & 255, bytes & 255]);
/** A literal that goes into the dynamic table. */
const indexed = (name: string, value: string) =>
  Buffer.concat([Buffer.from([0x40, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);
const entry = (index: number) => Buffer.from([0x80 | index]);
const block = Buffer.concat(
  Object.entries({
    ...{ ":method": "POST", ":scheme": "http", ":path": CHECK, ":authority": "localhost" },
    ...{ "content-type": "application/grpc", te: "trailers" },
  }).map(([name, value]) => indexed(name, value)),
);
const fromTable = Buffer.concat([67, 66, 65, 64, 63, 62].map(entry)); // the newest has 62

const large = Buffer.alloc(60_000);
const chunks = (stream: number, bytes: Buffer) =>
  Array.from({ length: Math.ceil(bytes.length / 16_384) }, (_, i) =>
    frame(0, (i + 1) * 16_384 >= bytes.length ? 1 : 0, stream, bytes.subarray(i * 16_384, (i + 1) * 16_384)),
  );

/** What a client sends in stream 1. */
const REQUESTS: Record<string, Buffer[]> = {
  "a plain call": [start(1, CHECK, asks(""))],
  "a handler's fault": [start(1, CHECK, asks("fails"))],
  "bytes that are no message": [start(1, CHECK, Buffer.from([0xff, 0xff, 0xff]))],
  "no message": [opening(1, CHECK), frame(0, 1, 1)],
  "half a message": [opening(1, CHECK), frame(0, 1, 1, prefix(9))],
  "a prefix in two frames": [
    opening(1, CHECK),
    frame(0, 0, 1, message(asks("")).subarray(0, 3)),
    frame(0, 1, 1, message(asks("")).subarray(3)),
  ],
  "a message over the limit": [opening(1, CHECK), frame(0, 1, 1, prefix(REQUEST_BYTES_MAX + 1))],
  "a message of many frames": [opening(1, CHECK), ...chunks(1, Buffer.concat([prefix(large.length), large]))],
  "headers alone": [frame(1, 5, 1, Buffer.concat([block]))],
  "trailers of the client": [opening(1, CHECK), frame(0, 0, 1, message(asks(""))), frame(1, 5, 1, indexed("a", "b"))],
  "padding and a priority": [
    frame(1, 0x2c, 1, Buffer.concat([Buffer.from([3, 0, 0, 0, 0, 9]), block, Buffer.alloc(3)])),
    frame(0, 9, 1, Buffer.concat([Buffer.from([2]), message(asks("")), Buffer.alloc(2)])),
  ],
  "a header block of three frames": [
    frame(1, 0, 1, block.subarray(0, 10)),
    frame(9, 0, 1, block.subarray(10, 20)),
    frame(9, 4, 1, block.subarray(20)),
    frame(0, 1, 1, message(asks(""))),
  ],
  "a timeout that passes": [start(1, CHECK, asks("after:3000"), { "grpc-timeout": "50m" })],
  "a timeout that cannot be read": [start(1, CHECK, asks(""), { "grpc-timeout": "soon" })],
  "another content type": [start(1, CHECK, asks(""), { "content-type": "text/plain" })],
  "a method that there is not": [start(1, `/${Health.typeName}/Nothing`, asks(""))],
};

describe("a direct call", () => {
  let direct: Subject;
  let past: Subject; // all by way of node:http2
  beforeAll(async () => {
    direct = await new Subject().listen(true);
    past = await new Subject().listen(false);
  });
  afterAll(async () => {
    await Promise.all([direct.listener.close(0), past.listener.close(0)]);
  });

  for (const [name, frames] of Object.entries(REQUESTS)) {
    test(`${name} is answered as ever`, async () => {
      const results = [];
      for (const subject of [direct, past]) {
        const peer = new Peer(subject);
        for (const bytes of frames) peer.socket.write(bytes);
        const { bytes } = await peer.ended(1);
        results.push({ status: peer.status(1), bytes });
        peer.socket.destroy();
      }
      expect(results[0]).toEqual(results[1]!);
      expect(results[0]!.status).toContain(" | ");
    });
  }

  test("frames may be split anywhere, and blocks refer to earlier ones of other calls", async () => {
    const bytes = Buffer.concat([
      frame(1, 4, 1, block),
      frame(0, 1, 1, message(asks(""))),
      ...[3, 5, 7].flatMap((stream) => [frame(1, 4, stream, fromTable), frame(0, 1, stream, message(asks("")))]),
    ]);
    for (let size = 1; size < 40; size += 3) {
      const peer = new Peer(direct);
      for (let at = 0; at < bytes.length; at += size) {
        peer.socket.write(bytes.subarray(at, at + size));
        await new Promise((resolve) => setImmediate(resolve));
      }
      for (const stream of [1, 3, 5, 7]) {
        await peer.ended(stream);
        expect(peer.status(stream), `pieces of ${size}`).toBe("200 | application/grpc+proto | 0 | OK | ");
      }
      peer.socket.destroy();
    }
  });

  test("an answer waits for its windows, small or large", async () => {
    for (const bytes of [10, 100_000]) {
      const peer = new Peer(direct, settings([4, 0]));
      peer.socket.write(start(1, CHECK, asks(`bytes:${bytes}`)));
      await until(() => peer.streams.get(1)?.headers.length, "news of the call");
      await Bun.sleep(50);
      expect(peer.streams.get(1)?.bytes).toBe(0);
      peer.socket.write(Buffer.concat([windowUpdate(1, 200_000), windowUpdate(0, 200_000)]));
      expect((await peer.ended(1)).bytes).toBe(bytes + 5);
      expect(peer.status(1)).toBe("200 | application/grpc+proto | 0 | OK | ");
      peer.socket.destroy();
    }
  });

  test("an answer goes out as soon as SETTINGS open its window again, beside a call that still owes", async () => {
    for (const [window, bytes] of [
      [1000, 10],
      [65_535, 60_000],
      [200_000, 100_000],
    ] as const) {
      const peer = new Peer(direct);
      peer.socket.write(start(1, WATCH, asks("")));
      peer.socket.write(start(3, CHECK, asks("after:50")));
      peer.socket.write(Buffer.concat([windowUpdate(0, 200_000), settings([4, 0])]));
      await until(() => peer.streams.get(3)?.headers.length, "the answer's headers");
      expect(peer.streams.get(3)?.bytes).toBe(0);
      const before = performance.now();
      peer.socket.write(Buffer.concat([start(5, CHECK, asks(`bytes:${bytes}`)), settings([4, window])]));
      expect((await peer.ended(5)).bytes).toBe(bytes + 5);
      expect((await peer.ended(3)).bytes).toBe(8);
      expect(performance.now() - before).toBeLessThan(SETTINGS_HOLD_MS_MAX);
      expect(peer.goaway).toBeUndefined();
      peer.socket.destroy();
    }
  });

  test("a window that is less than nothing takes as much to open again", async () => {
    const peer = new Peer(direct);
    peer.socket.write(Buffer.concat([windowUpdate(0, 200_000), start(1, CHECK, asks("bytes:100000"))]));
    await until(() => peer.streams.get(1)?.bytes === 65_535, "the first window");
    peer.socket.write(settings([4, 0])); // it has -65,535 now
    peer.socket.write(start(3, CHECK, asks("")));
    await until(() => peer.streams.get(3)?.headers.length, "the next answer's headers");
    peer.socket.write(settings([4, 1000]));
    expect((await peer.ended(3)).bytes).toBe(8);
    expect(peer.streams.get(1)?.bytes).toBe(65_535);
    peer.socket.write(windowUpdate(1, 99_005));
    expect((await peer.ended(1)).bytes).toBe(100_005);
    peer.socket.destroy();
  });

  test("a client that cancels is told to the handler; what crosses with an answer is no fault", async () => {
    const peer = new Peer(direct);
    const before = direct.cancelled;
    peer.socket.write(start(1, CHECK, asks("after:200")));
    await until(() => direct.calls.at(-1)?.cancelled === false, "news of the call");
    peer.socket.write(reset(1));
    await until(() => direct.cancelled > before, "news of the call");
    peer.socket.write(start(3, CHECK, asks("")));
    await peer.ended(3);
    peer.socket.write(
      Buffer.concat([windowUpdate(3, 10), reset(3), frame(0, 1, 3, Buffer.alloc(9)), windowUpdate(1, 5)]),
    );
    peer.socket.write(start(5, CHECK, asks("")));
    await peer.ended(5);
    expect(peer.status(5)).toBe("200 | application/grpc+proto | 0 | OK | ");
    expect(peer.goaway).toBeUndefined();
    peer.socket.destroy();
  });

  test("a call over the limit of calls is refused, and its connection goes on", async () => {
    const subject = await new Subject().listen(true, { ...CALL_LIMITS_DEFAULT, peerCallsMax: 2 });
    const peer = new Peer(subject);
    for (const stream of [1, 3, 5]) peer.socket.write(start(stream, CHECK, asks("after:100")));
    await peer.ended(5);
    expect(peer.status(5)).toMatch(/^200 \| application\/grpc\+proto \| 8 \| .* \| CALLS_MAX$/);
    await Promise.all([peer.ended(1), peer.ended(3)]);
    peer.socket.write(start(7, CHECK, asks("")));
    await peer.ended(7);
    expect(peer.status(7)).toBe("200 | application/grpc+proto | 0 | OK | ");
    peer.socket.destroy();
    await subject.listener.close(0);
  });

  test("a stream is opened once", async () => {
    const peer = new Peer(direct);
    peer.socket.write(start(3, CHECK, asks("")));
    await peer.ended(3);
    const calls = direct.calls.length;
    peer.socket.write(start(3, CHECK, asks("")));
    peer.socket.write(start(5, CHECK, asks("")));
    await peer.ended(5);
    expect(direct.calls.length).toBe(calls + 1);
    peer.socket.destroy();
  });

  for (const path of [CHECK, WATCH]) {
    for (const [stream, why] of [
      [1, "stream 1 begins after stream 3: numbers of new streams must grow"],
      [2, "stream 2 is a server's: a client's have odd numbers"],
      [4, "stream 4 is a server's: a client's have odd numbers"],
    ] as const) {
      test(`stream ${stream} of ${path} after stream 3 ends the connection`, async () => {
        const peer = new Peer(direct);
        peer.socket.write(start(3, path, asks("")));
        if (path === CHECK) await peer.ended(3);
        const calls = direct.calls.length;
        peer.socket.write(start(stream, CHECK, asks("")));
        await until(() => peer.closed, "the end");
        expect(peer.goaway).toMatchObject({ code: 1, why });
        expect(direct.calls.length).toBe(calls);
      });
    }
  }

  test("the connection's window is given back", async () => {
    const peer = new Peer(direct);
    for (let stream = 1; stream < 21; stream += 2) {
      peer.socket.write(
        Buffer.concat([opening(stream, CHECK), ...chunks(stream, Buffer.concat([prefix(large.length), large]))]),
      );
      await peer.ended(stream);
    }
    expect(peer.updates).toBeGreaterThan(0);
    peer.socket.destroy();
  });

  test("an interrupted header block, and a block that cannot be read, end the connection", async () => {
    const faults: [number, Buffer][] = [
      [1, Buffer.concat([frame(1, 0, 1, block.subarray(0, 10)), frame(0, 1, 1, message(asks("")))])],
      [9, frame(1, 4, 1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0x7f]))],
      [1, frame(0, 9, 1, Buffer.from([5, 1, 1]))],
    ];
    for (const [code, bytes] of faults) {
      const peer = new Peer(direct);
      peer.socket.write(code === 1 && bytes[3] === 0 ? Buffer.concat([opening(1, CHECK), bytes]) : bytes);
      await until(() => peer.closed, "news of the call");
      expect(peer.goaway?.code).toBe(code);
    }
  });

  test("an idle connection is closed, and one with direct calls is not idle", async () => {
    const peer = new Peer(direct);
    const begun = performance.now();
    peer.socket.write(start(1, CHECK, asks(`after:${2 * IDLE_MS}`)));
    await until(() => peer.goaway, "a GOAWAY");
    expect(peer.status(1)).toBe("200 | application/grpc+proto | 0 | OK | ");
    expect(performance.now() - begun).toBeGreaterThan(3 * IDLE_MS - CLOCK_MS);
    peer.socket.destroy();
  });

  for (const others of ["no other call", "another call by way of node:http2"]) {
    test(`a server that stops says which calls it has taken, and answers them, beside ${others}`, async () => {
      const subject = await new Subject().listen(true);
      const peer = new Peer(subject);
      if (others !== "no other call") peer.socket.write(start(1, WATCH, asks("")));
      peer.socket.write(start(3, CHECK, asks("after:300")));
      await until(() => subject.calls.length === 1, "the call");
      const closed = subject.listener.close(2000);
      await until(() => peer.goaway, "a GOAWAY");
      expect(peer.goaway!.last).toBeGreaterThanOrEqual(3);
      await peer.ended(3);
      expect(peer.status(3)).toBe("200 | application/grpc+proto | 0 | OK | ");
      peer.socket.destroy();
      await closed;
    });
  }
});
