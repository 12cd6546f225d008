/**
 * The Flight service over the data plane's streams. DoGet is the hot path: one batch is one slot, written by the
 * one-copy codec, and the slot is let go once its bytes have been copied into the gRPC frame.
 */
import type * as grpc from "@grpc/grpc-js";
import { CodedError } from "../error.ts";
import { type OutgoingFlightData, serializeFlightData } from "../grpc/flight-data.ts";
import { addService, type Handlers, type Init, statusOf } from "../grpc/service.ts";
import { writeWithBackpressure } from "../grpc/write.ts";
import { encodeCursor } from "../pipeline/cursor.ts";
import type { Hub, HubStream } from "../pipeline/hub.ts";
import type { StreamReader } from "../pipeline/stream-log.ts";
import {
  FlightDescriptor_DescriptorType as DescriptorType,
  type FlightDescriptor,
  type FlightInfo,
  FlightService,
  type Ticket,
} from "./proto/flight.ts";
import { parseDescriptor, parseTicket, type ReadRequest, ticketOf } from "./tickets.ts";

const SESSION_WAIT_MS = 30_000; // the legacy ticket may come before the session; nobody waits longer without a word
const UNKNOWN_COUNT = -1; // Flight's way to say that a total is not known

/** The schema in the two forms that Flight sends it in. */
export interface SchemaForms {
  /** Bare flatbuffer: the data_header of a stream's first message. */
  header: Uint8Array;
  /** Encapsulated IPC message: FlightInfo.schema, SchemaResult. */
  encapsulated: Uint8Array;
}

export interface FlightOptions {
  schemaOf(networkPassphrase: string): SchemaForms;
  slowClientGraceMs: number;
  nowMs: () => number;
  log: (message: string, fields: Record<string, unknown>) => void;
}

type DoGetCall = grpc.ServerWritableStream<Ticket, OutgoingFlightData>;

/** Registers the service on a grpc-js server. */
export function addFlightService(server: grpc.Server, hub: Hub, options: FlightOptions): void {
  const service = {
    ...FlightService,
    methods: {
      ...FlightService.methods,
      doGet: { ...FlightService.methods.doGet, response: FLIGHT_DATA_OUT },
    },
  };
  const handlers: Handlers<typeof service> = {
    handshake: unimplemented("Handshake", "this server asks for no credentials"),
    async listFlights(call) {
      if (call.request.expression.length > 0) {
        throw new CodedError(
          "UNIMPLEMENTED",
          "CRITERIA",
          "ListFlights takes no criteria yet: send none for all flights",
        );
      }
      for (const stream of hub.all().reverse()) {
        call.write(infoOf({ kind: "session", id: stream.opening.id }, stream, options));
      }
      call.end();
    },
    async getFlightInfo(request, call) {
      const read = parseDescriptor(request);
      const stream = await resolve(hub, read, call);
      return { ...infoOf(read, stream, options), flightDescriptor: request };
    },
    pollFlightInfo: unimplemented("PollFlightInfo", "use GetFlightInfo: nothing here takes long to prepare"),
    async getSchema(request, call) {
      const stream = await resolve(hub, parseDescriptor(request), call);
      return { schema: options.schemaOf(stream.opening.networkPassphrase).encapsulated };
    },
    async doGet(call) {
      await doGet(call as unknown as DoGetCall, hub, options);
    },
    doPut: unimplemented("DoPut", "this server only reads: nothing can be put"),
    doExchange: unimplemented("DoExchange", "this server only reads: use DoGet"),
    doAction: unimplemented("DoAction", "this server has no actions yet"),
    async listActions(call) {
      call.end();
    },
  };
  addService(server, service, handlers, (error, method) =>
    options.log("unexpected error in a Flight call", { method, error: String(error) }),
  );
}

/** FlightData on its way out, for a grpc-js server. */
const FLIGHT_DATA_OUT = {
  typeName: FlightService.methods.doGet.response.typeName,
  encode: (message: Init<OutgoingFlightData>) => serializeFlightData(message as OutgoingFlightData),
  decode: (): OutgoingFlightData => {
    throw new Error("a server does not read its own responses");
  },
};

function unimplemented(method: string, why: string) {
  return async () => {
    throw new CodedError("UNIMPLEMENTED", "UNIMPLEMENTED", `${method} is not offered: ${why}`);
  };
}

/**
 * The stream that is asked for.
 * @throws CodedError NOT_FOUND
 */
async function resolve(hub: Hub, request: ReadRequest, call: { on(event: "cancelled", f: () => void): unknown }) {
  if (request.kind === "session") {
    const stream = hub.byId(request.id);
    if (stream !== undefined) return stream;
    throw new CodedError(
      "NOT_FOUND",
      "SESSION_UNKNOWN",
      `no session has the id ${JSON.stringify(request.id.slice(0, 64))}: StartProcessing answers with one`,
    );
  }
  const abort = new AbortController();
  call.on("cancelled", () => abort.abort());
  const stream = await hub.awaitNewest(SESSION_WAIT_MS, abort.signal);
  if (stream !== undefined) return stream;
  throw new CodedError(
    "NOT_FOUND",
    "NO_SESSION",
    `there is no session, and none was started within ${SESSION_WAIT_MS / 1000} s: call StartProcessing`,
  );
}

function infoOf(read: ReadRequest, stream: HubStream, options: FlightOptions): Init<FlightInfo> {
  const { opening, cell } = stream;
  const path = read.kind === "newest" ? ["contract", "data"] : ["contract", "data", opening.id];
  const descriptor: Init<FlightDescriptor> = { type: DescriptorType.PATH, path };
  return {
    schema: options.schemaOf(opening.networkPassphrase).encapsulated,
    flightDescriptor: descriptor,
    endpoint: [{ ticket: { ticket: ticketOf({ kind: "session", id: opening.id }) } }],
    totalRecords: stream.over && stream.log.ending?.error === undefined ? cell.get("rows") : UNKNOWN_COUNT,
    totalBytes: UNKNOWN_COUNT,
    ordered: true,
    appMetadata: Buffer.from(
      JSON.stringify({
        session: opening.id,
        start_ledger: opening.ledgerStart,
        end_ledger: opening.ledgerEnd,
        current_ledger: cell.get("ledgerCurrent"),
      }),
    ),
  };
}

/** Streams one session to one client; the schema goes first and at once. */
async function doGet(call: DoGetCall, hub: Hub, options: FlightOptions): Promise<void> {
  const request = parseTicket(call.request.ticket);
  const stream = await resolve(hub, request, call);
  const schema = options.schemaOf(stream.opening.networkPassphrase);
  const reader = join(stream, request, options.nowMs());
  const leave = () => reader.leave();
  call.once("cancelled", leave);
  call.once("close", leave);
  try {
    if (!(await writeWithBackpressure(call, { dataHeader: schema.header }))) return;
    for (;;) {
      const slot = await reader.next(options.nowMs);
      if (slot === undefined) break;
      const { dataHeader, dataBody, appMetadata, record } = slot;
      let went: boolean;
      try {
        went = await writeWithBackpressure(call, { dataHeader, dataBody, appMetadata }, { signal: reader.endedSignal });
      } finally {
        slot.release(); // copied into the gRPC frame by now, or never to be read again
      }
      if (!went) return;
      stream.cell.add("rowsSent", record.rows);
      stream.cell.add("bytesSent", dataHeader.length + dataBody.length + appMetadata.length);
    }
    call.end();
  } catch (thrown) {
    endWithError(call, thrown, reader);
  } finally {
    reader.leave();
  }
}

function join(stream: HubStream, request: ReadRequest, nowMs: number): StreamReader {
  const from = request.kind === "session" ? request.from : undefined;
  if (from === undefined) return stream.log.join(nowMs);
  if (from === "now") return stream.log.joinEnd(nowMs);
  return stream.log.joinAt(from === "start" ? { ledger: stream.opening.ledgerStart, row: 0 } : from, nowMs);
}

/** The error with the place to resume from, so that a client that was ended has lost nothing. */
function endWithError(call: DoGetCall, thrown: unknown, reader: StreamReader): void {
  const status = statusOf(thrown);
  status.metadata.set("cursor", encodeCursor(reader.resumeAt));
  call.emit("error", status);
}
