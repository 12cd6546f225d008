/** The duplex itself, over real sockets: what goes through, what is held back, and how it ends. */
import { afterEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, credentials, Server } from "@grpc/grpc-js";
import { peerCertificateOf } from "../../src/grpc/grpc-internals.ts";
import { grpcServerOptions, listenGrpc } from "../../src/grpc/listen.ts";
import { WindowShim, type WindowShimOptions } from "../../src/http2/http2-window-shim.ts";
import { until } from "../support/until.ts";
import { CLIENT_PREFACE, data, describeFrame, frame, headers, initialWindow, parseFrames } from "./frames.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const HELLO = Buffer.concat([CLIENT_PREFACE, initialWindow(1000)]);

async function pair(options: Partial<WindowShimOptions> = {}): Promise<{ shim: WindowShim; client: net.Socket }> {
  const server = net.createServer({ noDelay: true });
  const connected = new Promise<WindowShim>((resolve) =>
    server.on("connection", (socket) => resolve(new WindowShim(socket, { handshakeMsMax: 10_000, ...options }))),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const client = net.connect((server.address() as net.AddressInfo).port, "127.0.0.1");
  client.on("error", () => {});
  const [shim] = await Promise.all([connected, new Promise((resolve) => client.once("connect", resolve))]);
  cleanups.push(
    () => server.close(),
    () => client.destroy(),
    () => shim.destroy(),
  );
  return { shim, client };
}

/** A frame of a type that nobody knows, which windows do not hold back. */
const other = (bytes: number): Buffer => frame(0xfa, 0, 1, Buffer.alloc(bytes));

/** Waits until `value` has been the same for a while. */
async function steady(value: () => number): Promise<number> {
  for (let last = -1; ; ) {
    if (value() === last) return last;
    last = value();
    await Bun.sleep(50);
  }
}

test("answers for the socket", async () => {
  const { shim, client } = await pair();
  expect(shim.remotePort).toBe(client.localPort!);
  expect(shim.localPort).toBe(client.remotePort!);
  expect([shim.remoteAddress, shim.localAddress, shim.remoteFamily]).toEqual(["127.0.0.1", "127.0.0.1", "IPv4"]);
  expect([shim.connecting, shim.secure, shim.peerCertificate]).toEqual([false, false, undefined]);
  shim.write(other(7));
  await until(() => client.bytesRead === 16, "the whole frame");
  expect(shim.bytesWritten).toBe(16);
});

test("a reader that stops holds the client back, and then gets every byte", async () => {
  const { shim, client } = await pair();
  const bytes = Buffer.concat([HELLO, headers(1), ...Array.from({ length: 2000 }, () => data(1, 16384))]);
  client.write(bytes);
  shim.read(0);
  const taken = await steady(() => shim.bytesRead);
  expect(taken).toBeLessThan(1 << 20); // what the streams hold; the rest waits in the kernel and at the client
  const parts: Buffer[] = [];
  shim.on("data", (part) => parts.push(part));
  client.end();
  await new Promise((resolve) => shim.once("end", resolve));
  const frames = parseFrames(Buffer.concat(parts).subarray(CLIENT_PREFACE.length));
  expect(frames).toHaveLength(2000 + 3); // SETTINGS, HEADERS and the WINDOW_UPDATE that was put in
  expect(frames.every(({ type, payload }) => type !== 0 || payload.every((byte) => byte === 1))).toBe(true);
});

test("a client that does not read holds the writer back, and then gets every byte in order", async () => {
  const { shim, client } = await pair();
  client.pause();
  const chunks = 400;
  const chunkBytes = 100_000;
  let written = 0;
  const write = (): void => {
    let room = true;
    while (room && written < chunks) {
      room = shim.write(other(chunkBytes - 9).fill(written % 251, 9));
      written++;
    }
  };
  shim.on("drain", write);
  write();
  const before = await steady(() => written);
  expect(before).toBeLessThan(chunks);
  expect(shim.writableLength).toBeLessThan(1 << 20);
  const parts: Buffer[] = [];
  client.on("data", (part: Buffer) => parts.push(part));
  client.resume();
  await until(() => written === chunks, "the last chunk");
  shim.end();
  await new Promise((resolve) => client.once("end", resolve));
  const received = Buffer.concat(parts);
  expect(received.length).toBe(chunks * chunkBytes);
  for (let chunk = 0; chunk < chunks; chunk++) {
    expect(received[chunk * chunkBytes + 9]).toBe(chunk % 251);
    expect(received[(chunk + 1) * chunkBytes - 1]).toBe(chunk % 251);
  }
});

test("corked writes go out together and in order", async () => {
  const { shim, client } = await pair();
  const parts: Buffer[] = [];
  client.on("data", (part: Buffer) => parts.push(part));
  shim.cork();
  for (const text of ["one ", "two ", "three"]) shim.write(text);
  shim.uncork();
  shim.end();
  await new Promise((resolve) => client.once("end", resolve));
  expect(Buffer.concat(parts).toString()).toBe("one two three");
});

test("a client that closes its side gets what is queued, then the connection is closed", async () => {
  const { shim, client } = await pair();
  shim.resume();
  client.write(HELLO);
  let received = 0;
  client.on("data", (part) => {
    received += part.length;
  });
  shim.write(other(5_000_000 - 9));
  client.end();
  await new Promise((resolve) => client.once("close", resolve));
  expect(received).toBe(5_000_000);
  await until(() => shim.destroyed, "the connection's end");
});

test("a connection that is lost closes the duplex, and destroying the duplex closes the connection", async () => {
  const first = await pair();
  first.shim.resume().on("error", () => {});
  first.client.write(HELLO, () => first.client.resetAndDestroy());
  await new Promise((resolve) => first.shim.once("close", resolve));
  expect(first.shim.write("late")).toBe(false);

  const second = await pair();
  second.client.resume();
  second.shim.destroy();
  await new Promise((resolve) => second.client.once("close", resolve));
});

describe("limits", () => {
  test("a peer that does not speak HTTP/2 is cut off with the reason", async () => {
    const { shim, client } = await pair();
    shim.resume();
    const failed = new Promise<unknown>((resolve) => shim.once("error", resolve));
    client.write("GET / HTTP/1.1\r\nHost: example\r\n\r\n\r\n");
    client.resume();
    expect(await failed).toMatchObject({ reason: "HTTP2_PROTOCOL" });
    await new Promise((resolve) => client.once("close", resolve));
  });

  test("a silent peer is cut off; one that has spoken is not", async () => {
    const silent = await pair({ handshakeMsMax: 30 });
    const error = await new Promise((resolve) => silent.shim.once("error", resolve));
    expect(error).toMatchObject({ reason: "HTTP2_HANDSHAKE" });
    const spoken = await pair({ handshakeMsMax: 30 });
    spoken.shim.resume();
    for (const byte of HELLO) spoken.client.write(Buffer.of(byte));
    await Bun.sleep(80);
    expect(spoken.shim.destroyed).toBe(false);
  });

  test("SETTINGS that shrink the window are let go after a while although a stream owes", async () => {
    const { shim, client } = await pair({ settingsHoldMsMax: 30 });
    const parts: Buffer[] = [];
    shim.on("data", (part) => parts.push(part));
    client.write(Buffer.concat([HELLO, headers(1), initialWindow(10)]));
    const frames = () => parseFrames(Buffer.concat(parts).subarray(CLIENT_PREFACE.length)).map(describeFrame);
    await until(() => Buffer.concat(parts).length > CLIENT_PREFACE.length && frames().length === 4, "four frames");
    expect(frames()).toEqual(["SETTINGS(4=0)", "HEADERS(1)", "WINDOW_UPDATE(1,1000)", "SETTINGS()"]);
  });
});

describe("behind TLS", () => {
  const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;
  if (!hasOpenssl) console.log("skipped: TLS tests make their certificates with openssl, which is not there");

  (hasOpenssl ? test : test.skip)("serves calls and carries the client's certificate", async () => {
    const folder = mkdtempSync(join(tmpdir(), "window-shim-"));
    cleanups.push(() => rmSync(folder, { recursive: true }));
    const make = (name: string, subject: string) => {
      const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)];
      const made = spawnSync("openssl", [
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
        ...["-keyout", key, "-out", cert, "-subj", subject, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
      ]);
      expect(made.stderr.toString() && made.status).toBe(0);
      return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
    };
    const serverPair = make("server", "/CN=localhost");
    const clientPair = make("client", "/CN=some client");

    const names: (string | undefined)[] = [];
    const pass = (bytes: Buffer) => bytes;
    const codec = {
      requestSerialize: pass,
      requestDeserialize: pass,
      responseSerialize: pass,
      responseDeserialize: pass,
    };
    const server = new Server(grpcServerOptions());
    server.addService(
      { Echo: { path: "/test.Test/Echo", requestStream: false, responseStream: false, ...codec } },
      {
        Echo: (call: { request: Buffer }, callback: (error: null, reply: Buffer) => void) => {
          names.push(peerCertificateOf(call)?.subject.CN?.toString());
          callback(null, call.request);
        },
      },
    );
    const listener = await listenGrpc(server, {
      ...{ host: "127.0.0.1", port: 0 },
      tls: { ...serverPair, ca: [clientPair.cert], requiresClientCert: false },
    });
    cleanups.push(() => listener.close(0));
    for (const own of [clientPair, { key: null, cert: null }]) {
      const client = new Client(
        `localhost:${listener.port}`,
        credentials.createSsl(
          Buffer.from(serverPair.cert),
          own.key === null ? null : Buffer.from(own.key),
          own.cert === null ? null : Buffer.from(own.cert),
        ),
      );
      cleanups.push(() => client.close());
      const large = Buffer.alloc(3 << 20, 7);
      const reply = await new Promise<Buffer>((resolve, reject) =>
        client.makeUnaryRequest("/test.Test/Echo", pass, pass, large, (error, value) =>
          error ? reject(error) : resolve(value!),
        ),
      );
      expect(reply.equals(large)).toBe(true);
    }
    expect(names).toEqual(["some client", undefined]);
  });
});
