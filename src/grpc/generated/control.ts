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

/**
 * Which rows are emitted. Values of one list are alternatives, different kinds must all hold, an empty list selects
 * everything, and a kind that speaks of something which a row does not have leaves that row out.
 * contractdata.v1.Filters
 */
export interface Filters {
  /** C… strkeys. */
  contractIds: string[];
  /** Case matters. */
  assetCodes: string[];
  /** G… strkeys. */
  assetIssuers: string[];
  /** G…, C…, M…, B… or L… strkeys; schema version 1 has only the balances that contracts (C…) hold. */
  balanceHolders: string[];
  /** Whether rows of removed entries are emitted too. */
  includeDeleted: boolean;
  /** Balance rows of at least this, in the token's smallest unit: decimal, up to 2^127 - 1. Empty = any. */
  minBalance: string;
  /** ScVal types of the key: ScValTypeScvVec, or short Vec. */
  keyTypes: string[];
  /** temporary or persistent; empty = both. */
  durability: string;
  /** created, updated, removed, restored, evicted. */
  changeTypes: string[];
  /**
   * Rows whose last_modified_ledger is greater: of a removed entry, that of its state before; evicted entries have none
   * and are left out. 0 = any.
   */
  modifiedAfterLedger: number;
  /** Rows that are balances only: of asset contracts, and in schema version 2 of other tokens too. */
  balances: boolean;
}

export const Filters: Codec<Filters> = {
  typeName: "contractdata.v1.Filters",
  encode(message) {
    const writer = protobuf.Writer.create();
    for (const value of message.contractIds ?? []) writer.uint32(10).string(value);
    for (const value of message.assetCodes ?? []) writer.uint32(18).string(value);
    for (const value of message.assetIssuers ?? []) writer.uint32(26).string(value);
    for (const value of message.balanceHolders ?? []) writer.uint32(34).string(value);
    if (message.includeDeleted) writer.uint32(40).bool(message.includeDeleted);
    if (message.minBalance) writer.uint32(50).string(message.minBalance);
    for (const value of message.keyTypes ?? []) writer.uint32(58).string(value);
    if (message.durability) writer.uint32(66).string(message.durability);
    for (const value of message.changeTypes ?? []) writer.uint32(74).string(value);
    if (message.modifiedAfterLedger) writer.uint32(80).uint32(message.modifiedAfterLedger);
    if (message.balances) writer.uint32(88).bool(message.balances);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: Filters = { contractIds: [], assetCodes: [], assetIssuers: [], balanceHolders: [], includeDeleted: false, minBalance: "", keyTypes: [], durability: "", changeTypes: [], modifiedAfterLedger: 0, balances: false };
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
        case 34:
          message.balanceHolders.push(reader.string());
          break;
        case 40:
          message.includeDeleted = reader.bool();
          break;
        case 50:
          message.minBalance = reader.string();
          break;
        case 58:
          message.keyTypes.push(reader.string());
          break;
        case 66:
          message.durability = reader.string();
          break;
        case 74:
          message.changeTypes.push(reader.string());
          break;
        case 80:
          message.modifiedAfterLedger = reader.uint32();
          break;
        case 88:
          message.balances = reader.bool();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/**
 * A change to the filters in force.
 * contractdata.v1.FilterPatch
 */
export interface FilterPatch {
  /** What its lists hold is added; other fields of it must be empty. */
  add?: Filters;
  /** What its lists hold is taken out; what is not there is no error. Other fields of it must be empty. */
  remove?: Filters;
  /** Each replaces the value in force where it is set. Empty texts, 0 and false for balances select everything. */
  includeDeleted?: boolean;
  minBalance?: string;
  durability?: string;
  modifiedAfterLedger?: number;
  balances?: boolean;
}

export const FilterPatch: Codec<FilterPatch> = {
  typeName: "contractdata.v1.FilterPatch",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.add !== undefined) writer.uint32(10).bytes(Filters.encode(message.add));
    if (message.remove !== undefined) writer.uint32(18).bytes(Filters.encode(message.remove));
    if (message.includeDeleted !== undefined) writer.uint32(24).bool(message.includeDeleted);
    if (message.minBalance !== undefined) writer.uint32(34).string(message.minBalance);
    if (message.durability !== undefined) writer.uint32(42).string(message.durability);
    if (message.modifiedAfterLedger !== undefined) writer.uint32(48).uint32(message.modifiedAfterLedger);
    if (message.balances !== undefined) writer.uint32(56).bool(message.balances);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: FilterPatch = {};
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.add = Filters.decode(reader.bytes());
          break;
        case 18:
          message.remove = Filters.decode(reader.bytes());
          break;
        case 24:
          message.includeDeleted = reader.bool();
          break;
        case 34:
          message.minBalance = reader.string();
          break;
        case 42:
          message.durability = reader.string();
          break;
        case 48:
          message.modifiedAfterLedger = reader.uint32();
          break;
        case 56:
          message.balances = reader.bool();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** Open, as proto3 enums are: a newer peer may send other numbers. */
export const Compression = {
  COMPRESSION_UNSPECIFIED: 0,
  COMPRESSION_NONE: 1,
  COMPRESSION_LZ4: 2,
  COMPRESSION_ZSTD: 3,
} as const;
export type Compression = (typeof Compression)[keyof typeof Compression];

/** contractdata.v1.StartProcessingRequest */
export interface StartProcessingRequest {
  /** First ledger, at least 1. */
  startLedger: number;
  /** Last ledger, inclusive; 0 = go on with new ledgers for ever. */
  endLedger: number;
  /** Rows in a batch at most; 0 = what the server is configured for. */
  batchSize: number;
  /** Name of one of the server's SOURCES; empty = SOURCE_ENDPOINT. */
  source: string;
  /** Absent = the default filters, as the configuration or ConfigureFilters has set them. */
  filters?: Filters;
  /** Of the Arrow schema of contract_data; 0 = 1. */
  schemaVersion: number;
  /** Of batch bodies; unspecified = none. */
  compression: Compression;
  /**
   * Parts in which a group of consumers shares the session, PARTITIONS_MAX at most: each row is in one of them, all rows of a
   * contract (of ttl: of an entry) in the same one, in order. Each part is read by itself, with the tickets that GetFlightInfo answers with.
   * 0 and 1 = not shared: every client gets every row.
   */
  partitions: number;
  /** For people and scripts; ListSessions can select by them. */
  labels: Map<string, string>;
  /** A second request with the same key and content is answered with the session of the first. */
  idempotencyKey: string;
  /**
   * Assets whose contracts the session knows from its first ledger on, as SEP-11 writes them (native, CODE:G…), beside the
   * server's KNOWN_ASSETS. Others it learns from its ledgers. At most 10000.
   */
  knownAssets: string[];
  /**
   * Whether schema version 2 has dictionaries: false sends columns of few words (change_type, …) as text instead, for
   * readers that have none. Absent = what the server is configured for (DICTIONARIES).
   */
  dictionaries?: boolean;
  /**
   * Which rows, by names: contract_data, and ttl, changes of times to live. Each has its own schema, tickets and cursors.
   * None = contract_data alone.
   */
  datasets: string[];
  /**
   * Kept in the cluster (CLUSTER) instead of DATA_DIR: when the node that runs it is gone, another one goes on with it, and
   * GetFlightInfo on any node says where it is. FAILED_PRECONDITION on a server without a cluster.
   */
  replicated: boolean;
}

export const StartProcessingRequest: Codec<StartProcessingRequest> = {
  typeName: "contractdata.v1.StartProcessingRequest",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.startLedger) writer.uint32(8).uint32(message.startLedger);
    if (message.endLedger) writer.uint32(16).uint32(message.endLedger);
    if (message.batchSize) writer.uint32(24).uint32(message.batchSize);
    if (message.source) writer.uint32(34).string(message.source);
    if (message.filters !== undefined) writer.uint32(42).bytes(Filters.encode(message.filters));
    if (message.schemaVersion) writer.uint32(48).uint32(message.schemaVersion);
    if (message.compression) writer.uint32(56).int32(message.compression);
    if (message.partitions) writer.uint32(64).uint32(message.partitions);
    for (const [key, value] of message.labels ?? []) {
      writer.uint32(74).fork().uint32(10).string(key).uint32(18).string(value).ldelim();
    }
    if (message.idempotencyKey) writer.uint32(82).string(message.idempotencyKey);
    for (const value of message.knownAssets ?? []) writer.uint32(162).string(value);
    if (message.dictionaries !== undefined) writer.uint32(168).bool(message.dictionaries);
    for (const value of message.datasets ?? []) writer.uint32(178).string(value);
    if (message.replicated) writer.uint32(192).bool(message.replicated);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: StartProcessingRequest = { startLedger: 0, endLedger: 0, batchSize: 0, source: "", schemaVersion: 0, compression: 0, partitions: 0, labels: new Map(), idempotencyKey: "", knownAssets: [], datasets: [], replicated: false };
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
        case 34:
          message.source = reader.string();
          break;
        case 42:
          message.filters = Filters.decode(reader.bytes());
          break;
        case 48:
          message.schemaVersion = reader.uint32();
          break;
        case 56:
          message.compression = reader.int32() as Compression;
          break;
        case 64:
          message.partitions = reader.uint32();
          break;
        case 74: {
          const entry = protobuf.Reader.create(reader.bytes());
          let key: string = "";
          let value: string = "";
          while (entry.pos < entry.len) {
            const entryTag = entry.tag();
            if (entryTag === 10) key = entry.string();
            else if (entryTag === 18) value = entry.string();
            else entry.skipType(entryTag & 7, 0, entryTag >>> 3);
          }
          message.labels.set(key, value);
          break;
        }
        case 82:
          message.idempotencyKey = reader.string();
          break;
        case 162:
          message.knownAssets.push(reader.string());
          break;
        case 168:
          message.dictionaries = reader.bool();
          break;
        case 178:
          message.datasets.push(reader.string());
          break;
        case 192:
          message.replicated = reader.bool();
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
  /** An earlier request with this idempotency key has started it. */
  alreadyStarted: boolean;
}

export const StartProcessingResponse: Codec<StartProcessingResponse> = {
  typeName: "contractdata.v1.StartProcessingResponse",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.success) writer.uint32(8).bool(message.success);
    if (message.message) writer.uint32(18).string(message.message);
    if (message.sessionId) writer.uint32(26).string(message.sessionId);
    if (message.alreadyStarted) writer.uint32(32).bool(message.alreadyStarted);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: StartProcessingResponse = { success: false, message: "", sessionId: "", alreadyStarted: false };
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
        case 32:
          message.alreadyStarted = reader.bool();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** Open, as proto3 enums are: a newer peer may send other numbers. */
export const StopMode = {
  /** What has been read is decoded, and stays for clients. */
  STOP_MODE_DRAIN: 0,
  /** What no client has taken yet is dropped; clients are ended with CANCELLED and their cursor. */
  STOP_MODE_DROP: 1,
} as const;
export type StopMode = (typeof StopMode)[keyof typeof StopMode];

/** contractdata.v1.StopProcessingRequest */
export interface StopProcessingRequest {
  sessionId: string;
  mode: StopMode;
  /**
   * How long draining may take, connected clients included; what is left then is dropped. 0 = the server's default for
   * decoding, and clients are not waited for.
   */
  deadlineMs: number;
}

export const StopProcessingRequest: Codec<StopProcessingRequest> = {
  typeName: "contractdata.v1.StopProcessingRequest",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.sessionId) writer.uint32(10).string(message.sessionId);
    if (message.mode) writer.uint32(16).int32(message.mode);
    if (message.deadlineMs) writer.uint32(24).uint32(message.deadlineMs);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: StopProcessingRequest = { sessionId: "", mode: 0, deadlineMs: 0 };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.sessionId = reader.string();
          break;
        case 16:
          message.mode = reader.int32() as StopMode;
          break;
        case 24:
          message.deadlineMs = reader.uint32();
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
  /** The final state, with what was delivered to whom. */
  session?: Session;
}

export const StopProcessingResponse: Codec<StopProcessingResponse> = {
  typeName: "contractdata.v1.StopProcessingResponse",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.success) writer.uint32(8).bool(message.success);
    if (message.message) writer.uint32(18).string(message.message);
    if (message.session !== undefined) writer.uint32(26).bytes(Session.encode(message.session));
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
        case 26:
          message.session = Session.decode(reader.bytes());
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
  /** ERROR: the reason. STOPPED: whether the session completed or was cancelled. In any state what it waits for, and what was skipped. Else empty. */
  errorMessage: string;
  /** Stable word for programs, in state ERROR: NETWORK_MISMATCH, LEDGER_GAP, … */
  errorReason: string;
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
    if (message.errorReason) writer.uint32(50).string(message.errorReason);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: GetStatusResponse = { status: 0, currentLedger: 0, targetLedger: 0, entriesProcessed: 0, errorMessage: "", errorReason: "" };
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
        case 50:
          message.errorReason = reader.string();
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
  /** Empty = the default and every session that has not ended. */
  sessionId: string;
  /** All kinds of filter, in place of fields 1 to 4, which must be empty then. */
  filters?: Filters;
  /** Changes what is in force instead of replacing it; all fields but session_id must be empty then. */
  patch?: FilterPatch;
}

export const ConfigureFiltersRequest: Codec<ConfigureFiltersRequest> = {
  typeName: "contractdata.v1.ConfigureFiltersRequest",
  encode(message) {
    const writer = protobuf.Writer.create();
    for (const value of message.contractIds ?? []) writer.uint32(10).string(value);
    for (const value of message.assetCodes ?? []) writer.uint32(18).string(value);
    for (const value of message.assetIssuers ?? []) writer.uint32(26).string(value);
    if (message.includeDeleted) writer.uint32(32).bool(message.includeDeleted);
    if (message.sessionId) writer.uint32(42).string(message.sessionId);
    if (message.filters !== undefined) writer.uint32(50).bytes(Filters.encode(message.filters));
    if (message.patch !== undefined) writer.uint32(58).bytes(FilterPatch.encode(message.patch));
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: ConfigureFiltersRequest = { contractIds: [], assetCodes: [], assetIssuers: [], includeDeleted: false, sessionId: "" };
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
        case 42:
          message.sessionId = reader.string();
          break;
        case 50:
          message.filters = Filters.decode(reader.bytes());
          break;
        case 58:
          message.patch = FilterPatch.decode(reader.bytes());
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
  applied: AppliedFilters[];
  /** The default from now on; absent where one session was named. */
  defaultFilters?: Filters;
}

export const ConfigureFiltersResponse: Codec<ConfigureFiltersResponse> = {
  typeName: "contractdata.v1.ConfigureFiltersResponse",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.success) writer.uint32(8).bool(message.success);
    if (message.message) writer.uint32(18).string(message.message);
    for (const value of message.applied ?? []) writer.uint32(26).bytes(AppliedFilters.encode(value));
    if (message.defaultFilters !== undefined) writer.uint32(34).bytes(Filters.encode(message.defaultFilters));
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: ConfigureFiltersResponse = { success: false, message: "", applied: [] };
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
          message.applied.push(AppliedFilters.decode(reader.bytes()));
          break;
        case 34:
          message.defaultFilters = Filters.decode(reader.bytes());
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.v1.AppliedFilters */
export interface AppliedFilters {
  sessionId: string;
  /** The first ledger that is decided by the new filters. */
  fromLedger: number;
  /** Absent where those of all sessions together would be longer than 2 MiB: GetSession has them. */
  filters?: Filters;
}

export const AppliedFilters: Codec<AppliedFilters> = {
  typeName: "contractdata.v1.AppliedFilters",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.sessionId) writer.uint32(10).string(message.sessionId);
    if (message.fromLedger) writer.uint32(16).uint32(message.fromLedger);
    if (message.filters !== undefined) writer.uint32(26).bytes(Filters.encode(message.filters));
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: AppliedFilters = { sessionId: "", fromLedger: 0 };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.sessionId = reader.string();
          break;
        case 16:
          message.fromLedger = reader.uint32();
          break;
        case 26:
          message.filters = Filters.decode(reader.bytes());
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
  /** Rows emitted, of all datasets. */
  contractsProcessed: number;
  /** Changes decoded, then left out by a filter. */
  entriesSkipped: number;
  batchesCreated: number;
  /** Bytes of LedgerCloseMeta XDR decoded. */
  bytesProcessed: number;
  /** Rows a second over the last ten seconds. */
  processingRate: number;
  /** Seconds since 1970, UTC. */
  lastUpdateTime: number;
  /** Rows a second over all the time that the session has worked. */
  overallRate: number;
  currentLedger: number;
  /** Newest ledger of the source; 0 where it does not tell. */
  tipLedger: number;
  /** Ledgers between the two; 0 where the tip is not known. */
  lagLedgers: number;
  /** Age of the current ledger's close time; 0 before the first ledger. */
  lagSeconds: number;
  errors: number;
  ledgersProcessed: number;
  /** Bytes of Arrow batches made. */
  batchBytes: number;
  /** To all clients together; each client counts. */
  rowsDelivered: number;
  bytesDelivered: number;
  /** Reading now. */
  clients: number;
  /** Batches held in memory for clients. */
  retainedBytes: number;
  /** Left out because they could not be decoded (ON_ERROR=skip). */
  ledgersSkipped: number;
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
    if (message.overallRate !== undefined && message.overallRate !== 0) writer.uint32(57).double(message.overallRate);
    if (message.currentLedger) writer.uint32(64).uint32(message.currentLedger);
    if (message.tipLedger) writer.uint32(72).uint32(message.tipLedger);
    if (message.lagLedgers) writer.uint32(80).uint32(message.lagLedgers);
    if (message.lagSeconds !== undefined && message.lagSeconds !== 0) writer.uint32(89).double(message.lagSeconds);
    if (message.errors) writer.uint32(96).uint64(message.errors);
    if (message.ledgersProcessed) writer.uint32(104).uint64(message.ledgersProcessed);
    if (message.batchBytes) writer.uint32(112).uint64(message.batchBytes);
    if (message.rowsDelivered) writer.uint32(120).uint64(message.rowsDelivered);
    if (message.bytesDelivered) writer.uint32(128).uint64(message.bytesDelivered);
    if (message.clients) writer.uint32(136).uint32(message.clients);
    if (message.retainedBytes) writer.uint32(144).uint64(message.retainedBytes);
    if (message.ledgersSkipped) writer.uint32(152).uint64(message.ledgersSkipped);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: GetMetricsResponse = { contractsProcessed: 0, entriesSkipped: 0, batchesCreated: 0, bytesProcessed: 0, processingRate: 0, lastUpdateTime: 0, overallRate: 0, currentLedger: 0, tipLedger: 0, lagLedgers: 0, lagSeconds: 0, errors: 0, ledgersProcessed: 0, batchBytes: 0, rowsDelivered: 0, bytesDelivered: 0, clients: 0, retainedBytes: 0, ledgersSkipped: 0 };
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
        case 57:
          message.overallRate = reader.double();
          break;
        case 64:
          message.currentLedger = reader.uint32();
          break;
        case 72:
          message.tipLedger = reader.uint32();
          break;
        case 80:
          message.lagLedgers = reader.uint32();
          break;
        case 89:
          message.lagSeconds = reader.double();
          break;
        case 96:
          message.errors = integerOf(reader.uint64());
          break;
        case 104:
          message.ledgersProcessed = integerOf(reader.uint64());
          break;
        case 112:
          message.batchBytes = integerOf(reader.uint64());
          break;
        case 120:
          message.rowsDelivered = integerOf(reader.uint64());
          break;
        case 128:
          message.bytesDelivered = integerOf(reader.uint64());
          break;
        case 136:
          message.clients = reader.uint32();
          break;
        case 144:
          message.retainedBytes = integerOf(reader.uint64());
          break;
        case 152:
          message.ledgersSkipped = integerOf(reader.uint64());
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.v1.ErrorDetail */
export interface ErrorDetail {
  /** gRPC status name. */
  code: string;
  /** Stable word for programs. */
  reason: string;
  message: string;
}

export const ErrorDetail: Codec<ErrorDetail> = {
  typeName: "contractdata.v1.ErrorDetail",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.code) writer.uint32(10).string(message.code);
    if (message.reason) writer.uint32(18).string(message.reason);
    if (message.message) writer.uint32(26).string(message.message);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: ErrorDetail = { code: "", reason: "", message: "" };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.code = reader.string();
          break;
        case 18:
          message.reason = reader.string();
          break;
        case 26:
          message.message = reader.string();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.v1.FilterStep */
export interface FilterStep {
  fromLedger: number;
  filters?: Filters;
  changedAtMs: number;
}

export const FilterStep: Codec<FilterStep> = {
  typeName: "contractdata.v1.FilterStep",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.fromLedger) writer.uint32(8).uint32(message.fromLedger);
    if (message.filters !== undefined) writer.uint32(18).bytes(Filters.encode(message.filters));
    if (message.changedAtMs) writer.uint32(24).int64(message.changedAtMs);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: FilterStep = { fromLedger: 0, changedAtMs: 0 };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 8:
          message.fromLedger = reader.uint32();
          break;
        case 18:
          message.filters = Filters.decode(reader.bytes());
          break;
        case 24:
          message.changedAtMs = integerOf(reader.int64());
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.v1.Checkpoint */
export interface Checkpoint {
  /** Where the session would go on after a crash: this ledger, and how many of its rows come before. */
  ledger: number;
  row: number;
  savedAtMs: number;
}

export const Checkpoint: Codec<Checkpoint> = {
  typeName: "contractdata.v1.Checkpoint",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.ledger) writer.uint32(8).uint32(message.ledger);
    if (message.row) writer.uint32(16).uint32(message.row);
    if (message.savedAtMs) writer.uint32(24).int64(message.savedAtMs);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: Checkpoint = { ledger: 0, row: 0, savedAtMs: 0 };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 8:
          message.ledger = reader.uint32();
          break;
        case 16:
          message.row = reader.uint32();
          break;
        case 24:
          message.savedAtMs = integerOf(reader.int64());
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.v1.ClientDelivery */
export interface ClientDelivery {
  /** host:port */
  peer: string;
  rows: number;
  batches: number;
  bytes: number;
  joinedAtMs: number;
  /** 0 while it reads. */
  leftAtMs: number;
  /** Which part it read, of a session that has several. */
  partition?: number;
  /** Which dataset. */
  dataset: string;
}

export const ClientDelivery: Codec<ClientDelivery> = {
  typeName: "contractdata.v1.ClientDelivery",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.peer) writer.uint32(10).string(message.peer);
    if (message.rows) writer.uint32(16).uint64(message.rows);
    if (message.batches) writer.uint32(24).uint64(message.batches);
    if (message.bytes) writer.uint32(32).uint64(message.bytes);
    if (message.joinedAtMs) writer.uint32(40).int64(message.joinedAtMs);
    if (message.leftAtMs) writer.uint32(48).int64(message.leftAtMs);
    if (message.partition !== undefined) writer.uint32(240).uint32(message.partition);
    if (message.dataset) writer.uint32(250).string(message.dataset);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: ClientDelivery = { peer: "", rows: 0, batches: 0, bytes: 0, joinedAtMs: 0, leftAtMs: 0, dataset: "" };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.peer = reader.string();
          break;
        case 16:
          message.rows = integerOf(reader.uint64());
          break;
        case 24:
          message.batches = integerOf(reader.uint64());
          break;
        case 32:
          message.bytes = integerOf(reader.uint64());
          break;
        case 40:
          message.joinedAtMs = integerOf(reader.int64());
          break;
        case 48:
          message.leftAtMs = integerOf(reader.int64());
          break;
        case 240:
          message.partition = reader.uint32();
          break;
        case 250:
          message.dataset = reader.string();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/**
 * One part of a session, which is read by itself: a partition of a dataset, or the whole dataset. Counts are over the session's whole life.
 * contractdata.v1.SessionPartition
 */
export interface SessionPartition {
  index: number;
  currentLedger: number;
  rows: number;
  batches: number;
  batchBytes: number;
  /** Reading now. */
  clients: number;
  /** To all clients of this part together; each counts. */
  rowsDelivered: number;
  bytesDelivered: number;
  /** Batches held in memory for clients. */
  retainedBytes: number;
  /** index counts the partitions of this dataset; 0 where it has none. */
  dataset: string;
}

export const SessionPartition: Codec<SessionPartition> = {
  typeName: "contractdata.v1.SessionPartition",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.index) writer.uint32(8).uint32(message.index);
    if (message.currentLedger) writer.uint32(16).uint32(message.currentLedger);
    if (message.rows) writer.uint32(24).uint64(message.rows);
    if (message.batches) writer.uint32(32).uint64(message.batches);
    if (message.batchBytes) writer.uint32(40).uint64(message.batchBytes);
    if (message.clients) writer.uint32(48).uint32(message.clients);
    if (message.rowsDelivered) writer.uint32(56).uint64(message.rowsDelivered);
    if (message.bytesDelivered) writer.uint32(64).uint64(message.bytesDelivered);
    if (message.retainedBytes) writer.uint32(72).uint64(message.retainedBytes);
    if (message.dataset) writer.uint32(82).string(message.dataset);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: SessionPartition = { index: 0, currentLedger: 0, rows: 0, batches: 0, batchBytes: 0, clients: 0, rowsDelivered: 0, bytesDelivered: 0, retainedBytes: 0, dataset: "" };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 8:
          message.index = reader.uint32();
          break;
        case 16:
          message.currentLedger = reader.uint32();
          break;
        case 24:
          message.rows = integerOf(reader.uint64());
          break;
        case 32:
          message.batches = integerOf(reader.uint64());
          break;
        case 40:
          message.batchBytes = integerOf(reader.uint64());
          break;
        case 48:
          message.clients = reader.uint32();
          break;
        case 56:
          message.rowsDelivered = integerOf(reader.uint64());
          break;
        case 64:
          message.bytesDelivered = integerOf(reader.uint64());
          break;
        case 72:
          message.retainedBytes = integerOf(reader.uint64());
          break;
        case 82:
          message.dataset = reader.string();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.v1.Session */
export interface Session {
  sessionId: string;
  status: GetStatusResponse_Status;
  /** How it ended, or what it waits for. */
  message: string;
  /** In state ERROR. */
  error?: ErrorDetail;
  request?: StartProcessingRequest;
  metrics?: GetMetricsResponse;
  /** Times are milliseconds since 1970, UTC; 0 = not yet. */
  createdAtMs: number;
  startedAtMs: number;
  updatedAtMs: number;
  endedAtMs: number;
  /** Since when it works, times before earlier stops and restarts included. */
  activeMs: number;
  /** How often it went on after a stop, a failure or a restart. */
  resumes: number;
  /** GetSession and StopProcessing only, from here on. */
  checkpoint?: Checkpoint;
  /** The timeline: each filter from its ledger on. */
  filterHistory: FilterStep[];
  /** The last that read this session since the server's start. */
  deliveries: ClientDelivery[];
  /** Where the ledgers come from, for people. */
  sourceDescription: string;
  /** All partitions of the first dataset, then those of the next; none where the session is read as one. */
  partitions: SessionPartition[];
}

export const Session: Codec<Session> = {
  typeName: "contractdata.v1.Session",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.sessionId) writer.uint32(10).string(message.sessionId);
    if (message.status) writer.uint32(16).int32(message.status);
    if (message.message) writer.uint32(26).string(message.message);
    if (message.error !== undefined) writer.uint32(34).bytes(ErrorDetail.encode(message.error));
    if (message.request !== undefined) writer.uint32(42).bytes(StartProcessingRequest.encode(message.request));
    if (message.metrics !== undefined) writer.uint32(50).bytes(GetMetricsResponse.encode(message.metrics));
    if (message.createdAtMs) writer.uint32(56).int64(message.createdAtMs);
    if (message.startedAtMs) writer.uint32(64).int64(message.startedAtMs);
    if (message.updatedAtMs) writer.uint32(72).int64(message.updatedAtMs);
    if (message.endedAtMs) writer.uint32(80).int64(message.endedAtMs);
    if (message.activeMs) writer.uint32(88).int64(message.activeMs);
    if (message.resumes) writer.uint32(96).uint32(message.resumes);
    if (message.checkpoint !== undefined) writer.uint32(106).bytes(Checkpoint.encode(message.checkpoint));
    for (const value of message.filterHistory ?? []) writer.uint32(114).bytes(FilterStep.encode(value));
    for (const value of message.deliveries ?? []) writer.uint32(122).bytes(ClientDelivery.encode(value));
    if (message.sourceDescription) writer.uint32(130).string(message.sourceDescription);
    for (const value of message.partitions ?? []) writer.uint32(242).bytes(SessionPartition.encode(value));
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: Session = { sessionId: "", status: 0, message: "", createdAtMs: 0, startedAtMs: 0, updatedAtMs: 0, endedAtMs: 0, activeMs: 0, resumes: 0, filterHistory: [], deliveries: [], sourceDescription: "", partitions: [] };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.sessionId = reader.string();
          break;
        case 16:
          message.status = reader.int32() as GetStatusResponse_Status;
          break;
        case 26:
          message.message = reader.string();
          break;
        case 34:
          message.error = ErrorDetail.decode(reader.bytes());
          break;
        case 42:
          message.request = StartProcessingRequest.decode(reader.bytes());
          break;
        case 50:
          message.metrics = GetMetricsResponse.decode(reader.bytes());
          break;
        case 56:
          message.createdAtMs = integerOf(reader.int64());
          break;
        case 64:
          message.startedAtMs = integerOf(reader.int64());
          break;
        case 72:
          message.updatedAtMs = integerOf(reader.int64());
          break;
        case 80:
          message.endedAtMs = integerOf(reader.int64());
          break;
        case 88:
          message.activeMs = integerOf(reader.int64());
          break;
        case 96:
          message.resumes = reader.uint32();
          break;
        case 106:
          message.checkpoint = Checkpoint.decode(reader.bytes());
          break;
        case 114:
          message.filterHistory.push(FilterStep.decode(reader.bytes()));
          break;
        case 122:
          message.deliveries.push(ClientDelivery.decode(reader.bytes()));
          break;
        case 130:
          message.sourceDescription = reader.string();
          break;
        case 242:
          message.partitions.push(SessionPartition.decode(reader.bytes()));
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.v1.ListSessionsRequest */
export interface ListSessionsRequest {
  /** Only sessions with all of these. */
  labels: Map<string, string>;
  /** Only sessions in one of these; none = all. */
  statuses: GetStatusResponse_Status[];
  /** 0 = 100; at most 1000. A page has fewer where they would be longer than 2 MiB together. */
  pageSize: number;
  /** next_page_token of the page before. */
  pageToken: string;
}

export const ListSessionsRequest: Codec<ListSessionsRequest> = {
  typeName: "contractdata.v1.ListSessionsRequest",
  encode(message) {
    const writer = protobuf.Writer.create();
    for (const [key, value] of message.labels ?? []) {
      writer.uint32(10).fork().uint32(10).string(key).uint32(18).string(value).ldelim();
    }
    if (message.statuses?.length) {
      writer.uint32(18).fork();
      for (const value of message.statuses) writer.int32(value);
      writer.ldelim();
    }
    if (message.pageSize) writer.uint32(24).uint32(message.pageSize);
    if (message.pageToken) writer.uint32(34).string(message.pageToken);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: ListSessionsRequest = { labels: new Map(), statuses: [], pageSize: 0, pageToken: "" };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10: {
          const entry = protobuf.Reader.create(reader.bytes());
          let key: string = "";
          let value: string = "";
          while (entry.pos < entry.len) {
            const entryTag = entry.tag();
            if (entryTag === 10) key = entry.string();
            else if (entryTag === 18) value = entry.string();
            else entry.skipType(entryTag & 7, 0, entryTag >>> 3);
          }
          message.labels.set(key, value);
          break;
        }
        case 16:
          message.statuses.push(reader.int32() as GetStatusResponse_Status);
          break;
        case 18: {
          const packed = protobuf.Reader.create(reader.bytes());
          while (packed.pos < packed.len) message.statuses.push(packed.int32() as GetStatusResponse_Status);
          break;
        }
        case 24:
          message.pageSize = reader.uint32();
          break;
        case 34:
          message.pageToken = reader.string();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.v1.ListSessionsResponse */
export interface ListSessionsResponse {
  sessions: Session[];
  /** Empty on the last page. */
  nextPageToken: string;
  total: number;
}

export const ListSessionsResponse: Codec<ListSessionsResponse> = {
  typeName: "contractdata.v1.ListSessionsResponse",
  encode(message) {
    const writer = protobuf.Writer.create();
    for (const value of message.sessions ?? []) writer.uint32(10).bytes(Session.encode(value));
    if (message.nextPageToken) writer.uint32(18).string(message.nextPageToken);
    if (message.total) writer.uint32(24).uint32(message.total);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: ListSessionsResponse = { sessions: [], nextPageToken: "", total: 0 };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.sessions.push(Session.decode(reader.bytes()));
          break;
        case 18:
          message.nextPageToken = reader.string();
          break;
        case 24:
          message.total = reader.uint32();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.v1.GetSessionRequest */
export interface GetSessionRequest {
  sessionId: string;
}

export const GetSessionRequest: Codec<GetSessionRequest> = {
  typeName: "contractdata.v1.GetSessionRequest",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.sessionId) writer.uint32(10).string(message.sessionId);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: GetSessionRequest = { sessionId: "" };
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

/** contractdata.v1.GetSessionResponse */
export interface GetSessionResponse {
  session?: Session;
}

export const GetSessionResponse: Codec<GetSessionResponse> = {
  typeName: "contractdata.v1.GetSessionResponse",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.session !== undefined) writer.uint32(10).bytes(Session.encode(message.session));
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: GetSessionResponse = {};
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.session = Session.decode(reader.bytes());
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.v1.WatchSessionRequest */
export interface WatchSessionRequest {
  /** Empty = all sessions. */
  sessionId: string;
  /** Least time between two reports of progress; 0 = 1000, at least 50. Changes of status are told at once. */
  intervalMs: number;
}

export const WatchSessionRequest: Codec<WatchSessionRequest> = {
  typeName: "contractdata.v1.WatchSessionRequest",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.sessionId) writer.uint32(10).string(message.sessionId);
    if (message.intervalMs) writer.uint32(16).uint32(message.intervalMs);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: WatchSessionRequest = { sessionId: "", intervalMs: 0 };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.sessionId = reader.string();
          break;
        case 16:
          message.intervalMs = reader.uint32();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.v1.WatchSessionResponse */
export interface WatchSessionResponse {
  session?: Session;
  /** The session has been deleted; this is its last state. */
  deleted: boolean;
}

export const WatchSessionResponse: Codec<WatchSessionResponse> = {
  typeName: "contractdata.v1.WatchSessionResponse",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.session !== undefined) writer.uint32(10).bytes(Session.encode(message.session));
    if (message.deleted) writer.uint32(16).bool(message.deleted);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: WatchSessionResponse = { deleted: false };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.session = Session.decode(reader.bytes());
          break;
        case 16:
          message.deleted = reader.bool();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.v1.ResumeSessionRequest */
export interface ResumeSessionRequest {
  sessionId: string;
}

export const ResumeSessionRequest: Codec<ResumeSessionRequest> = {
  typeName: "contractdata.v1.ResumeSessionRequest",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.sessionId) writer.uint32(10).string(message.sessionId);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: ResumeSessionRequest = { sessionId: "" };
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

/** contractdata.v1.ResumeSessionResponse */
export interface ResumeSessionResponse {
  success: boolean;
  message: string;
  session?: Session;
}

export const ResumeSessionResponse: Codec<ResumeSessionResponse> = {
  typeName: "contractdata.v1.ResumeSessionResponse",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.success) writer.uint32(8).bool(message.success);
    if (message.message) writer.uint32(18).string(message.message);
    if (message.session !== undefined) writer.uint32(26).bytes(Session.encode(message.session));
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: ResumeSessionResponse = { success: false, message: "" };
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
          message.session = Session.decode(reader.bytes());
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.v1.DeleteSessionRequest */
export interface DeleteSessionRequest {
  sessionId: string;
  force: boolean;
}

export const DeleteSessionRequest: Codec<DeleteSessionRequest> = {
  typeName: "contractdata.v1.DeleteSessionRequest",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.sessionId) writer.uint32(10).string(message.sessionId);
    if (message.force) writer.uint32(16).bool(message.force);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: DeleteSessionRequest = { sessionId: "", force: false };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.sessionId = reader.string();
          break;
        case 16:
          message.force = reader.bool();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.v1.DeleteSessionResponse */
export interface DeleteSessionResponse {
  success: boolean;
  message: string;
}

export const DeleteSessionResponse: Codec<DeleteSessionResponse> = {
  typeName: "contractdata.v1.DeleteSessionResponse",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.success) writer.uint32(8).bool(message.success);
    if (message.message) writer.uint32(18).string(message.message);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: DeleteSessionResponse = { success: false, message: "" };
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

/** contractdata.v1.SetLogLevelRequest */
export interface SetLogLevelRequest {
  /** debug, info, warn or error; empty = no change. */
  level: string;
}

export const SetLogLevelRequest: Codec<SetLogLevelRequest> = {
  typeName: "contractdata.v1.SetLogLevelRequest",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.level) writer.uint32(10).string(message.level);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: SetLogLevelRequest = { level: "" };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.level = reader.string();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.v1.SetLogLevelResponse */
export interface SetLogLevelResponse {
  /** As it is now. */
  level: string;
  /** As it was before. */
  previous: string;
}

export const SetLogLevelResponse: Codec<SetLogLevelResponse> = {
  typeName: "contractdata.v1.SetLogLevelResponse",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.level) writer.uint32(10).string(message.level);
    if (message.previous) writer.uint32(18).string(message.previous);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: SetLogLevelResponse = { level: "", previous: "" };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.level = reader.string();
          break;
        case 18:
          message.previous = reader.string();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.v1.ListNodesRequest */
export interface ListNodesRequest {}

export const ListNodesRequest: Codec<ListNodesRequest> = {
  typeName: "contractdata.v1.ListNodesRequest",
  encode: () => new Uint8Array(0),
  decode: () => ({}),
};

/** contractdata.v1.ListNodesResponse */
export interface ListNodesResponse {
  /** CLUSTER_NAME; empty where CLUSTER is not set. */
  cluster: string;
  /** How this node stands to the cluster, for people. */
  message: string;
  nodes: Node[];
}

export const ListNodesResponse: Codec<ListNodesResponse> = {
  typeName: "contractdata.v1.ListNodesResponse",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.cluster) writer.uint32(10).string(message.cluster);
    if (message.message) writer.uint32(18).string(message.message);
    for (const value of message.nodes ?? []) writer.uint32(26).bytes(Node.encode(value));
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: ListNodesResponse = { cluster: "", message: "", nodes: [] };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.cluster = reader.string();
          break;
        case 18:
          message.message = reader.string();
          break;
        case 26:
          message.nodes.push(Node.decode(reader.bytes()));
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.v1.Node */
export interface Node {
  /** One for each process. */
  nodeId: string;
  /** NODE_NAME. */
  name: string;
  /** Where others reach its Flight server, as Flight's locations say it: grpc+tcp://host:port or grpc+tls://host:port. */
  flightLocation: string;
  /** host:port of its control plane, as others reach it. */
  controlAddress: string;
  version: string;
  network: string;
  /** Milliseconds since 1970, UTC, by its own clock. */
  startedAtMs: number;
  /** Sessions that are STARTING, RUNNING or STOPPING. */
  sessions: number;
  /** DoGet calls that are being answered. */
  streams: number;
  /** How long before this node NATS last heard of it. */
  silentMs: number;
  /** The node that answers. */
  self: boolean;
}

export const Node: Codec<Node> = {
  typeName: "contractdata.v1.Node",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.nodeId) writer.uint32(10).string(message.nodeId);
    if (message.name) writer.uint32(18).string(message.name);
    if (message.flightLocation) writer.uint32(26).string(message.flightLocation);
    if (message.controlAddress) writer.uint32(34).string(message.controlAddress);
    if (message.version) writer.uint32(42).string(message.version);
    if (message.network) writer.uint32(50).string(message.network);
    if (message.startedAtMs) writer.uint32(56).int64(message.startedAtMs);
    if (message.sessions) writer.uint32(64).uint32(message.sessions);
    if (message.streams) writer.uint32(72).uint32(message.streams);
    if (message.silentMs) writer.uint32(80).uint64(message.silentMs);
    if (message.self) writer.uint32(88).bool(message.self);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: Node = { nodeId: "", name: "", flightLocation: "", controlAddress: "", version: "", network: "", startedAtMs: 0, sessions: 0, streams: 0, silentMs: 0, self: false };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.nodeId = reader.string();
          break;
        case 18:
          message.name = reader.string();
          break;
        case 26:
          message.flightLocation = reader.string();
          break;
        case 34:
          message.controlAddress = reader.string();
          break;
        case 42:
          message.version = reader.string();
          break;
        case 50:
          message.network = reader.string();
          break;
        case 56:
          message.startedAtMs = integerOf(reader.int64());
          break;
        case 64:
          message.sessions = reader.uint32();
          break;
        case 72:
          message.streams = reader.uint32();
          break;
        case 80:
          message.silentMs = integerOf(reader.uint64());
          break;
        case 88:
          message.self = reader.bool();
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
    /**
     * Replaces, or with `patch` changes, the filters that decide which rows are emitted: of one session, or without a
     * session_id of the default and of every session that has not ended. Takes effect at a ledger boundary, for all
     * workers alike; the response says from which ledger.
     */
    configureFilters: { name: "ConfigureFilters", kind: "unary", request: ConfigureFiltersRequest, response: ConfigureFiltersResponse },
    /** The exact counters of a session at this moment. NOT_FOUND for an unknown id. */
    getMetrics: { name: "GetMetrics", kind: "unary", request: GetMetricsRequest, response: GetMetricsResponse },
    /** Sessions, newest first. */
    listSessions: { name: "ListSessions", kind: "unary", request: ListSessionsRequest, response: ListSessionsResponse },
    /** All that is known of a session. NOT_FOUND for an unknown id. */
    getSession: { name: "GetSession", kind: "unary", request: GetSessionRequest, response: GetSessionResponse },
    /**
     * A session, or without a session_id all of them: as they are now, at every change of status, and at intervals while
     * they get on. Ends with OK once the named session has ended or is deleted.
     */
    watchSession: { name: "WatchSession", kind: "serverStream", request: WatchSessionRequest, response: WatchSessionResponse },
    /**
     * Goes on with a session that was stopped, failed, or waits after a restart, right after its checkpoint.
     * FAILED_PRECONDITION for one that is complete or still stopping; one that runs is answered with success.
     */
    resumeSession: { name: "ResumeSession", kind: "unary", request: ResumeSessionRequest, response: ResumeSessionResponse },
    /**
     * Forgets a session that has ended, with its batches. FAILED_PRECONDITION while it is active, unless `force` is set,
     * which stops it first.
     */
    deleteSession: { name: "DeleteSession", kind: "unary", request: DeleteSessionRequest, response: DeleteSessionResponse },
    /**
     * Changes how much the server logs, until it is changed again or the server restarts. Without a level it tells the
     * present one.
     */
    setLogLevel: { name: "SetLogLevel", kind: "unary", request: SetLogLevelRequest, response: SetLogLevelResponse },
    /** The live nodes of the cluster that the server belongs to, itself first; itself alone where CLUSTER is not set. */
    listNodes: { name: "ListNodes", kind: "unary", request: ListNodesRequest, response: ListNodesResponse },
  },
} as const satisfies ServiceType;
