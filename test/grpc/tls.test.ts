/** A gRPC listener with TLS: what it takes in and what it refuses, and the bytes of clients that stand still. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import net from "node:net";
import tls from "node:tls";
import type { ServerTls } from "../../src/grpc/server-tls.ts";
import { DO_GET_PATH, encodeTicket } from "../flight/flight-fixture.ts";
import { startFixture } from "../http2/fixture-server.ts";
import { CLIENT_PREFACE, settings } from "../http2/frames.ts";
import { RawCall } from "../http2/raw-call.ts";
import { Certificates, contentOf, hasOpenssl } from "../support/certificates.ts";
import { until } from "../support/until.ts";

const MIB = 1 << 20;

describe.skipIf(!hasOpenssl())("a listener with TLS", () => {
  const made = new Certificates();
  afterAll(() => made.remove());
  const ca = contentOf(made.ca).cert;
  const server: ServerTls = { ...contentOf(made.issue("server")), requiresClientCert: false };
  const opened: { close(): unknown }[] = [];
  afterEach(async () => {
    for (const each of opened.splice(0).reverse()) await each.close();
  });

  async function start(options: Parameters<typeof startFixture>[0] = {}) {
    const { listener } = await startFixture({ tls: server, ...options });
    opened.push({ close: () => listener.close(0) });
    return listener;
  }

  function closing<S extends net.Socket>(socket: S): S {
    socket.on("error", () => {});
    opened.push({ close: () => socket.destroy() });
    return socket;
  }

  /** Whether the listener answers to HTTP/2 with these options. */
  function isAnswered(port: number, options: tls.ConnectionOptions & { localAddress?: string } = {}): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = tls.connect({ port, host: "127.0.0.1", ca, ALPNProtocols: ["h2"], ...options }, () =>
        socket.write(Buffer.concat([CLIENT_PREFACE, settings()])),
      );
      closing(socket).once("data", () => resolve(true));
      socket.once("close", () => resolve(false));
    });
  }

  test("clients that stand still get their own bytes, whatever others are sent meanwhile", async () => {
    const { port } = await start();
    const batches = 24;
    const ticket = encodeTicket({ bodyBytes: MIB, batches, stamp: true });
    const calls = [1, 2, 3].map(() => new RawCall(port, DO_GET_PATH, ticket, {}, undefined, ca));
    opened.push(...calls);
    const [first, second, third] = calls as [RawCall, RawCall, RawCall];
    const hasData = (call: RawCall) => until(() => call.frames.some(({ type }) => type === 0), "data");
    for (const call of [first, second]) {
      call.grantAll();
      await hasData(call);
      call.socket.pause(); // the server's socket is full some megabytes later
    }
    third.grantAll();
    const read = [await third.messages()];
    for (const call of [first, second]) {
      call.socket.resume();
      read.push(await call.messages());
    }
    for (const [, ...messages] of read) {
      expect(messages.length).toBe(batches);
      for (const [index, message] of messages.entries()) {
        expect(message.subarray(-MIB).equals(Buffer.from(new Int32Array(MIB / 4).fill(index).buffer))).toBe(true);
      }
    }
  }, 60_000);

  test("HTTP/2 alone, by TLS 1.2 and 1.3", async () => {
    const { port } = await start();
    expect(await isAnswered(port)).toBe(true);
    expect(await isAnswered(port, { maxVersion: "TLSv1.2" })).toBe(true);
    expect(await isAnswered(port, { minVersion: "TLSv1", maxVersion: "TLSv1.1" })).toBe(false);
    expect(await isAnswered(port, { ALPNProtocols: ["http/1.1"] })).toBe(false);
    expect(await isAnswered(port, { ALPNProtocols: undefined })).toBe(false);
  });

  test("a certificate that is asked for may be missing, and may not be wrong", async () => {
    const { port } = await start({ tls: { ...server, ca: [ca] } });
    expect(await isAnswered(port)).toBe(true);
    expect(await isAnswered(port, contentOf(made.issue("client")))).toBe(true);
    expect(await isAnswered(port, contentOf(made.issue("expired", { days: -1 })))).toBe(false);
    expect(await isAnswered(port, contentOf(made.issue("other", { authority: made.authority("other-ca") })))).toBe(
      false,
    );
  });

  test("handshakes count as connections: all together, and by peer", async () => {
    const listener = await start({ connectionsMax: 5, peerConnectionsMax: 3 });
    const silent = Array.from({ length: 10 }, () => closing(net.connect(listener.port, "127.0.0.1")));
    await until(() => listener.connectionsRefused === 7, "the others are refused");
    expect(listener.connections).toBe(3);
    expect(await isAnswered(listener.port)).toBe(false);
    const elsewhere = { localAddress: "127.0.0.2" };
    expect(await isAnswered(listener.port, elsewhere)).toBe(true);
    for (const socket of silent) socket.destroy();
    await until(() => listener.connections === 1, "they are gone");
    expect(await isAnswered(listener.port)).toBe(true);
  });

  test("handshakes that are not done in time, or fail, leave nothing behind", async () => {
    const listener = await start();
    const silent = closing(net.connect(listener.port, "127.0.0.1"));
    const wrong = closing(net.connect(listener.port, "127.0.0.1", () => wrong.write("GET / HTTP/1.1\r\n\r\n")));
    const closed = Promise.all([silent, wrong].map((each) => new Promise((resolve) => each.once("close", resolve))));
    await until(() => listener.connections > 0, "a connection");
    await closed;
    await until(() => listener.connections === 0, "they are gone here too");
  }, 60_000);

  test("close does not wait for handshakes", async () => {
    const listener = await start();
    const silent = closing(net.connect(listener.port, "127.0.0.1"));
    await until(() => listener.connections === 1, "the connection");
    const closed = new Promise((resolve) => silent.once("close", resolve));
    await listener.close(0);
    await closed;
    expect(listener.connections).toBe(0);
  });
});
