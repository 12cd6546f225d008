// Generated from proto/flowctl.proto by scripts/generate-proto.ts; change that file, then run: make generate
// biome-ignore-all format: generated
// biome-ignore-all lint: generated
// biome-ignore-all assist: generated
import protobuf from "protobufjs/minimal.js";
import type { Codec, ServiceType } from "../service.ts";
import { Empty } from "./google-protobuf-empty.ts";
import { Timestamp } from "./google-protobuf-timestamp.ts";

/** flowctl.ServiceInfo */
export interface ServiceInfo {
  serviceId: string;
  serviceType: ServiceInfo_ServiceType;
  inputEventTypes: string[];
  outputEventTypes: string[];
  /** A URL that answers 200 while the component is healthy. */
  healthEndpoint: string;
  maxInflight: number;
  metadata: Map<string, string>;
  componentId: string;
}

export const ServiceInfo: Codec<ServiceInfo> = {
  typeName: "flowctl.ServiceInfo",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.serviceId) writer.uint32(10).string(message.serviceId);
    if (message.serviceType) writer.uint32(16).int32(message.serviceType);
    for (const value of message.inputEventTypes ?? []) writer.uint32(26).string(value);
    for (const value of message.outputEventTypes ?? []) writer.uint32(34).string(value);
    if (message.healthEndpoint) writer.uint32(42).string(message.healthEndpoint);
    if (message.maxInflight) writer.uint32(48).int32(message.maxInflight);
    for (const [key, value] of message.metadata ?? []) {
      writer.uint32(58).fork().uint32(10).string(key).uint32(18).string(value).ldelim();
    }
    if (message.componentId) writer.uint32(66).string(message.componentId);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: ServiceInfo = { serviceId: "", serviceType: 0, inputEventTypes: [], outputEventTypes: [], healthEndpoint: "", maxInflight: 0, metadata: new Map(), componentId: "" };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.serviceId = reader.string();
          break;
        case 16:
          message.serviceType = reader.int32() as ServiceInfo_ServiceType;
          break;
        case 26:
          message.inputEventTypes.push(reader.string());
          break;
        case 34:
          message.outputEventTypes.push(reader.string());
          break;
        case 42:
          message.healthEndpoint = reader.string();
          break;
        case 48:
          message.maxInflight = reader.int32();
          break;
        case 58: {
          const entry = protobuf.Reader.create(reader.bytes());
          let key: string = "";
          let value: string = "";
          while (entry.pos < entry.len) {
            const entryTag = entry.tag();
            if (entryTag === 10) key = entry.string();
            else if (entryTag === 18) value = entry.string();
            else entry.skipType(entryTag & 7, 0, entryTag >>> 3);
          }
          message.metadata.set(key, value);
          break;
        }
        case 66:
          message.componentId = reader.string();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** Open, as proto3 enums are: a newer peer may send other numbers. */
export const ServiceInfo_ServiceType = {
  SERVICE_TYPE_UNSPECIFIED: 0,
  SERVICE_TYPE_SOURCE: 1,
  SERVICE_TYPE_PROCESSOR: 2,
  SERVICE_TYPE_SINK: 3,
  SERVICE_TYPE_PIPELINE: 4,
} as const;
export type ServiceInfo_ServiceType = (typeof ServiceInfo_ServiceType)[keyof typeof ServiceInfo_ServiceType];

/** flowctl.RegistrationAck */
export interface RegistrationAck {
  /** The id that heartbeats bear. */
  serviceId: string;
  topicNames: string[];
  connectionInfo: Map<string, string>;
}

export const RegistrationAck: Codec<RegistrationAck> = {
  typeName: "flowctl.RegistrationAck",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.serviceId) writer.uint32(10).string(message.serviceId);
    for (const value of message.topicNames ?? []) writer.uint32(18).string(value);
    for (const [key, value] of message.connectionInfo ?? []) {
      writer.uint32(26).fork().uint32(10).string(key).uint32(18).string(value).ldelim();
    }
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: RegistrationAck = { serviceId: "", topicNames: [], connectionInfo: new Map() };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.serviceId = reader.string();
          break;
        case 18:
          message.topicNames.push(reader.string());
          break;
        case 26: {
          const entry = protobuf.Reader.create(reader.bytes());
          let key: string = "";
          let value: string = "";
          while (entry.pos < entry.len) {
            const entryTag = entry.tag();
            if (entryTag === 10) key = entry.string();
            else if (entryTag === 18) value = entry.string();
            else entry.skipType(entryTag & 7, 0, entryTag >>> 3);
          }
          message.connectionInfo.set(key, value);
          break;
        }
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** flowctl.ServiceHeartbeat */
export interface ServiceHeartbeat {
  serviceId: string;
  timestamp?: Timestamp;
  metrics: Map<string, number>;
}

export const ServiceHeartbeat: Codec<ServiceHeartbeat> = {
  typeName: "flowctl.ServiceHeartbeat",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.serviceId) writer.uint32(10).string(message.serviceId);
    if (message.timestamp !== undefined) writer.uint32(18).bytes(Timestamp.encode(message.timestamp));
    for (const [key, value] of message.metrics ?? []) {
      writer.uint32(26).fork().uint32(10).string(key).uint32(17).double(value).ldelim();
    }
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: ServiceHeartbeat = { serviceId: "", metrics: new Map() };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.serviceId = reader.string();
          break;
        case 18:
          message.timestamp = Timestamp.decode(reader.bytes());
          break;
        case 26: {
          const entry = protobuf.Reader.create(reader.bytes());
          let key: string = "";
          let value: number = 0;
          while (entry.pos < entry.len) {
            const entryTag = entry.tag();
            if (entryTag === 10) key = entry.string();
            else if (entryTag === 17) value = entry.double();
            else entry.skipType(entryTag & 7, 0, entryTag >>> 3);
          }
          message.metrics.set(key, value);
          break;
        }
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** flowctl.ControlPlane */
export const ControlPlane = {
  typeName: "flowctl.ControlPlane",
  methods: {
    /** Registering again replaces what was registered. */
    register: { name: "Register", kind: "unary", request: ServiceInfo, response: RegistrationAck },
    /** Without one for 30 s a component counts as unhealthy. UNKNOWN with "not found": register again. */
    heartbeat: { name: "Heartbeat", kind: "unary", request: ServiceHeartbeat, response: Empty },
  },
} as const satisfies ServiceType;
