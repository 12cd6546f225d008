/** The seal of tickets: what it protects, what it lets a client do, and that it holds over a restart. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { connectControl } from "../../src/control/client.ts";
import { CodedError } from "../../src/error.ts";
import { TicketSeal } from "../../src/flight/ticket-seal.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import {
  Action,
  CancelFlightInfoRequest,
  FlightService,
  RenewFlightEndpointRequest,
} from "../../src/grpc/generated/flight.ts";
import { ticketKey } from "../../src/security/ticket-key.ts";
import { SAMPLE, startProcessor } from "../support/processor.ts";
import { bearer, rawCall, startGuarded } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "ticket-key-"));
afterAll(() => rmSync(folder, { recursive: true }));

let nowMs = 1_000_000;
const seal = new TicketSeal(ticketKey(""), 5_000, () => nowMs);
const bytes = (value: unknown) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
const fieldsOf = (ticket: Uint8Array) => JSON.parse(Buffer.from(ticket).toString()) as Record<string, unknown>;
const opened = (ticket: Uint8Array) => {
  try {
    return fieldsOf(seal.open(ticket));
  } catch (thrown) {
    return CodedError.from(thrown).reason;
  }
};

test("a sealed ticket opens to what it was, also when it was written anew with another from", () => {
  const ticket = { session: "abc", from: "start", shard: { index: 0, count: 2 } };
  const sealed = fieldsOf(seal.seal(bytes(ticket)));
  expect(opened(bytes(sealed))).toEqual(ticket);
  const anew = Object.fromEntries(Object.entries({ ...sealed, from: "c1-5-0" }).reverse());
  expect(opened(bytes(JSON.stringify(anew, null, 2)))).toEqual({ ...ticket, from: "c1-5-0" });
});

test("one that was changed otherwise, or has ended, is refused", () => {
  const sealed = fieldsOf(seal.seal(bytes({ session: "abc" })));
  for (const change of [
    { session: "abd" },
    { expires_at: 9e15 },
    { shard: { index: 0, count: 2 } },
    { sig: "" },
    { sig: 7 },
  ]) {
    expect(opened(bytes({ ...sealed, ...change }))).toBe("TICKET_SIGNATURE");
  }
  expect(opened(bytes({ ...sealed, expires_at: undefined }))).toBe("TICKET_SIGNATURE");
  nowMs += 5_001;
  expect(opened(bytes(sealed))).toBe("TICKET_EXPIRED");
  nowMs -= 5_001;
  const other = new TicketSeal(ticketKey(""), 5_000, () => nowMs);
  expect(() => other.open(bytes(sealed))).toThrow("another server");
});

test("what has no seal passes as it is, and what is no JSON is for the parser", () => {
  for (const text of ["contract-data-stream", '{"session":"abc"}', '{"sig"', `{"sig":${"[".repeat(100_000)}`, ""]) {
    expect(Buffer.from(seal.open(bytes(text))).toString()).toBe(text);
  }
});

test("the key is kept for its owner alone, and a file that is none is named", () => {
  const key = ticketKey(folder);
  expect(ticketKey(folder)).toEqual(Buffer.from(key));
  expect(statSync(join(folder, "ticket-key")).mode & 0o777).toBe(0o600);
  writeFileSync(join(folder, "ticket-key"), "short");
  expect(() => ticketKey(folder)).toThrow("has 5 bytes in place of 32");
});

test("tickets of the server carry it, hold over a restart, and are refused when they are changed", async () => {
  const server = await startGuarded();
  const read = async (address: string, ticket: Uint8Array) => {
    const client = new FlightClient(address, { token: server.keys.reader });
    try {
      let rows = 0;
      for await (const { metadata } of client.doGet(ticket)) rows += metadata.rows;
      return rows;
    } catch (thrown) {
      return CodedError.from(thrown).reason;
    } finally {
      client.close();
    }
  };
  const action = async (type: string, body: Uint8Array) => {
    const raw = new grpc.Client(server.processor.flight, grpc.credentials.createInsecure());
    const headers = bearer(server.keys["some-reader"]);
    const { reason } = await rawCall(raw, `${FlightService.typeName}/DoAction`, headers, Action.encode({ type, body }));
    raw.close();
    return reason;
  };
  const control = connectControl(server.processor.control, { token: server.keys.operator });
  await control.startProcessing({ startLedger: SAMPLE.first, endLedger: SAMPLE.last });
  control.close();
  const client = new FlightClient(server.processor.flight, { token: server.keys.reader });
  const { tickets } = await client.session();
  const endpoints = await client.range({ start_ledger: SAMPLE.first, end_ledger: SAMPLE.last, endpoints: 2 });
  const ranges = endpoints.map(({ ticket }) => ticket);
  client.close();
  for (const ticket of [...tickets, ...ranges]) {
    expect(fieldsOf(ticket)).toMatchObject({ sig: expect.any(String), expires_at: expect.any(Number) });
  }
  const changed = bytes({ ...fieldsOf(ranges[0]!), end_ledger: SAMPLE.last + 1000 });
  expect(await read(server.processor.flight, changed)).toBe("TICKET_SIGNATURE");
  expect(await read(server.processor.flight, tickets[0]!)).toBe(SAMPLE.rows);
  const { range: flightId } = fieldsOf(ranges[0]!);
  const own = bytes({ start_ledger: SAMPLE.first, end_ledger: SAMPLE.last, range: flightId });
  const ends = await Promise.all([
    action("CancelFlightInfo", CancelFlightInfoRequest.encode({ info: { endpoint: [{ ticket: { ticket: own } }] } })),
    action("RenewFlightEndpoint", RenewFlightEndpointRequest.encode({ endpoint: { ticket: { ticket: own } } })),
  ]);
  expect(ends).toEqual(["TICKET_SIGNATURE", "TICKET_SIGNATURE"]); // a flight's id is no proof of having been given it
  await server.processor.stop();
  const again = await startProcessor(["--source-endpoint", SAMPLE.folder], { env: server.env });
  const parts = await Promise.all(ranges.map((ticket) => read(again.flight, ticket)));
  expect(parts.reduce((sum: number, rows) => sum + Number(rows), 0)).toBe(SAMPLE.rows);
  expect(await read(again.flight, tickets[0]!)).toBe(SAMPLE.rows);
  await again.stop();
  rmSync(server.folder, { recursive: true });
}, 90_000);
