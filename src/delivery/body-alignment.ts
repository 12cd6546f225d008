/**
 * Where the body of a batch lies in its FlightData message. Arrow wants buffers at multiples of 8 bytes; a reader that
 * takes the body as a view on the message has to copy it, or warns, where it lies elsewhere. The fields before the body
 * are our own, so one of them is made a few bytes longer: spaces behind the JSON of `app_metadata`, or zeros behind the
 * flatbuffer of `data_header`. Both mean nothing there.
 */
import { varintLength } from "../base/varint.ts";

const ALIGNMENT = 8; // Arrow columnar format, "Encapsulated message format"
const PADDING_MAX = 15; // 7, and 8 more where padding makes the length before the field longer by a byte
const SPACE = 0x20;
const TAG_BYTES = 1; // of fields 1 to 15
const BODY_TAG_BYTES = 2; // of field 1000

/** Bytes of a field with that content; fields without content are left out. */
function fieldBytes(content: number): number {
  return content === 0 ? 0 : TAG_BYTES + varintLength(content) + content;
}

/**
 * How many bytes the last field before the body needs more, for the body to begin at a multiple of 8 in the message.
 * @param before bytes of the message before that field
 * @param content bytes of the field's content as it is
 * @param body bytes of the body
 */
function paddingOf(before: number, content: number, body: number): number {
  if (body === 0) return 0;
  const rest = before + BODY_TAG_BYTES + varintLength(body);
  for (let padding = 0; padding <= PADDING_MAX; padding++) {
    if ((rest + fieldBytes(content + padding)) % ALIGNMENT === 0) return padding;
  }
  throw new Error(`a field of ${content} B before a body of ${body} B cannot be aligned to ${ALIGNMENT} B`);
}

/** JSON as `app_metadata` of a message with that data_header and body, with the spaces that align the body. */
export function alignedMetadata(json: Uint8Array, headerBytes: number, bodyBytes: number): Uint8Array {
  const padding = paddingOf(fieldBytes(headerBytes), json.length, bodyBytes);
  if (padding === 0) return json;
  const padded = new Uint8Array(json.length + padding).fill(SPACE, json.length);
  padded.set(json);
  return padded;
}

/** The data_header of a message that has no `app_metadata`, with the zeros that align the body. */
export function alignedHeader(header: Uint8Array, bodyBytes: number): Uint8Array {
  const padding = paddingOf(0, header.length, bodyBytes);
  if (padding === 0) return header;
  const padded = new Uint8Array(header.length + padding);
  padded.set(header);
  return padded;
}
