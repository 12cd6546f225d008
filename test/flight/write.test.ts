/** When a message is copied, and how a wait for a slow client ends: the promises of write.ts and flight-data.ts. */
import { afterEach, describe, expect, test } from "bun:test";
import { Server, type ServiceError, status } from "@grpc/grpc-js";
import {
  decodeFlightData,
  FLIGHT_DATA_BYTES_MAX,
  type OutgoingFlightData,
  serializeFlightData,
} from "../../src/flight/flight-data.ts";
import { type FlightDataCall, flushed, writeWithBackpressure } from "../../src/flight/write.ts";
import { resetCall } from "../../src/grpc/grpc-internals.ts";
import { type GrpcListener, grpcServerOptions, listenGrpc } from "../../src/grpc/listen.ts";
import { RawCall } from "../http2/raw-call.ts";

const pass = (bytes: Buffer) => bytes;
const BODY_BYTES = 1 << 20;

const opened: { close(graceMs?: number): unknown }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close(0);
});

interface Setup {
  /** The server's side of the call. */
  call: FlightDataCall;
  /** The client's side; it grants no window beyond the first 64 KiB until `grantAll`. */
  reader: RawCall;
  listener: GrpcListener;
  /** Messages that grpc-js has taken out of the call's queue. */
  serialized: () => number;
}

async function setup(fields: Record<string, string> = {}): Promise<Setup> {
  const server = new Server(grpcServerOptions());
  let serialized = 0;
  let started: (call: FlightDataCall) => void = () => {};
  const call = new Promise<FlightDataCall>((resolve) => {
    started = resolve;
  });
  const codec = { requestSerialize: pass, requestDeserialize: pass, responseDeserialize: pass };
  const responseSerialize = (message: OutgoingFlightData) => {
    serialized++;
    return serializeFlightData(message);
  };
  server.addService(
    { Get: { path: "/test.Test/Get", requestStream: false, responseStream: true, responseSerialize, ...codec } },
    { Get: (serverCall: FlightDataCall) => started(serverCall) },
  );
  const listener = await listenGrpc(server, { host: "127.0.0.1", port: 0 });
  const reader = new RawCall(listener.port, "/test.Test/Get", Buffer.alloc(0), fields);
  opened.push(reader, listener);
  return { call: await call, reader, listener, serialized: () => serialized };
}

/** Writes bodies filled with their number, all from the same memory, until one has to wait; returns that wait. */
async function fill(call: FlightDataCall, body: Uint8Array, options?: { signal?: AbortSignal }) {
  for (let index = 0; ; index++) {
    body.fill(index);
    let settled = false;
    const written = writeWithBackpressure(call, { dataBody: body }, options);
    written.then(() => {
      settled = true;
    });
    for (let turn = 0; turn < 100 && !settled; turn++) await Bun.sleep(1);
    if (!settled) return { written, index };
    expect(index).toBeLessThan(200); // a client that does not read must hold the writer up at some point
  }
}

/** The number in each message's body, NaN where the body is not of one kind. */
async function readAll(reader: RawCall): Promise<number[]> {
  reader.grantAll();
  const bodies = (await reader.messages()).map((message) => decodeFlightData(message).dataBody!);
  return bodies.map((body) => (body.every((byte) => byte === body[0]) ? body[0]! : Number.NaN));
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

test("grpc-js copies inside write when no write is pending, and otherwise after the one before", async () => {
  const { call, reader } = await setup();
  const copied: number[] = [];
  const message = (n: number) => ({ dataBody: Buffer.alloc(1000, n), onCopied: () => copied.push(n) });
  call.write(message(1));
  expect(copied).toEqual([1]);
  call.write(message(2));
  call.write(message(3));
  expect(copied).toEqual([1]);
  call.end();
  expect(await readAll(reader)).toEqual([1, 2, 3]);
  expect(copied).toEqual([1, 2, 3]);
});

test("a paused client holds the writer up; what was reported as copied stays as it was", async () => {
  const { call, reader, serialized } = await setup();
  const body = new Uint8Array(new SharedArrayBuffer(BODY_BYTES));
  const { written, index } = await fill(call, body);
  expect(serialized()).toBe(index); // the message that waits is the only one uncopied
  const read = readAll(reader);
  expect(await written).toBe(true);
  body.fill(255);
  call.end();
  expect(await read).toEqual(numbers(index + 1));
});

describe("a wait ends, and the memory is never read again, when", () => {
  const cases: [string, (setup: Setup) => void][] = [
    ["the client cancels", ({ reader }) => reader.cancel()],
    ["the client's connection is lost", ({ reader }) => reader.close()],
    ["the deadline passes", () => {}],
    ["the server resets the call", ({ call }) => resetCall(call)],
    ["the server destroys the call", ({ call }) => call.destroy()],
    ["the listener is closed", ({ listener }) => void listener.close(0)],
  ];
  for (const [name, end] of cases) {
    test(name, async () => {
      const all = await setup(name === "the deadline passes" ? { "grpc-timeout": "400m" } : {});
      const body = new Uint8Array(BODY_BYTES);
      const { written } = await fill(all.call, body);
      end(all);
      let copied = await written;
      // A call that is being ended may take the message that waits, and no more than that.
      for (let extra = 0; copied && extra < 3; extra++)
        copied = await writeWithBackpressure(all.call, { dataBody: body });
      expect(copied).toBe(false);
      const before = all.serialized();
      expect(await writeWithBackpressure(all.call, { dataBody: body })).toBe(false);
      await Bun.sleep(20);
      expect(all.serialized()).toBe(before);
    });
  }

  for (const how of ["resetCall", "deadline"]) {
    test(`an end (${how}) reaches the client, and drops what is queued`, async () => {
      const { call, reader } = await setup(how === "deadline" ? { "grpc-timeout": "400m" } : {});
      const cancelled = new Promise((resolve) => call.once("cancelled", resolve));
      await fill(call, new Uint8Array(BODY_BYTES));
      if (how === "resetCall") resetCall(call);
      await cancelled;
      // At the deadline grpc-js has its status out first, which ends the stream as well.
      const isEnd = ({ type, flags }: { type: number; flags: number }) =>
        type === 3 || (type === 1 && (flags & 1) !== 0);
      while (!reader.frames.some(isEnd)) await Bun.sleep(1);
      expect(reader.socket.bytesRead).toBeLessThan(BODY_BYTES);
    });
  }
});

test("writing to a call that has ended is false at once", async () => {
  const { call, reader } = await setup();
  call.end();
  expect(await writeWithBackpressure(call, { dataBody: new Uint8Array(1) })).toBe(false);
  expect(await readAll(reader)).toEqual([]);
});

test("an abort frees the memory at once; the client still gets the message, then the status", async () => {
  const { call, reader } = await setup();
  const controller = new AbortController();
  const body = new Uint8Array(new SharedArrayBuffer(BODY_BYTES));
  const { written, index } = await fill(call, body, { signal: controller.signal });
  controller.abort();
  expect(await written).toBe(true);
  body.fill(255);
  const tooSlow: Partial<ServiceError> = { code: status.RESOURCE_EXHAUSTED, details: "too slow" };
  void flushed(call).then(() => call.emit("error", tooSlow));
  expect(await readAll(reader)).toEqual(numbers(index + 1));
});

test("a message that protobuf cannot hold is refused, and the call goes on", async () => {
  const { call, reader } = await setup();
  const dataBody = { byteLength: FLIGHT_DATA_BYTES_MAX } as Uint8Array;
  const failure = await writeWithBackpressure(call, { dataBody }).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "FLIGHT_DATA_TOO_LARGE" });
  expect(await writeWithBackpressure(call, { dataBody: new Uint8Array([7]) })).toBe(true);
  call.end();
  expect(await readAll(reader)).toEqual([7]);
});
