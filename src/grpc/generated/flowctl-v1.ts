// Generated from proto/flowctl_v1.proto by scripts/generate-proto.ts; change that file, then run: make generate
// biome-ignore-all format: generated
// biome-ignore-all lint: generated
// biome-ignore-all assist: generated
import protobuf from "protobufjs/minimal.js";
import type { Codec, ServiceType } from "../service.ts";
import { Empty } from "./google-protobuf-empty.ts";

/** Open, as proto3 enums are: a newer peer may send other numbers. */
export const ComponentType = {
  COMPONENT_TYPE_UNSPECIFIED: 0,
  COMPONENT_TYPE_SOURCE: 1,
  COMPONENT_TYPE_PROCESSOR: 2,
  COMPONENT_TYPE_CONSUMER: 3,
} as const;
export type ComponentType = (typeof ComponentType)[keyof typeof ComponentType];

/** Open, as proto3 enums are: a newer peer may send other numbers. */
export const HealthStatus = {
  HEALTH_STATUS_UNKNOWN: 0,
  HEALTH_STATUS_STARTING: 1,
  HEALTH_STATUS_HEALTHY: 2,
  HEALTH_STATUS_DEGRADED: 3,
  HEALTH_STATUS_UNHEALTHY: 4,
  HEALTH_STATUS_STOPPING: 5,
} as const;
export type HealthStatus = (typeof HealthStatus)[keyof typeof HealthStatus];

/** flowctl.v1.ComponentInfo */
export interface ComponentInfo {
  id: string;
  name: string;
  description: string;
  version: string;
  type: ComponentType;
  inputEventTypes: string[];
  outputEventTypes: string[];
  /** host:port of the component's own gRPC service. */
  endpoint: string;
  metadata: Map<string, string>;
}

export const ComponentInfo: Codec<ComponentInfo> = {
  typeName: "flowctl.v1.ComponentInfo",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.id) writer.uint32(10).string(message.id);
    if (message.name) writer.uint32(18).string(message.name);
    if (message.description) writer.uint32(26).string(message.description);
    if (message.version) writer.uint32(34).string(message.version);
    if (message.type) writer.uint32(40).int32(message.type);
    for (const value of message.inputEventTypes ?? []) writer.uint32(50).string(value);
    for (const value of message.outputEventTypes ?? []) writer.uint32(58).string(value);
    if (message.endpoint) writer.uint32(66).string(message.endpoint);
    for (const [key, value] of message.metadata ?? []) {
      writer.uint32(74).fork().uint32(10).string(key).uint32(18).string(value).ldelim();
    }
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: ComponentInfo = { id: "", name: "", description: "", version: "", type: 0, inputEventTypes: [], outputEventTypes: [], endpoint: "", metadata: new Map() };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.id = reader.string();
          break;
        case 18:
          message.name = reader.string();
          break;
        case 26:
          message.description = reader.string();
          break;
        case 34:
          message.version = reader.string();
          break;
        case 40:
          message.type = reader.int32() as ComponentType;
          break;
        case 50:
          message.inputEventTypes.push(reader.string());
          break;
        case 58:
          message.outputEventTypes.push(reader.string());
          break;
        case 66:
          message.endpoint = reader.string();
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
          message.metadata.set(key, value);
          break;
        }
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** flowctl.v1.RegisterRequest */
export interface RegisterRequest {
  /** flowctl dies of a request without it. */
  component?: ComponentInfo;
  /** The id of `component`: with another one, heartbeats fail once flowctl has restarted. */
  componentId: string;
}

export const RegisterRequest: Codec<RegisterRequest> = {
  typeName: "flowctl.v1.RegisterRequest",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.component !== undefined) writer.uint32(10).bytes(ComponentInfo.encode(message.component));
    if (message.componentId) writer.uint32(18).string(message.componentId);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: RegisterRequest = { componentId: "" };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.component = ComponentInfo.decode(reader.bytes());
          break;
        case 18:
          message.componentId = reader.string();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** flowctl.v1.RegisterResponse */
export interface RegisterResponse {
  /** The id that heartbeats bear. */
  serviceId: string;
  assignedTopics: string[];
  connectionInfo: Map<string, string>;
}

export const RegisterResponse: Codec<RegisterResponse> = {
  typeName: "flowctl.v1.RegisterResponse",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.serviceId) writer.uint32(10).string(message.serviceId);
    for (const value of message.assignedTopics ?? []) writer.uint32(18).string(value);
    for (const [key, value] of message.connectionInfo ?? []) {
      writer.uint32(26).fork().uint32(10).string(key).uint32(18).string(value).ldelim();
    }
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: RegisterResponse = { serviceId: "", assignedTopics: [], connectionInfo: new Map() };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.serviceId = reader.string();
          break;
        case 18:
          message.assignedTopics.push(reader.string());
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

/** flowctl.v1.UnregisterRequest */
export interface UnregisterRequest {
  serviceId: string;
}

export const UnregisterRequest: Codec<UnregisterRequest> = {
  typeName: "flowctl.v1.UnregisterRequest",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.serviceId) writer.uint32(10).string(message.serviceId);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: UnregisterRequest = { serviceId: "" };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.serviceId = reader.string();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** flowctl.v1.HeartbeatRequest */
export interface HeartbeatRequest {
  serviceId: string;
  status: HealthStatus;
  metrics: Map<string, string>;
}

export const HeartbeatRequest: Codec<HeartbeatRequest> = {
  typeName: "flowctl.v1.HeartbeatRequest",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.serviceId) writer.uint32(10).string(message.serviceId);
    if (message.status) writer.uint32(16).int32(message.status);
    for (const [key, value] of message.metrics ?? []) {
      writer.uint32(26).fork().uint32(10).string(key).uint32(18).string(value).ldelim();
    }
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: HeartbeatRequest = { serviceId: "", status: 0, metrics: new Map() };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.serviceId = reader.string();
          break;
        case 16:
          message.status = reader.int32() as HealthStatus;
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

/** flowctl.v1.ControlPlaneService */
export const ControlPlaneService = {
  typeName: "flowctl.v1.ControlPlaneService",
  methods: {
    /** Registering again replaces what was registered. */
    registerComponent: { name: "RegisterComponent", kind: "unary", request: RegisterRequest, response: RegisterResponse },
    unregisterComponent: { name: "UnregisterComponent", kind: "unary", request: UnregisterRequest, response: Empty },
    /** Without one for 30 s a component counts as unhealthy. UNKNOWN with "not found": register again. */
    heartbeat: { name: "Heartbeat", kind: "unary", request: HeartbeatRequest, response: Empty },
  },
} as const satisfies ServiceType;
