/** Server reflection, v1 and v1alpha (proto/reflection_v1.proto), so that grpcurl and its like need no .proto files. */

import * as grpc from "@grpc/grpc-js";
import { shortened } from "../base/text.ts";
import { FILE_DESCRIPTORS } from "./generated/descriptors.ts";
import {
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from "./generated/reflection-v1.ts";
import { ServerReflection as ServerReflectionAlpha } from "./generated/reflection-v1alpha.ts";
import { type Admit, addService, type FileDescriptor, type Init, statusOf } from "./service.ts";

const NAME_LENGTH_MAX = 256; // no name of ours comes near it; what is longer is not repeated in an answer

type Answer = Init<ServerReflectionResponse>;
type ReflectionCall = grpc.ServerDuplexStream<ServerReflectionRequest, Answer>;

const FILES_BY_NAME = new Map(FILE_DESCRIPTORS.map((file) => [file.name, file]));
const FILES_BY_SYMBOL = new Map(FILE_DESCRIPTORS.flatMap((file) => file.symbols.map((symbol) => [symbol, file])));

/** Adds both versions to a server, behind the gate. `services`: full names of what it serves beside them. */
export function addReflection(server: grpc.Server, services: readonly string[], admit?: Admit): void {
  const names = [...services, ServerReflection.typeName, ServerReflectionAlpha.typeName].sort();
  const serverReflectionInfo = (call: ReflectionCall) => {
    call.on("data", (request: ServerReflectionRequest) => {
      try {
        // A client that asks and does not read is not read from either.
        if (call.write(answer(request, names))) return;
        call.pause();
        call.once("drain", () => call.resume());
      } catch (thrown) {
        call.emit("error", statusOf(thrown)); // a listener is called past the handler's own guard
      }
    });
    call.on("end", () => call.end());
    call.on("error", () => {}); // the client went away; there is nobody left to tell
  };
  addService(server, ServerReflection, { serverReflectionInfo }, undefined, admit);
  addService(server, ServerReflectionAlpha, { serverReflectionInfo }, undefined, admit);
}

/** What one request is answered with. */
function answer(request: ServerReflectionRequest, services: readonly string[]): Answer {
  const head = { validHost: request.host, originalRequest: request };
  if (request.listServices !== undefined) {
    return { ...head, listServicesResponse: { service: services.map((name) => ({ name })) } };
  }
  if (request.fileByFilename !== undefined) {
    return { ...head, ...fileAnswer(FILES_BY_NAME.get(request.fileByFilename), "file", request.fileByFilename) };
  }
  if (request.fileContainingSymbol !== undefined) {
    const symbol = request.fileContainingSymbol;
    return { ...head, ...fileAnswer(FILES_BY_SYMBOL.get(symbol), "symbol", symbol) };
  }
  if (request.allExtensionNumbersOfType !== undefined) {
    const type = request.allExtensionNumbersOfType;
    if (!FILES_BY_SYMBOL.has(type)) return { ...head, ...notFound("type", type) };
    return { ...head, allExtensionNumbersResponse: { baseTypeName: type } };
  }
  if (request.fileContainingExtension !== undefined) {
    return { ...head, ...notFound("extension of", request.fileContainingExtension.containingType) };
  }
  return {
    ...head,
    errorResponse: { errorCode: grpc.status.INVALID_ARGUMENT, errorMessage: "the request asks for nothing" },
  };
}

function fileAnswer(file: FileDescriptor | undefined, what: string, name: string): Answer {
  if (!file) return notFound(what, name);
  const fileDescriptorProto = withImports(file).map((each) => Buffer.from(each.base64, "base64"));
  return { fileDescriptorResponse: { fileDescriptorProto } };
}

/** The file, then what it imports, each once. */
function withImports(file: FileDescriptor): FileDescriptor[] {
  const found = new Set([file]);
  for (const each of found) {
    for (const name of each.imports) {
      const imported = FILES_BY_NAME.get(name);
      if (imported) found.add(imported);
    }
  }
  return [...found];
}

function notFound(what: string, name: string): Answer {
  const shown = shortened(name, NAME_LENGTH_MAX);
  return { errorResponse: { errorCode: grpc.status.NOT_FOUND, errorMessage: `there is no ${what} ${shown}` } };
}
