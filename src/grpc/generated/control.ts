// Generated from proto/control.proto by scripts/generate-proto.ts; change that file, then run: make generate
// biome-ignore-all format: generated
// biome-ignore-all lint: generated
// biome-ignore-all assist: generated
import protobuf from "protobufjs/minimal.js";
import type { Codec, ServiceType } from "../service.ts";

function integerOf(value: unknown): number {
  const number = Number(value); // protobufjs gives a Long
  if (!Number.isSafeInteger(number)) throw new RangeError(`${number} is beyond the integers that a number holds exactly`);
  return number;
}

/** contractdata.v1.StartProcessingRequest */
export interface StartProcessingRequest {
  /** First ledger, at least 1. */
  startLedger: number;
  /** Last ledger, inclusive; 0 = go on with new ledgers for ever. */
  endLedger: number;
  /** Rows in a batch at most; 0 = what the server is configured for. */
  batchSize: number;
}

export const StartProcessingRequest: Codec<StartProcessingRequest> = {
  typeName: "contractdata.v1.StartProcessingRequest",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.startLedger) writer.uint32(8).uint32(message.startLedger);
    if (message.endLedger) writer.uint32(16).uint32(message.endLedger);
    if (message.batchSize) writer.uint32(24).uint32(message.batchSize);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: StartProcessingRequest = { startLedger: 0, endLedger: 0, batchSize: 0 };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 8:
          message.startLedger = reader.uint32();
          break;
        case 16:
          message.endLedger = reader.uint32();
          break;
        case 24:
          message.batchSize = reader.uint32();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.v1.StartProcessingResponse */
export interface StartProcessingResponse {
  success: boolean;
  message: string;
  /** UUID, to be used in every later call about this session. */
  sessionId: string;
}

export const StartProcessingResponse: Codec<StartProcessingResponse> = {
  typeName: "contractdata.v1.StartProcessingResponse",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.success) writer.uint32(8).bool(message.success);
    if (message.message) writer.uint32(18).string(message.message);
    if (message.sessionId) writer.uint32(26).string(message.sessionId);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: StartProcessingResponse = { success: false, message: "", sessionId: "" };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 8:
          message.success = reader.bool();
          break;
        case 18:
          message.message = reader.string();
          break;
        case 26:
          message.sessionId = reader.string();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.v1.StopProcessingRequest */
export interface StopProcessingRequest {
  sessionId: string;
}

export const StopProcessingRequest: Codec<StopProcessingRequest> = {
  typeName: "contractdata.v1.StopProcessingRequest",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.sessionId) writer.uint32(10).string(message.sessionId);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: StopProcessingRequest = { sessionId: "" };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.sessionId = reader.string();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.v1.StopProcessingResponse */
export interface StopProcessingResponse {
  success: boolean;
  message: string;
}

export const StopProcessingResponse: Codec<StopProcessingResponse> = {
  typeName: "contractdata.v1.StopProcessingResponse",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.success) writer.uint32(8).bool(message.success);
    if (message.message) writer.uint32(18).string(message.message);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: StopProcessingResponse = { success: false, message: "" };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 8:
          message.success = reader.bool();
          break;
        case 18:
          message.message = reader.string();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.v1.GetStatusRequest */
export interface GetStatusRequest {
  sessionId: string;
}

export const GetStatusRequest: Codec<GetStatusRequest> = {
  typeName: "contractdata.v1.GetStatusRequest",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.sessionId) writer.uint32(10).string(message.sessionId);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: GetStatusRequest = { sessionId: "" };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.sessionId = reader.string();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.v1.GetStatusResponse */
export interface GetStatusResponse {
  status: GetStatusResponse_Status;
  /** The last ledger whose rows are all in finished batches; 0 before the first. */
  currentLedger: number;
  /** The requested end_ledger. */
  targetLedger: number;
  /** Rows emitted. */
  entriesProcessed: number;
  /** ERROR: the reason. STOPPED: whether the session completed or was cancelled. Else empty. */
  errorMessage: string;
}

export const GetStatusResponse: Codec<GetStatusResponse> = {
  typeName: "contractdata.v1.GetStatusResponse",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.status) writer.uint32(8).int32(message.status);
    if (message.currentLedger) writer.uint32(16).uint32(message.currentLedger);
    if (message.targetLedger) writer.uint32(24).uint32(message.targetLedger);
    if (message.entriesProcessed) writer.uint32(32).uint64(message.entriesProcessed);
    if (message.errorMessage) writer.uint32(42).string(message.errorMessage);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: GetStatusResponse = { status: 0, currentLedger: 0, targetLedger: 0, entriesProcessed: 0, errorMessage: "" };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 8:
          message.status = reader.int32() as GetStatusResponse_Status;
          break;
        case 16:
          message.currentLedger = reader.uint32();
          break;
        case 24:
          message.targetLedger = reader.uint32();
          break;
        case 32:
          message.entriesProcessed = integerOf(reader.uint64());
          break;
        case 42:
          message.errorMessage = reader.string();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** Open, as proto3 enums are: a newer peer may send other numbers. */
export const GetStatusResponse_Status = {
  UNKNOWN: 0,
  STARTING: 1,
  RUNNING: 2,
  STOPPING: 3,
  STOPPED: 4,
  ERROR: 5,
} as const;
export type GetStatusResponse_Status = (typeof GetStatusResponse_Status)[keyof typeof GetStatusResponse_Status];

/** contractdata.v1.ConfigureFiltersRequest */
export interface ConfigureFiltersRequest {
  contractIds: string[];
  assetCodes: string[];
  assetIssuers: string[];
  includeDeleted: boolean;
}

export const ConfigureFiltersRequest: Codec<ConfigureFiltersRequest> = {
  typeName: "contractdata.v1.ConfigureFiltersRequest",
  encode(message) {
    const writer = protobuf.Writer.create();
    for (const value of message.contractIds ?? []) writer.uint32(10).string(value);
    for (const value of message.assetCodes ?? []) writer.uint32(18).string(value);
    for (const value of message.assetIssuers ?? []) writer.uint32(26).string(value);
    if (message.includeDeleted) writer.uint32(32).bool(message.includeDeleted);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: ConfigureFiltersRequest = { contractIds: [], assetCodes: [], assetIssuers: [], includeDeleted: false };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.contractIds.push(reader.string());
          break;
        case 18:
          message.assetCodes.push(reader.string());
          break;
        case 26:
          message.assetIssuers.push(reader.string());
          break;
        case 32:
          message.includeDeleted = reader.bool();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.v1.ConfigureFiltersResponse */
export interface ConfigureFiltersResponse {
  success: boolean;
  message: string;
}

export const ConfigureFiltersResponse: Codec<ConfigureFiltersResponse> = {
  typeName: "contractdata.v1.ConfigureFiltersResponse",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.success) writer.uint32(8).bool(message.success);
    if (message.message) writer.uint32(18).string(message.message);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: ConfigureFiltersResponse = { success: false, message: "" };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 8:
          message.success = reader.bool();
          break;
        case 18:
          message.message = reader.string();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.v1.GetMetricsRequest */
export interface GetMetricsRequest {
  sessionId: string;
}

export const GetMetricsRequest: Codec<GetMetricsRequest> = {
  typeName: "contractdata.v1.GetMetricsRequest",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.sessionId) writer.uint32(10).string(message.sessionId);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: GetMetricsRequest = { sessionId: "" };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.sessionId = reader.string();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.v1.GetMetricsResponse */
export interface GetMetricsResponse {
  /** Rows emitted. */
  contractsProcessed: number;
  /** Changes decoded, then left out by a filter. */
  entriesSkipped: number;
  batchesCreated: number;
  /** Bytes of LedgerCloseMeta XDR decoded. */
  bytesProcessed: number;
  /** Rows a second, now. */
  processingRate: number;
  /** Seconds since 1970, UTC. */
  lastUpdateTime: number;
}

export const GetMetricsResponse: Codec<GetMetricsResponse> = {
  typeName: "contractdata.v1.GetMetricsResponse",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.contractsProcessed) writer.uint32(8).uint64(message.contractsProcessed);
    if (message.entriesSkipped) writer.uint32(16).uint64(message.entriesSkipped);
    if (message.batchesCreated) writer.uint32(24).uint64(message.batchesCreated);
    if (message.bytesProcessed) writer.uint32(32).uint64(message.bytesProcessed);
    if (message.processingRate !== undefined && message.processingRate !== 0) writer.uint32(41).double(message.processingRate);
    if (message.lastUpdateTime) writer.uint32(48).int64(message.lastUpdateTime);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: GetMetricsResponse = { contractsProcessed: 0, entriesSkipped: 0, batchesCreated: 0, bytesProcessed: 0, processingRate: 0, lastUpdateTime: 0 };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 8:
          message.contractsProcessed = integerOf(reader.uint64());
          break;
        case 16:
          message.entriesSkipped = integerOf(reader.uint64());
          break;
        case 24:
          message.batchesCreated = integerOf(reader.uint64());
          break;
        case 32:
          message.bytesProcessed = integerOf(reader.uint64());
          break;
        case 41:
          message.processingRate = reader.double();
          break;
        case 48:
          message.lastUpdateTime = integerOf(reader.int64());
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.v1.ControlService */
export const ControlService = {
  typeName: "contractdata.v1.ControlService",
  methods: {
    /**
     * Begins a session: one pass over a range of ledgers, or without an end. INVALID_ARGUMENT when start_ledger is 0,
     * or when end_ledger is neither 0 nor at least start_ledger. RESOURCE_EXHAUSTED when no further session fits.
     */
    startProcessing: { name: "StartProcessing", kind: "unary", request: StartProcessingRequest, response: StartProcessingResponse },
    /** Ends a session early. A session that has already ended is answered with success. NOT_FOUND for an unknown id. */
    stopProcessing: { name: "StopProcessing", kind: "unary", request: StopProcessingRequest, response: StopProcessingResponse },
    /** Where a session stands at this moment. NOT_FOUND for an unknown id. */
    getStatus: { name: "GetStatus", kind: "unary", request: GetStatusRequest, response: GetStatusResponse },
    /** Replaces the filters that decide which rows are emitted. */
    configureFilters: { name: "ConfigureFilters", kind: "unary", request: ConfigureFiltersRequest, response: ConfigureFiltersResponse },
    /** The exact counters of a session at this moment. NOT_FOUND for an unknown id. */
    getMetrics: { name: "GetMetrics", kind: "unary", request: GetMetricsRequest, response: GetMetricsResponse },
  },
} as const satisfies ServiceType;
