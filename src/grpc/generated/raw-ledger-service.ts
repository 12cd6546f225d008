// Generated from proto/raw_ledger_service.proto by scripts/generate-proto.ts; change that file, then run: make generate
// biome-ignore-all format: generated
// biome-ignore-all lint: generated
// biome-ignore-all assist: generated
import protobuf from "protobufjs/minimal.js";
import type { Codec, ServiceType } from "../service.ts";

/** raw_ledger_service.StreamLedgersRequest */
export interface StreamLedgersRequest {
  /** First ledger wanted. */
  startLedger: number;
}

export const StreamLedgersRequest: Codec<StreamLedgersRequest> = {
  typeName: "raw_ledger_service.StreamLedgersRequest",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.startLedger) writer.uint32(8).uint32(message.startLedger);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: StreamLedgersRequest = { startLedger: 0 };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 8:
          message.startLedger = reader.uint32();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** raw_ledger_service.RawLedger */
export interface RawLedger {
  sequence: number;
  /** XDR of one LedgerCloseMeta, uncompressed. Can be tens of MiB. */
  ledgerCloseMetaXdr: Uint8Array;
}

export const RawLedger: Codec<RawLedger> = {
  typeName: "raw_ledger_service.RawLedger",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.sequence) writer.uint32(8).uint32(message.sequence);
    if (message.ledgerCloseMetaXdr?.length) writer.uint32(18).bytes(message.ledgerCloseMetaXdr);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: RawLedger = { sequence: 0, ledgerCloseMetaXdr: new Uint8Array(0) };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 8:
          message.sequence = reader.uint32();
          break;
        case 18:
          message.ledgerCloseMetaXdr = reader.bytes();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** raw_ledger_service.RawLedgerService */
export const RawLedgerService = {
  typeName: "raw_ledger_service.RawLedgerService",
  methods: {
    /**
     * Every ledger from start_ledger on, in order, without an end: the client cancels when it has enough. UNAVAILABLE
     * means that the source's own backend is away for now; after an internal error a sequence number may be left out.
     */
    streamRawLedgers: { name: "StreamRawLedgers", kind: "serverStream", request: StreamLedgersRequest, response: RawLedger },
  },
} as const satisfies ServiceType;
