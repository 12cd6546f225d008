/**
 * Limits that hold in sum. Each call and each connection was limited, and twenty of them together took all memory: half-sent
 * requests, answers that nobody reads, FlightInfos of a thousand endpoints asked for hundreds of times.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import http2 from "node:http2";
import * as grpc from "@grpc/grpc-js";
import { Turns } from "../../src/base/turns.ts";
import { connectControl } from "../../src/control/client.ts";
import type { CodedError } from "../../src/error.ts";
import { FLIGHT_INFO_BYTES_MAX } from "../../src/flight/flight-info.ts";
import { parseTicket } from "../../src/flight/tickets.ts";
import { CALL_BYTES_FREE, CallBudget, type CallLimits, MessageMeter } from "../../src/grpc/call-budget.ts";
import {
  CancelFlightInfoRequest,
  FlightDescriptor,
  FlightDescriptor_DescriptorType,
  FlightInfo,
  FlightService,
} from "../../src/grpc/generated/flight.ts";
import { Health } from "../../src/grpc/generated/health.ts";
import { grpcServerOptions, listenGrpc } from "../../src/grpc/listen.ts";
import { addService, serviceClient } from "../../src/grpc/service.ts";
import { SHOWN_VALUES_MAX, shownSession } from "../../src/ops/shown-session.ts";
import { checkFilterRoom } from "../../src/sessions/filter-room.ts";
import type { SessionSnapshot } from "../../src/sessions/session-service.ts";
import { formatStrkey, STRKEY_CONTRACT } from "../../src/xdr/strkey.ts";
import { goClient, pythonClient, runClient } from "../clients/toolchain.ts";
import { RawCall } from "../grpc/raw-call.ts";
import { collect } from "../support/flight-rows.ts";
import { failureOf, until } from "../support/local-server.ts";
import { type Processor, SAMPLE, startProcessor } from "../support/processor.ts";
import { randomFrom, seedOf } from "../support/random.ts";

const MIB = 1 << 20;
const ROOM_BYTES = 350 * MIB; // 96 MiB are allowed, and grpc-js holds a message twice while it puts it together
const INFO_PATH = "/arrow.flight.protocol.FlightService/GetFlightInfo";
const onLinux = process.platform === "linux";

let server: Processor;
const opened: { close(): unknown }[] = [];
beforeAll(async () => {
  server = await startProcessor([`--source-endpoint=${SAMPLE.folder}`, "--worker-count=1"]);
});
afterAll(async () => {
  await server.stop();
});
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});

/** A strkey of a contract, made from a number. */
function contractId(index: number): string {
  return formatStrkey(Buffer.alloc(32, index), STRKEY_CONTRACT);
}

/** Forgets the peak so far, and answers with the resident memory now. */
function resetPeak(): number {
  writeFileSync(`/proc/${server.pid}/clear_refs`, "5");
  return peakBytes();
}

/** Most resident memory that the server has had since. */
function peakBytes(): number {
  const status = readFileSync(`/proc/${server.pid}/status`, "utf8");
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) * 1024;
}

/** Sends all but the last byte of a request of `bytes`. Resolves with the grpc-status that ends it, if one does. */
function halfSent(address: string, path: string, bytes: number): { ended: Promise<string>; sent: Promise<void> } {
  const session = http2.connect(`http://${address}`);
  opened.push({ close: () => session.destroy() });
  session.on("error", () => {});
  const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
  const stream = session.request(headers);
  stream.on("error", () => {});
  const ended = new Promise<string>((resolve) => {
    stream.on("response", (response) => {
      if (response["grpc-status"] !== undefined) resolve(String(response["grpc-status"]));
    });
  });
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(bytes, 1);
  stream.write(prefix);
  const sent = new Promise<void>((resolve) => {
    let left = bytes - 1;
    const next = () => {
      if (left === 0 || stream.closed || stream.destroyed) return resolve();
      const chunk = Buffer.alloc(Math.min(left, MIB));
      left -= chunk.length;
      stream.write(chunk, next);
    };
    next();
  });
  return { ended, sent };
}

test.skipIf(!onLinux)(
  "half-sent requests of 60 MB on 22 connections are refused, and others are answered",
  async () => {
    const before = resetPeak();
    const calls = Array.from({ length: 22 }, () =>
      halfSent(server.control, "/contractdata.v1.ControlService/StartProcessing", 60 * MIB),
    );
    const statuses: string[] = [];
    for (const { ended } of calls) void ended.then((status) => statuses.push(status));
    await until(() => statuses.length >= 21, "the refusals", 60_000);
    expect(new Set(statuses)).toEqual(new Set([String(grpc.status.RESOURCE_EXHAUSTED)]));
    const control = connectControl(server.control);
    opened.push(control);
    expect((await control.listSessions({})).sessions).toEqual([]);
    expect(peakBytes() - before).toBeLessThan(ROOM_BYTES);
  },
);

test("one request of 60 MB is taken, as ever", async () => {
  const client = new grpc.Client(server.control, grpc.credentials.createInsecure());
  opened.push(client);
  const service = "/contractdata.v1.ControlService/GetStatus";
  const pass = (bytes: Buffer) => bytes;
  const large = Buffer.concat([Buffer.from([0x7a, ...varint(60 * MIB)]), Buffer.alloc(60 * MIB)]); // an unknown field
  const error = await new Promise<grpc.ServiceError | null>((resolve) => {
    client.makeUnaryRequest(service, pass, pass, large, (failed) => resolve(failed));
  });
  expect(error?.code).not.toBe(grpc.status.RESOURCE_EXHAUSTED);
});

function varint(value: number): number[] {
  const bytes = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) | 128);
  }
}

function flight(options: grpc.ClientOptions = {}) {
  const client = new grpc.Client(server.flight, grpc.credentials.createInsecure(), {
    "grpc.max_receive_message_length": -1,
    ...options,
  });
  opened.push(client);
  return serviceClient(client, FlightService);
}

function manyEndpoints(more: object = {}) {
  const range = { start_ledger: SAMPLE.first - 5000, end_ledger: SAMPLE.last, partitions: 1024, ...more };
  return { type: FlightDescriptor_DescriptorType.CMD, cmd: Buffer.from(JSON.stringify(range)) };
}

test.skipIf(!onLinux)(
  "GetFlightInfo with 1,024 endpoints 600 times: bounded memory, an answer or a refusal for each",
  async () => {
    const before = resetPeak();
    const client = flight();
    const other = flight({ "grpc.use_local_subchannel_pool": 1 });
    await collect(other.listFlights({}));
    let answered = 0;
    const refusals: string[] = [];
    const all = Array.from({ length: 600 }, () =>
      client.getFlightInfo(manyEndpoints()).then(
        () => answered++,
        (error: CodedError) => refusals.push(`${error.code} ${error.reason}`),
      ),
    );
    await collect(other.listFlights({}));
    await Promise.all(all);
    expect(answered).toBeGreaterThan(10);
    expect([...new Set(refusals)]).toEqual(refusals.length === 0 ? [] : ["RESOURCE_EXHAUSTED CALL_BYTES"]);
    expect(peakBytes() - before).toBeLessThan(ROOM_BYTES);
  },
);

test("answers that nobody reads have a limit, and it is for one address alone", async () => {
  const port = Number(server.flight.split(":")[1]);
  const request = Buffer.from(FlightDescriptor.encode(manyEndpoints()));
  const calls = Array.from({ length: 120 }, () => {
    const call = new RawCall(port, INFO_PATH, request);
    opened.push(call);
    return call;
  });
  const isRefusal = ({ frames }: RawCall) =>
    frames.some(({ type, flags, stream }) => stream === 1 && type === 1 && (flags & 1) !== 0);
  await until(() => calls.filter(isRefusal).length >= 30, "refusals", 60_000);
  const error = await failureOf(flight().getFlightInfo(manyEndpoints()));
  expect(error.reason).toBe("CALL_BYTES");
  expect(error.message).toMatch(/hold \d+ B, \d+ B more are over 16777216 B/);
  await collect(flight().listFlights({})); // small answers are not counted
  const elsewhere = new RawCall(port, INFO_PATH, request, {}, "127.0.0.2");
  opened.push(elsewhere);
  elsewhere.grantAll();
  expect(FlightInfo.decode((await elsewhere.messages())[0]!).endpoint).toHaveLength(1024);
  for (const call of calls) call.close();
  await until(async () => {
    const info = await flight()
      .getFlightInfo(manyEndpoints())
      .catch(() => undefined);
    return info?.endpoint.length === 1024;
  }, "the budget's return");
});

const DO_ACTION = "/arrow.flight.protocol.FlightService/DoAction";
for (const [name, client] of [
  ["pyarrow", await pythonClient()],
  ["arrow-go", await goClient()],
] as const) {
  test.skipIf(client.command === undefined)(
    `${name} is told that its request is refused while it sends it`,
    async () => {
      const held = [4 * MIB, 4 * MIB, 4 * MIB, 4 * MIB - 20_000].map((bytes) =>
        halfSent(server.flight, DO_ACTION, bytes),
      );
      await Promise.all(held.map(({ sent }) => sent));
      const action = (body: string) =>
        runClient({ command: client.command! }, ["action", "-addr", server.flight, "-type", "schema", "-body", body]);
      let refusal = "";
      await until(async () => {
        const { results } = await action(`{"x":"${"x".repeat(100_000)}"}`);
        refusal = `${results[0]?.error?.code} ${results[0]?.error?.message}`;
        return refusal.includes("over 16777216 B"); // the last of what is held may still be on its way
      }, "the refusal");
      expect(refusal).toMatch(/hold \d+ B, \d+ B more are over 16777216 B/);
      const { results } = await action("{}");
      expect(results[0]?.error).toBeUndefined(); // a small one is answered
    },
  );
}

test("a FlightInfo over what clients take is refused before it is made", async () => {
  const contract_ids = Array.from({ length: 100 }, (_, index) => contractId(index));
  const error = await failureOf(flight().getFlightInfo(manyEndpoints({ filters: { contract_ids } })));
  expect(error.reason).toBe("FLIGHT_INFO_TOO_LARGE");
  expect(error.message).toContain(`over max ${FLIGHT_INFO_BYTES_MAX} B`);
  const fewer = await flight().getFlightInfo(manyEndpoints({ partitions: 100, filters: { contract_ids } }));
  expect(fewer.endpoint).toHaveLength(100);
});

test("tickets written from one text are those of their parts", async () => {
  const { endpoint } = await flight().getFlightInfo(
    manyEndpoints({ partitions: 7, filters: { include_deleted: true } }),
  );
  let next = SAMPLE.first - 5000;
  for (const { ticket, appMetadata } of endpoint) {
    const read = parseTicket(ticket!.ticket);
    if (read.kind !== "range") throw new Error("not a range");
    expect(read.range.ledgerStart).toBe(next);
    expect(read.range.filter).toEqual({ includeDeleted: true });
    const told = JSON.parse(Buffer.from(appMetadata).toString());
    expect(told).toEqual({ start_ledger: next, end_ledger: read.range.ledgerEnd });
    next = read.range.ledgerEnd + 1;
  }
  expect(next).toBe(SAMPLE.last + 1);
});

test("pieces of work take turns of the event loop, in order, and others come between", async () => {
  const turns = new Turns();
  const seen: string[] = [];
  const work = Array.from({ length: 4 }, async (_, index) => {
    await turns.next();
    seen.push(`work ${index}`);
    setImmediate(() => seen.push(`other ${index}`));
  });
  await Promise.all(work);
  await turns.next();
  const works = seen.filter((each) => each.startsWith("work"));
  expect(works).toEqual(["work 0", "work 1", "work 2", "work 3"]);
  // What a piece of work has put into the loop's next turn has come before the piece after the next.
  for (const index of [0, 1]) {
    expect(seen.indexOf(`other ${index}`)).toBeGreaterThan(-1);
    expect(seen.indexOf(`other ${index}`)).toBeLessThan(seen.indexOf(`work ${index + 2}`));
  }
});

test("an id of a range that is no id is refused: cancelled ones are remembered", async () => {
  const error = await failureOf(flight().getFlightInfo(manyEndpoints({ range: "x".repeat(65) })));
  expect(error.code).toBe("INVALID_ARGUMENT");
});

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

test("a FlightInfo of more endpoints than are given out is not cancelled one by one", async () => {
  const endpoint = Array.from({ length: 1025 }, () => ({ ticket: { ticket: Buffer.from("x") } }));
  const body = CancelFlightInfoRequest.encode({ info: { endpoint } });
  const failed = await collect(flight().doAction({ type: "CancelFlightInfo", body })).catch(String);
  expect(failed).toContain("the FlightInfo has 1025 endpoints, and GetFlightInfo gives 1024 at most");
});

test("filters of all sessions have a limit together; lists that are shared count once", () => {
  const shared = { contractIds: ["a", "b", "c"] };
  const session = (...filters: object[]) => ({ steps: filters.map((filter) => ({ filter })), stored: { request: {} } });
  const sessions = [session(shared, shared), session(shared), session({ assetCodes: ["x", "y"] })];
  checkFilterRoom(sessions, [shared], 5);
  checkFilterRoom(sessions, [{ keyTypes: ["Vec"] }], 6);
  checkFilterRoom(sessions, [{}], 1); // what asks for nothing is never too much
  expect(() => checkFilterRoom(sessions, [{ keyTypes: ["Vec"] }], 5)).toThrow(
    "would have 6 values together, over max 5",
  );
});

test("/status.json shows the first values of long lists, and says how many it leaves out", () => {
  const contractIds = Array.from({ length: SHOWN_VALUES_MAX + 23 }, (_, index) => `${index}`);
  // Of a session only what the page cuts.
  const session = { id: "a", request: { ledgerStart: 1, filter: { contractIds, assetCodes: ["x"] } } };
  const shown = shownSession(session as unknown as SessionSnapshot);
  expect(shown.valuesLeftOut).toBe(23);
  expect(shown.request.filter).toEqual({ contractIds: contractIds.slice(0, SHOWN_VALUES_MAX), assetCodes: ["x"] });
  expect(session.request.filter.contractIds).toHaveLength(SHOWN_VALUES_MAX + 23);
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
