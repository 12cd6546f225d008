/** What limits the calls of a gRPC listener in sum: places, bytes, connections, and the budget that counts them. */
import { afterEach, expect, test } from "bun:test";
import * as grpc from "@grpc/grpc-js";
import { CALL_BYTES_FREE, CallBudget, type CallLimits } from "../../src/grpc/call-budget.ts";
import { Health } from "../../src/grpc/generated/health.ts";
import { grpcServerOptions, listenGrpc } from "../../src/grpc/listen.ts";
import { MessageMeter } from "../../src/grpc/message-meter.ts";
import { addService, serviceClient } from "../../src/grpc/service.ts";
import { RawCall } from "../http2/raw-call.ts";
import { failureOf } from "../support/failure.ts";
import { randomFrom, seedOf } from "../support/random.ts";
import { until } from "../support/until.ts";
import { closeOpened, halfSent, MIB, opened } from "./04-sums-of-calls-support.ts";

afterEach(closeOpened);

async function healthServer(callLimits: Partial<CallLimits>, peerConnectionsMax?: number) {
  const limits = {
    peerCallsMax: 3,
    callsMax: 5,
    peerBytesMax: MIB,
    bytesMax: MIB,
    requestBytesMax: MIB,
    stallMs: 30_000,
    ...callLimits,
  };
  const rpc = new grpc.Server(grpcServerOptions());
  addService(rpc, Health, {
    check: () => ({ status: 1 }),
    watch: (call) => void call.write({ status: 1 }),
  });
  const listener = await listenGrpc(rpc, { host: "127.0.0.1", port: 0, callLimits: limits, peerConnectionsMax });
  opened.push({ close: () => listener.close(0) });
  const client = new grpc.Client(`127.0.0.1:${listener.port}`, grpc.credentials.createInsecure());
  opened.push(client);
  return { listener, health: serviceClient(client, Health) };
}

test("open calls have a limit, and a call that ends gives its place back", async () => {
  const { listener, health } = await healthServer({});
  const watches = Array.from({ length: 3 }, () => health.watch({}));
  for (const watch of watches) {
    watch.on("error", () => {});
    await new Promise((resolve) => watch.once("data", resolve));
  }
  const error = await failureOf(health.check({}));
  expect(error.code).toBe("RESOURCE_EXHAUSTED");
  expect(error.message).toBe("3 calls of 127.0.0.1 are open, and 3 is the limit: end some");
  expect(listener.callsRefused).toBe(1);
  watches[0]!.cancel();
  await until(async () => (await health.check({}).catch(() => undefined))?.status === 1, "the place");
});

test("connections of one address have a limit", async () => {
  const { listener } = await healthServer({}, 2);
  const calls = Array.from(
    { length: 3 },
    () => new RawCall(listener.port, "/grpc.health.v1.Health/Watch", Buffer.alloc(0)),
  );
  opened.push(...calls);
  await until(() => listener.connectionsRefused === 1, "the refusal");
  const elsewhere = new RawCall(listener.port, "/grpc.health.v1.Health/Check", Buffer.alloc(0), {}, "127.0.0.2");
  opened.push(elsewhere);
  elsewhere.grantAll();
  expect(await elsewhere.messages()).toHaveLength(1);
});

test("MessageMeter knows the newest message at any split", () => {
  const seed = seedOf();
  const random = randomFrom(seed);
  for (let round = 0; round < 200; round++) {
    const sizes = Array.from({ length: 1 + Math.floor(random() * 4) }, () => Math.floor(random() * 300));
    const last = Math.floor(random() * (sizes.at(-1)! + 1)); // of the newest message, behind its prefix
    const parts = sizes.map((size) => {
      const message = Buffer.alloc(5 + size, 7);
      message[0] = 0;
      message.writeUInt32BE(size, 1);
      return message;
    });
    const stream = Buffer.concat([...parts.slice(0, -1), parts.at(-1)!.subarray(0, 5 + last)]);
    const meter = new MessageMeter();
    for (let at = 0; at < stream.length; ) {
      const end = at + 1 + Math.floor(random() * 40);
      meter.add(stream.subarray(at, end));
      at = end;
    }
    expect([seed, meter.held]).toEqual([seed, 5 + last]);
  }
});

test("a budget refuses what is over it, keeps what was there, and forgets peers that hold nothing", () => {
  const budget = new CallBudget({
    peerCallsMax: 2,
    callsMax: 3,
    peerBytesMax: 100,
    bytesMax: 150,
    requestBytesMax: 100,
    stallMs: 0,
  });
  budget.begin("a");
  budget.begin("b");
  budget.change("a", 100);
  expect(() => budget.change("a", 1)).toThrow("hold 100 B, 1 B more are over 100 B");
  expect(() => budget.change("b", 51)).toThrow("of all clients hold 100 B, 51 B more are over 150 B");
  budget.change("b", 50);
  expect(budget.bytes).toBe(150);
  budget.begin("a");
  expect(() => budget.begin("c")).toThrow("3 calls are open, and 3 is the limit");
  expect(() => budget.begin("a")).toThrow("2 calls of a are open, and 2 is the limit");
  budget.change("a", -100);
  budget.end("a");
  budget.end("a");
  expect([budget.calls, budget.bytes]).toEqual([1, 50]);
  expect(CALL_BYTES_FREE).toBeLessThan(64 << 10);
});

test("a call moves to the name that it proves, with all that it holds, or is refused there", () => {
  const limits = { peerCallsMax: 1, callsMax: 3, peerBytesMax: 100, bytesMax: 300, requestBytesMax: 100, stallMs: 0 };
  const budget = new CallBudget(limits, "identity");
  const anybody = "";
  for (let call = 0; call < 3; call++) budget.begin(anybody); // over the limits of one peer
  for (let call = 0; call < 2; call++) budget.change(anybody, 100);
  budget.move(anybody, "ann", 100);
  expect(() => budget.move(anybody, "ann", 0)).toThrow("1 calls of ann are open, and 1 is the limit");
  expect(() => budget.change("ann", 1)).toThrow("requests and answers of ann hold 100 B, 1 B more are over 100 B");
  expect(() => budget.move(anybody, "bob", 101)).toThrow("of bob hold 0 B, 101 B more are over 100 B");
  expect([budget.calls, budget.bytes]).toEqual([3, 200]);
  budget.change("ann", -100);
  budget.end("ann");
  budget.move(anybody, "ann", 100);
  expect([budget.calls, budget.bytes]).toEqual([2, 100]);
});

test("calls that never send a request make room when a place is needed", async () => {
  const { listener, health } = await healthServer({ peerCallsMax: 3, stallMs: 0 });
  const calls = Array.from({ length: 3 }, () =>
    halfSent(`127.0.0.1:${listener.port}`, "/grpc.health.v1.Health/Check", 1000),
  );
  await Promise.all(calls.map(({ sent }) => sent));
  await until(async () => (await health.check({}).catch(() => undefined))?.status === 1, "a place");
  expect(await Promise.race(calls.map(({ ended }) => ended))).toBe(String(grpc.status.RESOURCE_EXHAUSTED));
});

test("headers of calls count too, and a call whose headers do not fit reaches no handler", async () => {
  const { listener, health } = await healthServer({ peerCallsMax: 1000, callsMax: 1000, peerBytesMax: 64 << 10 });
  const metadata = new grpc.Metadata();
  metadata.set("x-large", "x".repeat(12 << 10));
  const watches = Array.from({ length: 10 }, () => health.watch({}, { metadata }));
  const ends = watches.map(
    (watch) =>
      new Promise<string>((resolve) => {
        watch.once("data", () => resolve("answered"));
        watch.on("error", (error) => resolve(String((error as grpc.ServiceError).metadata?.get("reason")[0])));
      }),
  );
  const outcomes = await Promise.all(ends);
  expect(outcomes.filter((outcome) => outcome === "answered").length).toBe(7); // of 8 kB and a little each, beside the free bytes
  expect(outcomes.filter((outcome) => outcome === "CALL_BYTES").length).toBe(3);
  expect(listener.callsRefused).toBe(3);
  for (const watch of watches) watch.cancel();
});

test("who holds bytes and does not go on is ended when somebody else is refused, and only then", async () => {
  const { listener, health } = await healthServer({ peerBytesMax: 2 * MIB, bytesMax: MIB, stallMs: 0 });
  const address = `127.0.0.1:${listener.port}`;
  const held = halfSent(address, "/grpc.health.v1.Health/Check", MIB);
  await held.sent;
  await until(async () => (await health.check({})).status === 1, "an answer"); // small calls harm nobody
  expect(listener.callsRefused).toBe(0);
  const other = halfSent(address, "/grpc.health.v1.Health/Check", MIB);
  expect(await held.ended).toBe(String(grpc.status.RESOURCE_EXHAUSTED));
  await other.sent;
  expect(listener.callsRefused).toBe(1);
});
