// Generated from proto/health.proto by scripts/generate-proto.ts; change that file, then run: make generate
// biome-ignore-all format: generated
// biome-ignore-all lint: generated
// biome-ignore-all assist: generated
import protobuf from "protobufjs/minimal.js";
import type { Codec, ServiceType } from "../service.ts";

/** grpc.health.v1.HealthCheckRequest */
export interface HealthCheckRequest {
  /** Full service name; empty = the whole server. */
  service: string;
}

export const HealthCheckRequest: Codec<HealthCheckRequest> = {
  typeName: "grpc.health.v1.HealthCheckRequest",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.service) writer.uint32(10).string(message.service);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: HealthCheckRequest = { service: "" };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.service = reader.string();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** grpc.health.v1.HealthCheckResponse */
export interface HealthCheckResponse {
  status: HealthCheckResponse_ServingStatus;
}

export const HealthCheckResponse: Codec<HealthCheckResponse> = {
  typeName: "grpc.health.v1.HealthCheckResponse",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.status) writer.uint32(8).int32(message.status);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: HealthCheckResponse = { status: 0 };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 8:
          message.status = reader.int32() as HealthCheckResponse_ServingStatus;
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** Open, as proto3 enums are: a newer peer may send other numbers. */
export const HealthCheckResponse_ServingStatus = {
  UNKNOWN: 0,
  SERVING: 1,
  NOT_SERVING: 2,
  /** Only ever sent by Watch. */
  SERVICE_UNKNOWN: 3,
} as const;
export type HealthCheckResponse_ServingStatus = (typeof HealthCheckResponse_ServingStatus)[keyof typeof HealthCheckResponse_ServingStatus];

/** grpc.health.v1.Health */
export const Health = {
  typeName: "grpc.health.v1.Health",
  methods: {
    /** NOT_FOUND for a service name that this server does not have. */
    check: { name: "Check", kind: "unary", request: HealthCheckRequest, response: HealthCheckResponse },
    /** The status now and at every change. A name that is not served is SERVICE_UNKNOWN, and the stream stays open. */
    watch: { name: "Watch", kind: "serverStream", request: HealthCheckRequest, response: HealthCheckResponse },
  },
} as const satisfies ServiceType;
