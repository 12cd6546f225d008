// Generated from proto/google/protobuf/timestamp.proto by scripts/generate-proto.ts; change that file, then run: make generate
// biome-ignore-all format: generated
// biome-ignore-all lint: generated
// biome-ignore-all assist: generated
import protobuf from "protobufjs/minimal.js";
import type { Codec } from "../service.ts";

function integerOf(value: unknown): number {
  const number = Number(value); // protobufjs gives a Long
  if (!Number.isSafeInteger(number)) throw new RangeError(`${number} is beyond the integers that a number holds exactly`);
  return number;
}

/** google.protobuf.Timestamp */
export interface Timestamp {
  /** Since 1970-01-01T00:00:00Z. */
  seconds: number;
  /** 0 to 999,999,999, counted forward from `seconds` even before 1970. */
  nanos: number;
}

export const Timestamp: Codec<Timestamp> = {
  typeName: "google.protobuf.Timestamp",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.seconds) writer.uint32(8).int64(message.seconds);
    if (message.nanos) writer.uint32(16).int32(message.nanos);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: Timestamp = { seconds: 0, nanos: 0 };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 8:
          message.seconds = integerOf(reader.int64());
          break;
        case 16:
          message.nanos = reader.int32();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};
