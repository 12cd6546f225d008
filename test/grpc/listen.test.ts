import { afterEach, describe, expect, test } from "bun:test";
import net from "node:net";
import { Client, credentials, Server, type ServiceError, status } from "@grpc/grpc-js";
import { CodedError } from "../../src/error.ts";
import { formatAddress, parseAddress } from "../../src/grpc/address.ts";
import { type GrpcListener, grpcServerOptions, type ListenOptions, listenGrpc } from "../../src/grpc/listen.ts";
import { DO_GET_PATH, encodeTicket } from "../flight/flight-fixture.ts";
import { CLIENT_PREFACE, settings } from "../http2/frames.ts";
import { until } from "../support/until.ts";

describe("parseAddress", () => {
  test("takes the forms of Go's net.Listen", () => {
    expect(parseAddress(":8816")).toEqual({ host: "", port: 8816 });
    expect(parseAddress("127.0.0.1:0")).toEqual({ host: "127.0.0.1", port: 0 });
    expect(parseAddress("[::1]:8816")).toEqual({ host: "::1", port: 8816 });
    expect(parseAddress("[fe80::1%eth0]:1")).toEqual({ host: "fe80::1%eth0", port: 1 });
    expect(parseAddress("localhost:50053")).toEqual({ host: "localhost", port: 50053 });
    expect(parseAddress("a-b.example:65535")).toEqual({ host: "a-b.example", port: 65535 });
  });

  test("refuses everything else with the forms that are right", () => {
    for (const text of [
      "",
      "8816",
      ":",
      "::1:8816",
      "[::1]",
      "host:65536",
      "host:-1",
      "host:http",
      "[x y]:1",
      "a b:1",
    ]) {
      expect(() => parseAddress(text)).toThrow(/is not an address: write :8816/);
    }
  });

  test("is undone by formatAddress", () => {
    for (const text of [":8816", "127.0.0.1:0", "[::1]:8816"]) expect(formatAddress(parseAddress(text))).toBe(text);
  });
});

const pass = (bytes: Buffer) => bytes;
const method = (path: string, requestStream: boolean, responseStream: boolean) => ({
  ...{ path, requestStream, responseStream },
  ...{ requestSerialize: pass, requestDeserialize: pass, responseSerialize: pass, responseDeserialize: pass },
});

/** A server with `Echo` (unary) and `Hold` (server stream, ended by `release`). */
async function start(options: Partial<ListenOptions> = {}, serverOptions = {}) {
  const server = new Server(grpcServerOptions(serverOptions));
  let release = () => {};
  let held = 0;
  let cancelled = 0;
  let peer = "";
  server.addService(
    { Echo: method("/test.Test/Echo", false, false), Hold: method("/test.Test/Hold", false, true) },
    {
      Echo: (call: { request: Buffer; getPeer(): string }, callback: (error: null, reply: Buffer) => void) => {
        peer = call.getPeer();
        callback(null, call.request);
      },
      Hold: (call: { write(b: Buffer): void; end(): void; on(event: string, listener: () => void): void }) => {
        held++;
        call.write(Buffer.from("held"));
        call.on("cancelled", () => cancelled++);
        release = () => call.end();
      },
    },
  );
  const listener = await listenGrpc(server, { host: "127.0.0.1", port: 0, ...options });
  opened.push(listener);
  return {
    ...{ server, listener, release: () => release() },
    counts: () => ({ held, cancelled, peer }),
  };
}

const opened: { close(graceMs?: number): unknown }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close(0);
});

function connect(listener: GrpcListener): Client {
  const client = new Client(`127.0.0.1:${listener.port}`, credentials.createInsecure());
  opened.push(client);
  return client;
}

function echo(client: Client, request: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest("/test.Test/Echo", pass, pass, request, (error, reply) => {
      if (error) reject(error);
      else resolve(reply as Buffer);
    });
  });
}

/** Starts a `Hold` call; resolves at its first message. `ended` resolves with the status of the call. */
async function hold(client: Client): Promise<{ ended: Promise<number> }> {
  const call = client.makeServerStreamRequest("/test.Test/Hold", pass, pass, Buffer.alloc(0));
  const ended = new Promise<number>((resolve) => {
    call.on("error", (error: ServiceError) => resolve(error.code));
    call.on("end", () => resolve(status.OK));
  });
  await new Promise((resolve) => call.once("data", resolve));
  return { ended };
}

describe("listenGrpc", () => {
  test("serves on the port that the system chose, and getPeer is the client's address", async () => {
    const { listener, counts, server } = await start();
    expect(listener.port).toBeGreaterThan(0);
    expect(listener.host).toBe("127.0.0.1");
    const reply = await echo(connect(listener), Buffer.from("hello"));
    expect(reply.toString()).toBe("hello");
    expect(counts().peer).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(listener.connections).toBe(1);
    expect(() => server.start()).toThrow(/must be bound/); // as the docstring of listen.ts says
  });

  test("on every interface when the host is empty", async () => {
    const { listener } = await start({ host: "" });
    expect((await echo(connect(listener), Buffer.from("x"))).toString()).toBe("x");
  });

  test("takes messages of 64 MiB less framing, and refuses larger ones", async () => {
    const { listener } = await start();
    const client = new Client(`127.0.0.1:${listener.port}`, credentials.createInsecure(), {
      "grpc.max_receive_message_length": -1,
    });
    opened.push(client);
    const large = Buffer.alloc(64 << 20, 1);
    expect((await echo(client, large)).length).toBe(large.length);
    const error = await echo(client, Buffer.alloc((64 << 20) + 1)).catch((thrown: ServiceError) => thrown);
    expect((error as ServiceError).code).toBe(status.RESOURCE_EXHAUSTED);
  }, 30_000);

  test("an address in use is UNAVAILABLE, names the address and the setting", async () => {
    const { listener } = await start();
    const failure = await start({ port: listener.port, setting: "FLIGHT_ADDRESS" }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(CodedError);
    expect(failure).toMatchObject({ code: "UNAVAILABLE", reason: "ADDRESS_IN_USE" });
    expect((failure as Error).message).toBe(
      `127.0.0.1:${listener.port} is in use by another program: stop that one, or set FLIGHT_ADDRESS to another address`,
    );
  });

  test("an address of another machine is INVALID_ARGUMENT", async () => {
    const failure = await start({ host: "192.0.2.1" }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "INVALID_ARGUMENT", reason: "ADDRESS_NOT_LOCAL" });
  });

  test("closes connections beyond the limit at once, and serves the others", async () => {
    const { listener } = await start({ connectionsMax: 2 });
    const clients = [connect(listener), connect(listener)];
    // grpc-js shares connections between clients of one address unless told otherwise, so these are raw.
    const first = net.connect(listener.port, "127.0.0.1");
    await until(() => listener.connections === 1, "one connection");
    await echo(clients[0] as Client, Buffer.from("1"));
    expect(listener.connections).toBe(2);
    const third = net.connect(listener.port, "127.0.0.1");
    third.on("error", () => {});
    await new Promise((resolve) => third.once("close", resolve));
    expect(listener.connectionsRefused).toBe(1);
    await echo(clients[0] as Client, Buffer.from("2"));
    first.destroy();
    await until(() => listener.connections === 1, "one connection");
  });

  test("drops a connection that never speaks, or does not speak HTTP/2", async () => {
    const { listener } = await start({ handshakeMsMax: 50 });
    const silent = net.connect(listener.port, "127.0.0.1");
    const web = net.connect(listener.port, "127.0.0.1", () => web.write("GET / HTTP/1.1\r\nHost: example\r\n\r\n"));
    const closed = [silent, web].map(
      (socket) => new Promise((resolve) => socket.on("error", () => {}).once("close", resolve)),
    );
    for (const socket of [silent, web]) socket.resume();
    await Promise.all(closed);
    await until(() => listener.connections === 0, "no connection");
  });

  test("drops a client that answers no keepalive", async () => {
    const { listener } = await start({}, { "grpc.keepalive_time_ms": 30, "grpc.keepalive_timeout_ms": 30 });
    const dead = net.connect(listener.port, "127.0.0.1", () => dead.write(Buffer.concat([CLIENT_PREFACE, settings()])));
    dead.on("error", () => {});
    dead.resume(); // it reads, but never answers a PING
    await until(() => listener.connections === 1, "one connection");
    await until(() => listener.connections === 0, "no connection");
    dead.destroy();
  });
});

describe("close", () => {
  test("with an idle client is quick, and the port is free again", async () => {
    const { listener } = await start();
    await echo(connect(listener), Buffer.from("x"));
    await listener.close(60_000);
    expect(listener.connections).toBe(0);
    const again = await start({ port: listener.port });
    expect((await echo(connect(again.listener), Buffer.from("y"))).toString()).toBe("y");
  });

  test("lets running calls end within the grace period", async () => {
    const { listener, release } = await start();
    const { ended } = await hold(connect(listener));
    const closed = listener.close(60_000);
    expect(listener.close()).toBe(closed);
    await Bun.sleep(20);
    release();
    expect(await ended).toBe(status.OK);
    await closed;
    expect(listener.connections).toBe(0);
  });

  test("destroys what is left after it", async () => {
    const { listener, counts } = await start();
    const { ended } = await hold(connect(listener));
    await listener.close(30);
    expect(await ended).not.toBe(status.OK);
    expect(listener.connections).toBe(0);
    await until(() => counts().cancelled === 1, "the cancellation");
  });

  test("accepts nothing new", async () => {
    const { listener } = await start();
    await listener.close(0);
    const socket = net.connect(listener.port, "127.0.0.1");
    const error = await new Promise<NodeJS.ErrnoException>((resolve) => socket.once("error", resolve));
    expect(error.code).toBe("ECONNREFUSED");
  });
});

test("listens inside a Worker", async () => {
  const worker = new Worker(new URL("./fixture-worker.ts", import.meta.url));
  opened.push({ close: () => worker.terminate() });
  const port = await new Promise<number>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data as number);
    worker.onerror = ({ message }) => reject(new Error(message));
  });
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  opened.push(client);
  const call = client.makeServerStreamRequest(DO_GET_PATH, pass, pass, encodeTicket({ bodyBytes: 1024, batches: 3 }));
  let messages = 0;
  for await (const _message of call) messages++;
  expect(messages).toBe(4);
});
