// Generated from proto/contract_data_service.proto by scripts/generate-proto.ts; change that file, then run: make generate
// biome-ignore-all format: generated
// biome-ignore-all lint: generated
// biome-ignore-all assist: generated
import protobuf from "protobufjs/minimal.js";
import type { Codec, ServiceType } from "../service.ts";
import { Empty } from "./google-protobuf-empty.ts";
import { Timestamp } from "./google-protobuf-timestamp.ts";

function integerOf(value: unknown): number {
  const number = Number(value); // protobufjs gives a Long
  if (!Number.isSafeInteger(number)) throw new RangeError(`${number} is beyond the integers that a number holds exactly`);
  return number;
}

/** contractdata.ServiceInfo */
export interface ServiceInfo {
  name: string;
  version: string;
  /** The network's passphrase. */
  network: string;
  supportedFeatures: string[];
  /** host:port of the Flight server. Its ticket for a range is contract_data:<start_ledger>:<end_ledger>:<filter_json> */
  arrowFlightEndpoint: string;
  startedAt?: Timestamp;
}

export const ServiceInfo: Codec<ServiceInfo> = {
  typeName: "contractdata.ServiceInfo",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.name) writer.uint32(10).string(message.name);
    if (message.version) writer.uint32(18).string(message.version);
    if (message.network) writer.uint32(26).string(message.network);
    for (const value of message.supportedFeatures ?? []) writer.uint32(34).string(value);
    if (message.arrowFlightEndpoint) writer.uint32(42).string(message.arrowFlightEndpoint);
    if (message.startedAt !== undefined) writer.uint32(50).bytes(Timestamp.encode(message.startedAt));
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: ServiceInfo = { name: "", version: "", network: "", supportedFeatures: [], arrowFlightEndpoint: "" };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.name = reader.string();
          break;
        case 18:
          message.version = reader.string();
          break;
        case 26:
          message.network = reader.string();
          break;
        case 34:
          message.supportedFeatures.push(reader.string());
          break;
        case 42:
          message.arrowFlightEndpoint = reader.string();
          break;
        case 50:
          message.startedAt = Timestamp.decode(reader.bytes());
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.ProcessingStatus */
export interface ProcessingStatus {
  currentLedger: number;
  contractsProcessed: number;
  recordsStreamed: number;
  processingRatePerSecond: number;
  lastUpdate?: Timestamp;
  isHealthy: boolean;
  errorMessage: string;
  bytesProcessed: number;
}

export const ProcessingStatus: Codec<ProcessingStatus> = {
  typeName: "contractdata.ProcessingStatus",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.currentLedger) writer.uint32(8).uint32(message.currentLedger);
    if (message.contractsProcessed) writer.uint32(16).uint64(message.contractsProcessed);
    if (message.recordsStreamed) writer.uint32(24).uint64(message.recordsStreamed);
    if (message.processingRatePerSecond !== undefined && message.processingRatePerSecond !== 0) writer.uint32(33).double(message.processingRatePerSecond);
    if (message.lastUpdate !== undefined) writer.uint32(42).bytes(Timestamp.encode(message.lastUpdate));
    if (message.isHealthy) writer.uint32(48).bool(message.isHealthy);
    if (message.errorMessage) writer.uint32(58).string(message.errorMessage);
    if (message.bytesProcessed) writer.uint32(64).uint64(message.bytesProcessed);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: ProcessingStatus = { currentLedger: 0, contractsProcessed: 0, recordsStreamed: 0, processingRatePerSecond: 0, isHealthy: false, errorMessage: "", bytesProcessed: 0 };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 8:
          message.currentLedger = reader.uint32();
          break;
        case 16:
          message.contractsProcessed = integerOf(reader.uint64());
          break;
        case 24:
          message.recordsStreamed = integerOf(reader.uint64());
          break;
        case 33:
          message.processingRatePerSecond = reader.double();
          break;
        case 42:
          message.lastUpdate = Timestamp.decode(reader.bytes());
          break;
        case 48:
          message.isHealthy = reader.bool();
          break;
        case 58:
          message.errorMessage = reader.string();
          break;
        case 64:
          message.bytesProcessed = integerOf(reader.uint64());
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.FilterConfig */
export interface FilterConfig {
  contractIds: string[];
  assetCodes: string[];
  assetIssuers: string[];
  balanceHolders: string[];
  includeDeleted: boolean;
  /** In the asset's smallest unit: text in our code, since such amounts pass what a double can count exactly. */
  minBalance: string;
  /** Rows whose last_modified_ledger is greater; 0 = any. See Filters in control.proto. */
  modifiedAfterLedger: number;
}

export const FilterConfig: Codec<FilterConfig> = {
  typeName: "contractdata.FilterConfig",
  encode(message) {
    const writer = protobuf.Writer.create();
    for (const value of message.contractIds ?? []) writer.uint32(10).string(value);
    for (const value of message.assetCodes ?? []) writer.uint32(18).string(value);
    for (const value of message.assetIssuers ?? []) writer.uint32(26).string(value);
    for (const value of message.balanceHolders ?? []) writer.uint32(34).string(value);
    if (message.includeDeleted) writer.uint32(40).bool(message.includeDeleted);
    if (message.minBalance && message.minBalance !== "0") writer.uint32(48).int64(message.minBalance);
    if (message.modifiedAfterLedger) writer.uint32(56).uint32(message.modifiedAfterLedger);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: FilterConfig = { contractIds: [], assetCodes: [], assetIssuers: [], balanceHolders: [], includeDeleted: false, minBalance: "0", modifiedAfterLedger: 0 };
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
        case 48:
          message.minBalance = String(reader.int64());
          break;
        case 56:
          message.modifiedAfterLedger = reader.uint32();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** contractdata.ContractDataService */
export const ContractDataService = {
  typeName: "contractdata.ContractDataService",
  methods: {
    getServiceInfo: { name: "GetServiceInfo", kind: "unary", request: Empty, response: ServiceInfo },
    getStatus: { name: "GetStatus", kind: "unary", request: Empty, response: ProcessingStatus },
    getFilterConfig: { name: "GetFilterConfig", kind: "unary", request: Empty, response: FilterConfig },
    updateFilterConfig: { name: "UpdateFilterConfig", kind: "unary", request: FilterConfig, response: Empty },
  },
} as const satisfies ServiceType;
