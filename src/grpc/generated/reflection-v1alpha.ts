// Generated from proto/reflection_v1alpha.proto by scripts/generate-proto.ts; change that file, then run: make generate
// biome-ignore-all format: generated
// biome-ignore-all lint: generated
// biome-ignore-all assist: generated
import protobuf from "protobufjs/minimal.js";
import type { Codec, ServiceType } from "../service.ts";

/** grpc.reflection.v1alpha.ServerReflectionRequest */
export interface ServerReflectionRequest {
  host: string;
  fileByFilename?: string;
  /** A service, method, message, enum or field by its full name, without a leading dot. */
  fileContainingSymbol?: string;
  fileContainingExtension?: ExtensionRequest;
  allExtensionNumbersOfType?: string;
  /** The content is not looked at. */
  listServices?: string;
}

export const ServerReflectionRequest: Codec<ServerReflectionRequest> = {
  typeName: "grpc.reflection.v1alpha.ServerReflectionRequest",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.host) writer.uint32(10).string(message.host);
    if (message.fileByFilename !== undefined) writer.uint32(26).string(message.fileByFilename);
    if (message.fileContainingSymbol !== undefined) writer.uint32(34).string(message.fileContainingSymbol);
    if (message.fileContainingExtension !== undefined) writer.uint32(42).bytes(ExtensionRequest.encode(message.fileContainingExtension));
    if (message.allExtensionNumbersOfType !== undefined) writer.uint32(50).string(message.allExtensionNumbersOfType);
    if (message.listServices !== undefined) writer.uint32(58).string(message.listServices);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: ServerReflectionRequest = { host: "" };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.host = reader.string();
          break;
        case 26:
          delete message.fileContainingSymbol;
          delete message.fileContainingExtension;
          delete message.allExtensionNumbersOfType;
          delete message.listServices;
          message.fileByFilename = reader.string();
          break;
        case 34:
          delete message.fileByFilename;
          delete message.fileContainingExtension;
          delete message.allExtensionNumbersOfType;
          delete message.listServices;
          message.fileContainingSymbol = reader.string();
          break;
        case 42:
          delete message.fileByFilename;
          delete message.fileContainingSymbol;
          delete message.allExtensionNumbersOfType;
          delete message.listServices;
          message.fileContainingExtension = ExtensionRequest.decode(reader.bytes());
          break;
        case 50:
          delete message.fileByFilename;
          delete message.fileContainingSymbol;
          delete message.fileContainingExtension;
          delete message.listServices;
          message.allExtensionNumbersOfType = reader.string();
          break;
        case 58:
          delete message.fileByFilename;
          delete message.fileContainingSymbol;
          delete message.fileContainingExtension;
          delete message.allExtensionNumbersOfType;
          message.listServices = reader.string();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** grpc.reflection.v1alpha.ExtensionRequest */
export interface ExtensionRequest {
  containingType: string;
  extensionNumber: number;
}

export const ExtensionRequest: Codec<ExtensionRequest> = {
  typeName: "grpc.reflection.v1alpha.ExtensionRequest",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.containingType) writer.uint32(10).string(message.containingType);
    if (message.extensionNumber) writer.uint32(16).int32(message.extensionNumber);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: ExtensionRequest = { containingType: "", extensionNumber: 0 };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.containingType = reader.string();
          break;
        case 16:
          message.extensionNumber = reader.int32();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** grpc.reflection.v1alpha.ServerReflectionResponse */
export interface ServerReflectionResponse {
  validHost: string;
  originalRequest?: ServerReflectionRequest;
  fileDescriptorResponse?: FileDescriptorResponse;
  allExtensionNumbersResponse?: ExtensionNumberResponse;
  listServicesResponse?: ListServiceResponse;
  errorResponse?: ErrorResponse;
}

export const ServerReflectionResponse: Codec<ServerReflectionResponse> = {
  typeName: "grpc.reflection.v1alpha.ServerReflectionResponse",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.validHost) writer.uint32(10).string(message.validHost);
    if (message.originalRequest !== undefined) writer.uint32(18).bytes(ServerReflectionRequest.encode(message.originalRequest));
    if (message.fileDescriptorResponse !== undefined) writer.uint32(34).bytes(FileDescriptorResponse.encode(message.fileDescriptorResponse));
    if (message.allExtensionNumbersResponse !== undefined) writer.uint32(42).bytes(ExtensionNumberResponse.encode(message.allExtensionNumbersResponse));
    if (message.listServicesResponse !== undefined) writer.uint32(50).bytes(ListServiceResponse.encode(message.listServicesResponse));
    if (message.errorResponse !== undefined) writer.uint32(58).bytes(ErrorResponse.encode(message.errorResponse));
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: ServerReflectionResponse = { validHost: "" };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.validHost = reader.string();
          break;
        case 18:
          message.originalRequest = ServerReflectionRequest.decode(reader.bytes());
          break;
        case 34:
          delete message.allExtensionNumbersResponse;
          delete message.listServicesResponse;
          delete message.errorResponse;
          message.fileDescriptorResponse = FileDescriptorResponse.decode(reader.bytes());
          break;
        case 42:
          delete message.fileDescriptorResponse;
          delete message.listServicesResponse;
          delete message.errorResponse;
          message.allExtensionNumbersResponse = ExtensionNumberResponse.decode(reader.bytes());
          break;
        case 50:
          delete message.fileDescriptorResponse;
          delete message.allExtensionNumbersResponse;
          delete message.errorResponse;
          message.listServicesResponse = ListServiceResponse.decode(reader.bytes());
          break;
        case 58:
          delete message.fileDescriptorResponse;
          delete message.allExtensionNumbersResponse;
          delete message.listServicesResponse;
          message.errorResponse = ErrorResponse.decode(reader.bytes());
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** grpc.reflection.v1alpha.FileDescriptorResponse */
export interface FileDescriptorResponse {
  /** Serialized google.protobuf.FileDescriptorProto messages: the file asked for and those that it imports. */
  fileDescriptorProto: Uint8Array[];
}

export const FileDescriptorResponse: Codec<FileDescriptorResponse> = {
  typeName: "grpc.reflection.v1alpha.FileDescriptorResponse",
  encode(message) {
    const writer = protobuf.Writer.create();
    for (const value of message.fileDescriptorProto ?? []) writer.uint32(10).bytes(value);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: FileDescriptorResponse = { fileDescriptorProto: [] };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.fileDescriptorProto.push(reader.bytes());
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** grpc.reflection.v1alpha.ExtensionNumberResponse */
export interface ExtensionNumberResponse {
  baseTypeName: string;
  extensionNumber: number[];
}

export const ExtensionNumberResponse: Codec<ExtensionNumberResponse> = {
  typeName: "grpc.reflection.v1alpha.ExtensionNumberResponse",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.baseTypeName) writer.uint32(10).string(message.baseTypeName);
    if (message.extensionNumber?.length) {
      writer.uint32(18).fork();
      for (const value of message.extensionNumber) writer.int32(value);
      writer.ldelim();
    }
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: ExtensionNumberResponse = { baseTypeName: "", extensionNumber: [] };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.baseTypeName = reader.string();
          break;
        case 16:
          message.extensionNumber.push(reader.int32());
          break;
        case 18: {
          const packed = protobuf.Reader.create(reader.bytes());
          while (packed.pos < packed.len) message.extensionNumber.push(packed.int32());
          break;
        }
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** grpc.reflection.v1alpha.ListServiceResponse */
export interface ListServiceResponse {
  service: ServiceResponse[];
}

export const ListServiceResponse: Codec<ListServiceResponse> = {
  typeName: "grpc.reflection.v1alpha.ListServiceResponse",
  encode(message) {
    const writer = protobuf.Writer.create();
    for (const value of message.service ?? []) writer.uint32(10).bytes(ServiceResponse.encode(value));
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: ListServiceResponse = { service: [] };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.service.push(ServiceResponse.decode(reader.bytes()));
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** grpc.reflection.v1alpha.ServiceResponse */
export interface ServiceResponse {
  name: string;
}

export const ServiceResponse: Codec<ServiceResponse> = {
  typeName: "grpc.reflection.v1alpha.ServiceResponse",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.name) writer.uint32(10).string(message.name);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: ServiceResponse = { name: "" };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.name = reader.string();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** grpc.reflection.v1alpha.ErrorResponse */
export interface ErrorResponse {
  /** A gRPC status code. */
  errorCode: number;
  errorMessage: string;
}

export const ErrorResponse: Codec<ErrorResponse> = {
  typeName: "grpc.reflection.v1alpha.ErrorResponse",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.errorCode) writer.uint32(8).int32(message.errorCode);
    if (message.errorMessage) writer.uint32(18).string(message.errorMessage);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: ErrorResponse = { errorCode: 0, errorMessage: "" };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 8:
          message.errorCode = reader.int32();
          break;
        case 18:
          message.errorMessage = reader.string();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** grpc.reflection.v1alpha.ServerReflection */
export const ServerReflection = {
  typeName: "grpc.reflection.v1alpha.ServerReflection",
  methods: {
    serverReflectionInfo: { name: "ServerReflectionInfo", kind: "bidi", request: ServerReflectionRequest, response: ServerReflectionResponse },
  },
} as const satisfies ServiceType;
