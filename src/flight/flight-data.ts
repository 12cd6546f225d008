/**
 * FlightData of arrow/flight/protocol.proto, written with one copy. (Hot path: every body byte passes here.)
 *
 * grpc-js asks two things of what a response serializer returns: `byteLength`, and then at once
 * `copy(frame, 5)` into the frame that it allocated itself. So the serializer returns an object which
 * knows its length and writes the field prefixes and the body straight into that frame, and the body is copied once
 * between the memory of the caller and the HTTP/2 queue.
 *
 * When the body is copied (grpc-js 1.14.7, `BaseServerInterceptingCall.sendMessage`): synchronously inside
 * `call.write()` when no earlier write of the call is pending; otherwise when the callback of the write before it
 * has fired, since a Writable keeps unserialized messages in its queue; never when the call is cancelled or
 * destroyed first. `onCopied` is called at that very moment, inside the copy, so it is the signal that the memory
 * behind the message may be reused. After "cancelled" or "close" of the call no copy follows; `writeWithBackpressure`
 * (write.ts) puts both together.
 */
import { varintLength } from "../base/varint.ts";
import { CodedError } from "../error.ts";

/** Fields of FlightData as bytes; absent and empty are the same on the wire (proto3). */
export interface FlightDataMessage {
  /** Field 1, an encoded FlightDescriptor. */
  descriptor?: Uint8Array;
  /** Field 2: the bare flatbuffer of an Arrow IPC Message. */
  dataHeader?: Uint8Array;
  /** Field 3: bytes of the application. */
  appMetadata?: Uint8Array;
  /** Field 1000: the body of the IPC message; may be a view on a SharedArrayBuffer. */
  dataBody?: Uint8Array;
}

/** What a message has of header, body and metadata, without their framing. */
export function flightDataBytes({ dataHeader, dataBody, appMetadata }: FlightDataMessage): number {
  return (dataHeader?.length ?? 0) + (dataBody?.length ?? 0) + (appMetadata?.length ?? 0);
}

/** A message on its way out. */
export interface OutgoingFlightData extends FlightDataMessage {
  /** Called once, synchronously, when all bytes have been copied: the arrays may be overwritten from then on. */
  onCopied?: () => void;
}

// Tags are (field number << 3) | 2, 2 = length-delimited; 1000 needs two bytes: 8002 = 0xc2 0x3e.
const TAG_DESCRIPTOR = 0x0a;
const TAG_DATA_HEADER = 0x12;
const TAG_APP_METADATA = 0x1a;
const TAG_DATA_BODY_LOW = 0xc2;
const TAG_DATA_BODY_HIGH = 0x3e;

/** Largest encoded FlightData: protobuf implementations refuse messages of 2 GiB and more. */
export const FLIGHT_DATA_BYTES_MAX = 0x7fffffff;

function fieldLength(tagLength: number, bytes: Uint8Array | undefined): number {
  const length = bytes === undefined ? 0 : bytes.byteLength;
  return length === 0 ? 0 : tagLength + varintLength(length) + length;
}

function putVarint(target: Uint8Array, offset: number, value: number): number {
  let position = offset;
  let rest = value;
  while (rest > 0x7f) {
    target[position++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[position++] = rest;
  return position;
}

function putField(target: Uint8Array, offset: number, tag: number, bytes: Uint8Array | undefined): number {
  if (bytes === undefined || bytes.byteLength === 0) return offset;
  target[offset] = tag;
  const position = putVarint(target, offset + 1, bytes.byteLength);
  target.set(bytes, position);
  return position + bytes.byteLength;
}

/** Bytes that `message` takes when encoded. */
export function flightDataByteLength(message: FlightDataMessage): number {
  return (
    fieldLength(1, message.descriptor) +
    fieldLength(1, message.dataHeader) +
    fieldLength(1, message.appMetadata) +
    fieldLength(2, message.dataBody)
  );
}

/** Returns the encoded length in bytes; throws RESOURCE_EXHAUSTED when it is over FLIGHT_DATA_BYTES_MAX. */
export function assertFlightDataFits(message: FlightDataMessage): number {
  const byteLength = flightDataByteLength(message);
  if (byteLength <= FLIGHT_DATA_BYTES_MAX) return byteLength;
  throw new CodedError(
    "RESOURCE_EXHAUSTED",
    "FLIGHT_DATA_TOO_LARGE",
    `FlightData of ${byteLength} B is over ${FLIGHT_DATA_BYTES_MAX} B: slice the batch into smaller ones`,
  );
}

/** What the serializer hands to grpc-js in place of a Buffer. */
export class LazyFlightData {
  /** Encoded length in bytes. */
  readonly byteLength: number;

  /** Throws RESOURCE_EXHAUSTED when the encoded message is over FLIGHT_DATA_BYTES_MAX. */
  constructor(readonly message: OutgoingFlightData) {
    this.byteLength = assertFlightDataFits(message);
  }

  /**
   * Writes the encoded message into `target` from `offset` on, then calls `onCopied`. Returns the bytes written.
   * Throws a RangeError, with nothing reported as copied, when it does not fit.
   */
  copy(target: Uint8Array, offset = 0): number {
    if (offset + this.byteLength > target.byteLength) {
      throw new RangeError(`FlightData of ${this.byteLength} B at ${offset} does not fit into ${target.byteLength} B`);
    }
    const { descriptor, dataHeader, appMetadata, dataBody, onCopied } = this.message;
    let position = putField(target, offset, TAG_DESCRIPTOR, descriptor);
    position = putField(target, position, TAG_DATA_HEADER, dataHeader);
    position = putField(target, position, TAG_APP_METADATA, appMetadata);
    if (dataBody !== undefined && dataBody.byteLength > 0) {
      target[position] = TAG_DATA_BODY_LOW;
      position = putField(target, position + 1, TAG_DATA_BODY_HIGH, dataBody);
    }
    if (onCopied !== undefined) onCopied();
    return position - offset;
  }
}

/**
 * `responseSerialize` of DoGet and DoExchange for a grpc-js SERVER. The type says Buffer because grpc-js declares so;
 * only `byteLength` and `copy` are there, which is all that a grpc-js server uses. A client needs `encodeFlightData`.
 */
export function serializeFlightData(message: OutgoingFlightData): Buffer {
  return new LazyFlightData(message) as unknown as Buffer; // has only the two Buffer members that the server uses
}

const GRPC_PREFIX_BYTES = 5; // not compressed (1), length (4)

/**
 * The message as gRPC sends it, prefix included, in two parts: everything before the body, in memory of its own, and the
 * body as it is given. Throws RESOURCE_EXHAUSTED when it is over FLIGHT_DATA_BYTES_MAX. Does not call `onCopied`.
 */
export function grpcFlightDataParts(message: FlightDataMessage): [front: Uint8Array, body: Uint8Array] {
  const { dataBody: body = NOTHING } = message;
  const byteLength = assertFlightDataFits(message);
  const front = Buffer.allocUnsafe(GRPC_PREFIX_BYTES + byteLength - body.byteLength);
  front[0] = 0;
  front.writeUInt32BE(byteLength, 1);
  let position = putField(front, GRPC_PREFIX_BYTES, TAG_DESCRIPTOR, message.descriptor);
  position = putField(front, position, TAG_DATA_HEADER, message.dataHeader);
  position = putField(front, position, TAG_APP_METADATA, message.appMetadata);
  if (body.byteLength > 0) {
    front[position] = TAG_DATA_BODY_LOW;
    front[position + 1] = TAG_DATA_BODY_HIGH;
    putVarint(front, position + 2, body.byteLength);
  }
  return [front, body];
}

const NOTHING = new Uint8Array(0);

/** The encoded message in a Buffer of its own (`requestSerialize` of a client, tests). Calls `onCopied` as well. */
export function encodeFlightData(message: OutgoingFlightData): Buffer {
  const lazy = new LazyFlightData(message);
  const encoded = Buffer.allocUnsafe(lazy.byteLength);
  lazy.copy(encoded);
  return encoded;
}

const WIRE_VARINT = 0;
const WIRE_FIXED64 = 1;
const WIRE_BYTES = 2;
const WIRE_FIXED32 = 5;
const VARINT_BYTES_MAX = 10; // protobuf's encoding: 64 bits in groups of 7

function malformed(offset: number, length: number, what: string): CodedError {
  return new CodedError(
    "DATA_LOSS",
    "FLIGHT_DATA_MALFORMED",
    `FlightData is not valid protobuf at byte ${offset} of ${length}: ${what}; the server or a proxy damaged it`,
  );
}

/**
 * Decodes FlightData; the fields are views on `encoded`, nothing is copied. Unknown fields are skipped, a repeated
 * field counts as its last occurrence (protobuf's rule for bytes; two descriptors, which protobuf would merge, are
 * joined, which is the same). Throws DATA_LOSS / FLIGHT_DATA_MALFORMED with the offset for anything else.
 */
export function decodeFlightData(encoded: Uint8Array): FlightDataMessage {
  const length = encoded.byteLength;
  const message: FlightDataMessage = {};
  const descriptors: Uint8Array[] = [];
  let position = 0;

  // Values over 2^53 lose low bits, which is harmless: lengths and tags that large are refused, other values skipped.
  function varint(): number {
    const start = position;
    let value = 0;
    let scale = 1;
    for (let count = 0; count < VARINT_BYTES_MAX; count++) {
      if (position >= length) throw malformed(start, length, "a varint is cut off");
      const byte = encoded[position++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw malformed(start, length, `a varint is longer than ${VARINT_BYTES_MAX} bytes`);
  }

  function skip(start: number, count: number): void {
    if (count > length - position) {
      throw malformed(start, length, `a field of ${count} B, but ${length - position} B are left`);
    }
    position += count;
  }

  while (position < length) {
    const start = position;
    const tag = varint();
    const field = Math.floor(tag / 8);
    const wireType = tag % 8;
    if (field === 0 || tag > 0xffffffff) throw malformed(start, length, `field number ${field} does not exist`);
    if (wireType === WIRE_BYTES) {
      const count = varint();
      skip(start, count);
      const bytes = encoded.subarray(position - count, position);
      if (field === 1) descriptors.push(bytes);
      else if (field === 2) message.dataHeader = bytes;
      else if (field === 3) message.appMetadata = bytes;
      else if (field === 1000) message.dataBody = bytes;
    } else if (field <= 3 || field === 1000) {
      throw malformed(start, length, `field ${field} has wire type ${wireType}, not ${WIRE_BYTES}`);
    } else if (wireType === WIRE_VARINT) varint();
    else if (wireType === WIRE_FIXED64) skip(start, 8);
    else if (wireType === WIRE_FIXED32) skip(start, 4);
    else throw malformed(start, length, `wire type ${wireType} is not supported`);
  }
  if (descriptors.length > 0) message.descriptor = descriptors.length > 1 ? Buffer.concat(descriptors) : descriptors[0];
  return message;
}
