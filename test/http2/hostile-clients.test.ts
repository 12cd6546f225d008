/** Clients that misuse HTTP/2: their connection ends, with bounded memory, and others are served as before. */
import { afterEach, expect, test } from "bun:test";
import net from "node:net";
import { Client, credentials, Server } from "@grpc/grpc-js";
import { type GrpcListener, grpcServerOptions, listenGrpc } from "../../src/grpc/listen.ts";
import { until } from "../support/until.ts";
import { CLIENT_PREFACE, frame, initialWindow, reset, settings, windowUpdate } from "./frames.ts";
import { start } from "./raw-call.ts";

const WINDOW_MAX = 0x7fffffff; // RFC 9113 section 6.9.1
const FLOOD_FRAMES = 1_000_000; // none gets that far
const FRAMES_A_WRITE = 2000;

const opened: { close(graceMs?: number): unknown }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close(0);
});

const pass = (bytes: Buffer) => bytes;
const codec = { requestSerialize: pass, requestDeserialize: pass, responseSerialize: pass, responseDeserialize: pass };

/** A server with `Echo`, and `Hold`, which sends a byte and never ends. */
async function serve(): Promise<GrpcListener> {
  const server = new Server(grpcServerOptions());
  server.addService(
    {
      Echo: { path: "/test.Test/Echo", requestStream: false, responseStream: false, ...codec },
      Hold: { path: "/test.Test/Hold", requestStream: false, responseStream: true, ...codec },
    },
    {
      Echo: (call: { request: Buffer }, callback: (error: null, reply: Buffer) => void) => callback(null, call.request),
      Hold: (call: { write(bytes: Buffer): void }) => void call.write(Buffer.from("x")),
    },
  );
  const listener = await listenGrpc(server, { host: "127.0.0.1", port: 0 });
  opened.push(listener);
  return listener;
}

/** A connection that says what it is told to, and reads nothing. */
async function rude({ port }: GrpcListener, first: Buffer = settings()): Promise<net.Socket & { over: () => boolean }> {
  const socket = net.connect(port, "127.0.0.1");
  let over = false;
  socket.on("error", () => {
    over = true;
  });
  socket.on("close", () => {
    over = true;
  });
  socket.pause();
  socket.write(Buffer.concat([CLIENT_PREFACE, first]));
  opened.push({ close: () => socket.destroy() });
  return Object.assign(socket, { over: () => over });
}

async function expectServes({ port }: GrpcListener): Promise<void> {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const reply = await new Promise<string>((resolve, reject) =>
    client.makeUnaryRequest("/test.Test/Echo", pass, pass, Buffer.from("hello"), (error, value) =>
      error ? reject(error) : resolve(value!.toString()),
    ),
  );
  client.close();
  expect(reply).toBe("hello");
}

let stream = -1;
const FLOODS: Record<string, () => Buffer> = {
  "SETTINGS, whose acknowledgements it does not read": () => settings(),
  "PING, whose answers it does not read": () => frame(6, 0, 0, Buffer.alloc(8)),
  "calls that it resets at once, whose answers it does not read": () => {
    stream += 2;
    return Buffer.concat([start(stream, "/test.Test/Nothing", Buffer.alloc(0)), reset(stream)]);
  },
};

for (const [name, next] of Object.entries(FLOODS)) {
  test(`a flood of ${name} ends its connection`, async () => {
    stream = -1;
    const listener = await serve();
    const socket = await rude(listener);
    let sent = 0;
    while (!socket.over() && sent < FLOOD_FRAMES) {
      const room = socket.write(Buffer.concat(Array.from({ length: FRAMES_A_WRITE }, next)));
      sent += FRAMES_A_WRITE;
      if (room) await Bun.sleep(1);
      else while (socket.writableNeedDrain && !socket.over()) await Bun.sleep(1);
    }
    expect(socket.over()).toBe(true);
    expect(sent).toBeLessThan(FLOOD_FRAMES);
    await until(() => listener.connections === 0, "the connection's end");
    await expectServes(listener);
  });
}

const MISUSES: Record<string, Buffer[]> = {
  "a connection's window raised over 2^31 − 1": [windowUpdate(0, WINDOW_MAX)],
  "a stream's window raised over 2^31 − 1": [windowUpdate(1, WINDOW_MAX - 1000), windowUpdate(1, 2000)],
  "an initial window over 2^31 − 1": [initialWindow(0x80000000)],
  "the connection's window raised by nothing": [windowUpdate(0, 0)],
};

for (const [name, frames] of Object.entries(MISUSES)) {
  test(`${name} ends the connection`, async () => {
    const listener = await serve();
    const socket = await rude(listener, Buffer.concat([settings(), start(1, "/test.Test/Hold", Buffer.alloc(0))]));
    socket.resume();
    await Bun.sleep(20); // the call runs
    for (const each of frames) {
      socket.write(each);
      await Bun.sleep(20); // what a client says after the server's acknowledgement counts in full
    }
    await until(() => socket.over(), "the connection's end");
    await until(() => listener.connections === 0, "the connection's end at the server");
    await expectServes(listener);
  });
}

test("a stream's window raised over 2^31 − 1 by SETTINGS ends the call", async () => {
  const listener = await serve();
  const socket = await rude(listener, Buffer.concat([settings(), start(1, "/test.Test/Hold", Buffer.alloc(0))]));
  let got = Buffer.alloc(0);
  socket.on("data", (bytes: Buffer) => {
    got = Buffer.concat([got, bytes]);
  });
  socket.resume();
  socket.write(Buffer.concat([windowUpdate(1, WINDOW_MAX - 65_535), initialWindow(100_000)]));
  await until(() => got.includes(reset(1).subarray(0, 9)), "RST_STREAM");
  await expectServes(listener);
});

test("a stream's window raised by nothing harms no other call", async () => {
  const listener = await serve();
  const socket = await rude(listener, Buffer.concat([settings(), start(1, "/test.Test/Hold", Buffer.alloc(0))]));
  socket.resume();
  socket.write(windowUpdate(1, 0));
  await expectServes(listener);
});
