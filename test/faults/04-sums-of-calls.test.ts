/**
 * Limits that hold in sum. Each call and each connection was limited, and twenty of them together took all memory: half-sent
 * requests, answers that nobody reads, FlightInfos of a thousand endpoints asked for hundreds of times.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import * as grpc from "@grpc/grpc-js";
import { Turns } from "../../src/base/turns.ts";
import { connectControl } from "../../src/control/client.ts";
import type { CodedError } from "../../src/error.ts";
import { FLIGHT_INFO_BYTES_MAX } from "../../src/flight/flight-info.ts";
import { parseTicket } from "../../src/flight/tickets.ts";
import {
  CancelFlightInfoRequest,
  FlightDescriptor,
  FlightDescriptor_DescriptorType,
  FlightInfo,
  FlightService,
} from "../../src/grpc/generated/flight.ts";
import { serviceClient } from "../../src/grpc/service.ts";
import { SHOWN_VALUES_MAX, shownSession } from "../../src/ops/shown-session.ts";
import { checkFilterRoom } from "../../src/sessions/filter-room.ts";
import type { SessionSnapshot } from "../../src/sessions/session-service.ts";
import { formatStrkey, STRKEY_CONTRACT } from "../../src/xdr/strkey.ts";
import { goClient, pythonClient, runClient } from "../clients/toolchain.ts";
import { RawCall } from "../http2/raw-call.ts";
import { failureOf } from "../support/failure.ts";
import { collect } from "../support/flight-rows.ts";
import { type Processor, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { closeOpened, halfSent, MIB, opened } from "./04-sums-of-calls-support.ts";

const ROOM_BYTES = 350 * MIB; // 96 MiB are allowed, and grpc-js holds a message twice while it puts it together
const INFO_PATH = "/arrow.flight.protocol.FlightService/GetFlightInfo";
const onLinux = process.platform === "linux";

let server: Processor;
beforeAll(async () => {
  server = await startProcessor([`--source-endpoint=${SAMPLE.folder}`, "--worker-count=1"]);
});
afterAll(async () => {
  await server.stop();
});
afterEach(closeOpened);

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
  const session = { id: "a", request: { ledgerStart: 1, filter: { contractIds, assetCodes: ["x"] } } };
  // Of a session only what the page cuts.
  const shown = shownSession(session as unknown as SessionSnapshot);
  expect(shown.valuesLeftOut).toBe(23);
  expect(shown.request.filter).toEqual({ contractIds: contractIds.slice(0, SHOWN_VALUES_MAX), assetCodes: ["x"] });
  expect(session.request.filter.contractIds).toHaveLength(SHOWN_VALUES_MAX + 23);
});
