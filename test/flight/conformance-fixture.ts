/**
 * What Arrow's Flight integration client wants to find, behind our Flight server code: the scenarios fix their data, so
 * they cannot be run against contract data. For tests only.
 */
import * as grpc from "@grpc/grpc-js";
import { Field, Int32, makeData, RecordBatch, Schema, Struct, Table, tableToIPC, Uint32 } from "apache-arrow";
import { encapsulate, schemaMessage } from "../../src/columns/ipc.ts";
import { credentialOf } from "../../src/config/credentials.ts";
import { CodedError } from "../../src/error.ts";
import type { FlightDataMessage } from "../../src/flight/flight-data.ts";
import { timestampOf } from "../../src/flight/flight-info.ts";
import { addFlightService } from "../../src/flight/flight-server.ts";
import type {
  CallContext,
  FlightAction,
  FlightProducer,
  OutgoingBatch,
  OutgoingStream,
} from "../../src/flight/producer.ts";
import {
  CancelFlightInfoRequest,
  CancelFlightInfoResult,
  CancelStatus,
  FlightDescriptor,
  FlightEndpoint,
  type FlightInfo,
  type PollInfo,
  RenewFlightEndpointRequest,
} from "../../src/grpc/generated/flight.ts";
import { grpcServerOptions, listenGrpc } from "../../src/grpc/listen.ts";
import type { Init } from "../../src/grpc/service.ts";
import { Gate } from "../../src/security/gate.ts";
import { accessOf } from "../support/access.ts";

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("utf8");
const invalid = (message: string) => CodedError.received("INVALID_ARGUMENT", "FIXTURE", message);

/** The messages of an IPC stream, as FlightData. */
export function messagesOf(ipc: Uint8Array): FlightDataMessage[] {
  const view = new DataView(ipc.buffer, ipc.byteOffset, ipc.byteLength);
  const messages: FlightDataMessage[] = [];
  for (let at = 0; at < ipc.length; ) {
    const headerBytes = view.getInt32(at + 4, true);
    if (headerBytes === 0) break;
    const header = ipc.subarray(at + 8, at + 8 + headerBytes);
    at += 8 + headerBytes;
    const bodyBytes = bodyLength(header);
    messages.push({ dataHeader: header, dataBody: ipc.subarray(at, at + bodyBytes) });
    at += bodyBytes;
  }
  return messages;
}

/** Field bodyLength of the flatbuffer table Message: the fourth one. */
function bodyLength(header: Uint8Array): number {
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const table = view.getUint32(0, true);
  const vtable = table - view.getInt32(table, true);
  const field = view.getUint16(vtable, true) > 10 ? view.getUint16(vtable + 10, true) : 0;
  return field === 0 ? 0 : Number(view.getBigInt64(table + field, true));
}

function numbers(values: number[], type: Int32 | Uint32): { schema: Uint8Array; messages: FlightDataMessage[] } {
  const schema = new Schema([new Field("number", type, true)]);
  const array = type instanceof Int32 ? Int32Array.from(values) : Uint32Array.from(values);
  const child = makeData({ type: type as Int32, length: values.length, data: array as Int32Array });
  const struct = makeData({ type: new Struct(schema.fields), length: values.length, children: [child] });
  const table = new Table(schema, new RecordBatch(schema, struct));
  return { schema: encapsulate(schemaMessage(schema)), messages: messagesOf(tableToIPC(table, "stream")) };
}

class Messages implements OutgoingStream {
  readonly opening: FlightDataMessage[];
  private readonly rest: FlightDataMessage[];

  constructor(messages: FlightDataMessage[]) {
    this.opening = messages.slice(0, 1);
    this.rest = messages.slice(1);
  }

  async next(): Promise<OutgoingBatch | undefined> {
    const message = this.rest.shift();
    return message === undefined ? undefined : { message, rows: 0, release: () => {} };
  }

  close(): void {}
}

class ConformanceFixture implements FlightProducer {
  port = 0;
  readonly actions: FlightAction[];
  private readonly uploads = new Map<string, FlightDataMessage[]>();
  private readonly expiring = new Map<number, { expiresUnixMs?: number; cancelled: boolean; gets: number }>();

  constructor(authenticated: boolean) {
    this.actions = authenticated
      ? [{ type: "", description: "who calls", run: async (_, { identity }) => [Buffer.from(identity?.name ?? "")] }]
      : [
          { type: "CancelFlightInfo", description: "cancels", run: async (body) => [this.cancel(body)] },
          { type: "RenewFlightEndpoint", description: "renews", run: async (body) => [this.renew(body)] },
        ];
  }

  async listFlights(): Promise<Iterable<Init<FlightInfo>>> {
    return [];
  }

  async getFlightInfo(descriptor: FlightDescriptor, context: CallContext): Promise<Init<FlightInfo>> {
    const [received] = context.metadata.get("x-middleware");
    if (received !== undefined) {
      const headers = new grpc.Metadata();
      headers.set("x-middleware", received);
      context.sendHeaders(headers);
    }
    const base = { flightDescriptor: descriptor, totalRecords: -1, totalBytes: -1 };
    const command = text(descriptor.cmd);
    const plain = numbers([], new Uint32());
    const empty = encapsulate(schemaMessage(new Schema([])));
    const at = (ticket: string, uri?: string) => ({
      ticket: { ticket: Buffer.from(ticket) },
      location: uri === undefined ? [] : [{ uri }],
    });
    if (descriptor.path.length > 0) {
      const key = descriptor.path[0]!;
      const stored = this.uploads.get(key);
      if (stored === undefined) throw CodedError.received("NOT_FOUND", "FIXTURE", `no upload ${key}`);
      const endpoint = [at(key, `grpc+tcp://127.0.0.1:${this.port}`)];
      return { ...base, schema: encapsulate(stored[0]!.dataHeader!), endpoint };
    }
    switch (command) {
      case "ordered":
        return {
          ...base,
          schema: numbers([], new Int32()).schema,
          endpoint: ["1", "2", "3"].map((ticket) => at(ticket)),
          ordered: true,
        };
      case "success":
        return { ...base, schema: empty, endpoint: [at("foo", "grpc+tcp://localhost:10010")] };
      case "reuse":
        return { ...base, schema: empty, endpoint: [at("reuse", "arrow-flight-reuse-connection://?")] };
      case "expiration_time":
        return {
          ...base,
          schema: plain.schema,
          endpoint: [undefined, 5000, 6000].map((ms, index) => this.expiringEndpoint(index, ms)),
        };
      case "":
        throw invalid("no command");
      default: {
        const metadata = descriptor.cmd;
        return { ...base, schema: plain.schema, endpoint: [{ appMetadata: metadata }], appMetadata: metadata };
      }
    }
  }

  async pollFlightInfo(descriptor: FlightDescriptor): Promise<Init<PollInfo>> {
    const info = {
      schema: numbers([], new Uint32()).schema,
      flightDescriptor: descriptor,
      endpoint: [{ ticket: { ticket: Buffer.from("long-running query") } }],
      totalRecords: -1,
      totalBytes: -1,
    };
    if (text(descriptor.cmd) === "poll") return { info, progress: 1 };
    const expirationTime = timestampOf(Date.now() + 10_000);
    return { info, flightDescriptor: { type: 2, cmd: Buffer.from("poll") }, progress: 0.1, expirationTime };
  }

  async getSchema(): Promise<Uint8Array> {
    return numbers([], new Uint32()).schema;
  }

  async doGet(bytes: Uint8Array): Promise<OutgoingStream> {
    const ticket = text(bytes);
    const stored = this.uploads.get(ticket);
    if (stored !== undefined) return new Messages(stored);
    const ordered = { "1": [1, 2, 3], "2": [10, 20, 30], "3": [100, 200, 300] }[ticket];
    if (ordered !== undefined) return new Messages(numbers(ordered, new Int32()).messages);
    const index = Number.parseInt(ticket, 10);
    const endpoint = this.expiring.get(index);
    if (endpoint === undefined) throw invalid(`no ticket ${ticket}`);
    if (endpoint.cancelled) throw invalid("cancelled");
    if (endpoint.expiresUnixMs === undefined ? endpoint.gets++ > 0 : endpoint.expiresUnixMs < Date.now()) {
      throw invalid("expired, or read before");
    }
    return new Messages(numbers([index], new Uint32()).messages);
  }

  async doPut(call: Parameters<NonNullable<FlightProducer["doPut"]>>[0]): Promise<void> {
    const messages: FlightDataMessage[] = [];
    let key = "";
    const iterator: AsyncIterable<FlightDataMessage> = call.iterator({ destroyOnReturn: false });
    for await (const { descriptor, dataHeader, dataBody, appMetadata } of iterator) {
      if (descriptor !== undefined) key = FlightDescriptor.decode(descriptor).path[0]!;
      if (dataHeader === undefined || dataHeader.length === 0) continue;
      messages.push({
        dataHeader: new Uint8Array(dataHeader),
        dataBody: dataBody && new Uint8Array(dataBody),
        appMetadata: appMetadata && new Uint8Array(appMetadata),
      });
      if (messages.length > 1 && appMetadata?.length) call.write({ appMetadata: new Uint8Array(appMetadata) });
    }
    this.uploads.set(key, messages);
    call.end();
  }

  private expiringEndpoint(index: number, ms: number | undefined) {
    const expiresUnixMs = ms === undefined ? undefined : Date.now() + ms;
    this.expiring.set(index, { expiresUnixMs, cancelled: false, gets: 0 });
    return {
      ticket: { ticket: Buffer.from(`${index}: ${ms === undefined ? "no expiration" : `${ms} ms`}`) },
      expirationTime: expiresUnixMs === undefined ? undefined : timestampOf(expiresUnixMs),
    };
  }

  private cancel(body: Uint8Array): Uint8Array {
    for (const { ticket } of CancelFlightInfoRequest.decode(body).info?.endpoint ?? []) {
      const endpoint = this.expiring.get(Number.parseInt(text(ticket!.ticket), 10));
      if (endpoint !== undefined) endpoint.cancelled = true;
    }
    return CancelFlightInfoResult.encode({ status: CancelStatus.CANCEL_STATUS_CANCELLED });
  }

  private renew(body: Uint8Array): Uint8Array {
    const { endpoint } = RenewFlightEndpointRequest.decode(body);
    return FlightEndpoint.encode({ ...endpoint, expirationTime: timestampOf(Date.now() + 10_000) });
  }
}

/** Serves the fixture on a free port of loopback. */
export async function serveFixture(authenticated = false): Promise<{ port: number; close(): Promise<void> }> {
  const server = new grpc.Server(grpcServerOptions());
  const fixture = new ConformanceFixture(authenticated);
  addFlightService(server, fixture, {
    gate: authenticated ? new Gate(accessOf({ credentials: [credentialOf("arrow", "flight")] })) : undefined,
    onUnexpected: (error, method) => console.error(method, error),
  });
  const listener = await listenGrpc(server, { host: "127.0.0.1", port: 0 });
  fixture.port = listener.port;
  return { port: listener.port, close: () => listener.close(500) };
}
