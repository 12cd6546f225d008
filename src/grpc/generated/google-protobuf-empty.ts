// Generated from proto/google/protobuf/empty.proto by scripts/generate-proto.ts; change that file, then run: make generate
// biome-ignore-all format: generated
// biome-ignore-all lint: generated
// biome-ignore-all assist: generated
import type { Codec } from "../service.ts";

/** google.protobuf.Empty */
export interface Empty {}

export const Empty: Codec<Empty> = {
  typeName: "google.protobuf.Empty",
  encode: () => new Uint8Array(0),
  decode: () => ({}),
};
