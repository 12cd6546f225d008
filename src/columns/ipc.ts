/** Framing of Arrow IPC messages (Arrow columnar format, "Encapsulated message format" and "IPC streaming format"). */
import type { Schema } from "apache-arrow";
import { Message } from "apache-arrow/ipc/metadata/message";
import { arrowSchema } from "./arrow-schema.ts";
import type { BatchEncoder } from "./batch-encoder.ts";
import { dictionaryMessages } from "./dictionary-messages.ts";

const CONTINUATION = 0xffff_ffff;
const PREFIX_BYTES = 8; // continuation marker, metadata length

/** The Schema message: the bare flatbuffer, as FlightData's data_header carries it. */
export function schemaMessage(schema: Schema): Uint8Array {
  return Message.encode(Message.from(schema));
}

/** A message with its prefix and padding: what FlightInfo.schema and SchemaResult hold, and a stream before each body. */
export function encapsulate(message: Uint8Array): Uint8Array {
  const padded = Math.ceil((PREFIX_BYTES + message.length) / 8) * 8;
  const framed = new Uint8Array(padded);
  const view = new DataView(framed.buffer);
  view.setUint32(0, CONTINUATION, true);
  view.setInt32(4, padded - PREFIX_BYTES, true);
  framed.set(message, PREFIX_BYTES);
  return framed;
}

/** The schema in its encapsulated form: the beginning of an IPC stream, and FlightInfo.schema. */
export function encapsulatedSchema(schema: Schema): Uint8Array {
  return encapsulate(schemaMessage(schema));
}

/** The beginning of an IPC stream: schema, then the dictionaries, each message followed by its body. */
export function streamHead(encoder: BatchEncoder): Uint8Array {
  const parts = [encapsulatedSchema(arrowSchema(encoder))];
  for (const { header, body } of dictionaryMessages(encoder.columns)) parts.push(encapsulate(header), body);
  const head = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0));
  let at = 0;
  for (const part of parts) {
    head.set(part, at);
    at += part.length;
  }
  return head;
}

/** The end of an IPC stream. */
export const STREAM_END: Uint8Array = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0);
