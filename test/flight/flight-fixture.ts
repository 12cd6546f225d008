/**
 * A small Flight service over the project's own transport: DoGet answers a valid Arrow stream whose sizes the ticket
 * gives, so that tests see real clients read real sizes. The bodies are written again and again into one block of
 * shared memory, so a body that is read after it was reported as copied shows as wrong bytes at the client.
 */
import type { handleServerStreamingCall, ServiceDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";
import { Field, FixedSizeBinary, makeData, RecordBatch, RecordBatchStreamWriter, Schema, Struct } from "apache-arrow";
import { type OutgoingFlightData, serializeFlightData } from "../../src/flight/flight-data.ts";
import { writeWithBackpressure } from "../../src/flight/write.ts";

/** The ticket, as JSON. */
export interface FixtureTicket {
  bodyBytes: number;
  batches: number;
  /** Fill every body with its batch number (tests of content); otherwise bodies stay zero (tests of speed). */
  stamp?: boolean;
}

/** Width of the only column, `payload`: fixed_size_binary[1024]. */
export const ROW_BYTES = 1024;

interface IpcMessage {
  header: Uint8Array;
  body: Uint8Array;
}

/** Splits an Arrow IPC stream into its messages: ffffffff, length of the flatbuffer, flatbuffer, body. */
function splitIpcStream(stream: Uint8Array, bodyBytes: number): IpcMessage[] {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  const messages: IpcMessage[] = [];
  let position = 0;
  while (position < stream.byteLength && view.getInt32(position + 4, true) > 0) {
    const header = stream.subarray(position + 8, position + 8 + view.getInt32(position + 4, true));
    const bodyLength = messages.length === 0 ? 0 : bodyBytes;
    position += 8 + header.byteLength;
    messages.push({ header, body: stream.subarray(position, position + bodyLength) });
    position += bodyLength;
  }
  return messages;
}

/** Schema message and batch header for bodies of `bodyBytes` (a multiple of ROW_BYTES). */
export function fixtureMessages(bodyBytes: number): { schema: Uint8Array; batch: Uint8Array } {
  const type = new FixedSizeBinary(ROW_BYTES);
  const schema = new Schema([new Field("payload", type, false)]);
  const rows = bodyBytes / ROW_BYTES;
  const column = makeData({ type, length: rows, nullCount: 0, data: new Uint8Array(bodyBytes) });
  const struct = makeData({ type: new Struct(schema.fields), length: rows, nullCount: 0, children: [column] });
  const writer = new RecordBatchStreamWriter({ autoDestroy: true });
  writer.write(new RecordBatch(schema, struct));
  const [first, second] = splitIpcStream(writer.finish().toUint8Array(true), bodyBytes);
  if (first === undefined || second === undefined) throw new Error("the Arrow writer gave no batch");
  return { schema: first.header, batch: second.header };
}

/** The text that the clients write for this ticket with stamp: true (see test/clients/README.md). */
export function fixtureText(ticket: FixtureTicket): string {
  const lines: string[] = [];
  for (let batch = 0; batch < ticket.batches; batch++) {
    const line = `${Buffer.from(new Int32Array(ROW_BYTES / 4).fill(batch).buffer).toString("hex")}\n`;
    for (let row = 0; row < ticket.bodyBytes / ROW_BYTES; row++) lines.push(line);
  }
  return lines.join("");
}

/** What the service did, for assertions. */
export interface FixtureCounters {
  callsStarted: number;
  /** Calls whose last message was accepted. */
  callsDone: number;
  /** Calls that the client ended early. */
  callsCancelled: number;
}

export const DO_GET_PATH = "/arrow.flight.protocol.FlightService/DoGet";

/** A Ticket message for `ticket`, as a client encodes it. */
export function encodeTicket(ticket: FixtureTicket): Buffer {
  const text = Buffer.from(JSON.stringify(ticket));
  return Buffer.concat([Buffer.from([0x0a, text.length]), text]);
}

function ticketText(encoded: Buffer): string {
  // Ticket { bytes ticket = 1 }: one length-delimited field, whose length fits two varint bytes here.
  const start = (encoded[1] ?? 0) < 0x80 ? 2 : 3;
  return encoded.subarray(start).toString();
}

const definition = {
  DoGet: {
    path: DO_GET_PATH,
    requestStream: false,
    responseStream: true,
    requestSerialize: (request: Buffer) => request,
    requestDeserialize: ticketText,
    responseSerialize: serializeFlightData,
    responseDeserialize: (response: Buffer) => response,
  },
} satisfies ServiceDefinition;

/** Service definition and implementation for `server.addService`. */
export function flightFixture(): {
  definition: typeof definition;
  implementation: UntypedServiceImplementation;
  counters: FixtureCounters;
} {
  const counters: FixtureCounters = { callsStarted: 0, callsDone: 0, callsCancelled: 0 };
  const doGet: handleServerStreamingCall<string, OutgoingFlightData> = async (call) => {
    counters.callsStarted++;
    const ticket = JSON.parse(call.request) as FixtureTicket;
    const { schema, batch } = fixtureMessages(ticket.bodyBytes);
    const body = new Uint8Array(new SharedArrayBuffer(ticket.bodyBytes));
    const stamp = new Int32Array(body.buffer);
    let open = await writeWithBackpressure(call, { dataHeader: schema });
    for (let index = 0; open && index < ticket.batches; index++) {
      if (ticket.stamp) stamp.fill(index);
      open = await writeWithBackpressure(call, { dataHeader: batch, dataBody: body });
    }
    if (open) counters.callsDone++;
    else counters.callsCancelled++;
    call.end();
  };
  return { definition, implementation: { DoGet: doGet } as UntypedServiceImplementation, counters };
}
