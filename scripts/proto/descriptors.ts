/** Builds the google.protobuf.FileDescriptorProto of each .proto file, which server reflection hands out. */
import protobuf from "protobufjs";
import schema from "protobufjs/google/protobuf/descriptor.json" with { type: "json" };
import type { ParsedProtos, ProtoFile } from "./parse.ts";

/** FieldDescriptorProto.Type */
const TYPE_NUMBERS: Readonly<Record<string, number>> = {
  double: 1,
  float: 2,
  int64: 3,
  uint64: 4,
  int32: 5,
  fixed64: 6,
  fixed32: 7,
  bool: 8,
  string: 9,
  bytes: 12,
  uint32: 13,
  sfixed32: 15,
  sfixed64: 16,
  sint32: 17,
  sint64: 18,
};
const TYPE_MESSAGE = 11;
const TYPE_ENUM = 14;
const LABEL_OPTIONAL = 1;
const LABEL_REPEATED = 3;
/** FieldOptions.JSType */
const JS_TYPES: Readonly<Record<string, number>> = { JS_NORMAL: 0, JS_STRING: 1, JS_NUMBER: 2 };

const FileDescriptorProto = protobuf.Root.fromJSON(schema).lookupType("google.protobuf.FileDescriptorProto");

type Json = Record<string, unknown>;

function typeOf(type: string, resolved: protobuf.ReflectionObject | null): Json {
  if (resolved instanceof protobuf.Type) return { type: TYPE_MESSAGE, typeName: resolved.fullName };
  if (resolved instanceof protobuf.Enum) return { type: TYPE_ENUM, typeName: resolved.fullName };
  return { type: TYPE_NUMBERS[type] };
}

/** As protoc makes it: lowerCamelCase. */
const jsonName = (name: string) => name.replace(/_+(.?)/g, (_, letter: string) => letter.toUpperCase());
const entryName = (name: string) => {
  const camel = jsonName(name);
  return `${camel.charAt(0).toUpperCase()}${camel.slice(1)}Entry`;
};

function fieldJson(field: protobuf.Field, oneofs: protobuf.OneOf[]): Json {
  const json: Json = {
    name: field.name,
    number: field.id,
    label: field.repeated || field.map ? LABEL_REPEATED : LABEL_OPTIONAL,
    ...(field.map
      ? { type: TYPE_MESSAGE, typeName: `${field.parent?.fullName}.${entryName(field.name)}` }
      : typeOf(field.type, field.resolvedType)),
    jsonName: jsonName(field.name),
  };
  if (field.partOf) json.oneofIndex = oneofs.indexOf(field.partOf);
  if (field.options?.proto3_optional) json.proto3Optional = true;
  if (field.options?.jstype) json.options = { jstype: JS_TYPES[field.options.jstype as string] };
  return json;
}

function mapEntryJson(field: protobuf.MapField): Json {
  return {
    name: entryName(field.name),
    field: [
      { name: "key", number: 1, label: LABEL_OPTIONAL, jsonName: "key", ...typeOf(field.keyType, null) },
      { name: "value", number: 2, label: LABEL_OPTIONAL, jsonName: "value", ...typeOf(field.type, field.resolvedType) },
    ],
    options: { mapEntry: true },
  };
}

function messageJson(type: protobuf.Type): Json {
  // Those that stand for `optional` come after the real ones (descriptor.proto).
  const oneofs = type.oneofsArray.toSorted((a, b) => Number(a.isProto3Optional) - Number(b.isProto3Optional));
  const maps = type.fieldsArray.filter((field) => field instanceof protobuf.MapField);
  return {
    name: type.name,
    field: type.fieldsArray.map((field) => fieldJson(field, oneofs)),
    nestedType: [
      ...type.nestedArray.filter((nested) => nested instanceof protobuf.Type).map(messageJson),
      ...maps.map(mapEntryJson),
    ],
    enumType: type.nestedArray.filter((nested) => nested instanceof protobuf.Enum).map(enumJson),
    oneofDecl: oneofs.map((oneof) => ({ name: oneof.name })),
  };
}

function enumJson(type: protobuf.Enum): Json {
  return { name: type.name, value: Object.entries(type.values).map(([name, number]) => ({ name, number })) };
}

function serviceJson(service: protobuf.Service): Json {
  return {
    name: service.name,
    method: service.methodsArray.map((method) => ({
      name: method.name,
      inputType: method.resolvedRequestType?.fullName,
      outputType: method.resolvedResponseType?.fullName,
      ...(method.requestStream ? { clientStreaming: true } : {}),
      ...(method.responseStream ? { serverStreaming: true } : {}),
    })),
  };
}

/** The serialized FileDescriptorProto of one file. */
function fileDescriptor(file: ProtoFile): Uint8Array {
  return FileDescriptorProto.encode(
    FileDescriptorProto.fromObject({
      name: file.name,
      package: file.package,
      dependency: file.imports,
      messageType: file.members.filter((member) => member instanceof protobuf.Type).map(messageJson),
      enumType: file.members.filter((member) => member instanceof protobuf.Enum).map(enumJson),
      service: file.members.filter((member) => member instanceof protobuf.Service).map(serviceJson),
      syntax: "proto3",
    }),
  ).finish();
}

/** Full names, without a leading dot, of all that the file declares: what a reflection client may ask for. */
function symbolsOf(file: ProtoFile): string[] {
  const symbols: string[] = [];
  const visit = (object: protobuf.ReflectionObject) => {
    const name = object.fullName.slice(1);
    symbols.push(name);
    if (object instanceof protobuf.Type) {
      symbols.push(...object.fieldsArray.map((field) => `${name}.${field.name}`));
      for (const nested of object.nestedArray) visit(nested);
    }
    if (object instanceof protobuf.Enum) {
      // A value's scope is that of its enum (protobuf language guide, as in C++).
      const scope = name.slice(0, name.lastIndexOf("."));
      symbols.push(...Object.keys(object.values).map((value) => `${scope}.${value}`));
    }
    if (object instanceof protobuf.Service) {
      symbols.push(...object.methodsArray.map((method) => `${name}.${method.name}`));
    }
  };
  for (const member of file.members) visit(member);
  return symbols;
}

/** The module `descriptors.ts`. */
export function emitDescriptors(protos: ParsedProtos, typesImport: string): string {
  const entries = protos.files.map((file) => {
    const services = file.members.filter((member) => member instanceof protobuf.Service);
    return `  {
    name: ${JSON.stringify(file.name)},
    imports: ${JSON.stringify(file.imports)},
    services: ${JSON.stringify(services.map((service) => service.fullName.slice(1)))},
    symbols: ${JSON.stringify(symbolsOf(file))},
    base64: ${JSON.stringify(Buffer.from(fileDescriptor(file)).toString("base64"))},
  },
`;
  });
  return `// Generated from proto/ by scripts/generate-proto.ts; change the files there, then run: make generate
// biome-ignore-all format: generated
// biome-ignore-all lint: generated
// biome-ignore-all assist: generated
import type { FileDescriptor } from "${typesImport}";

/** Every .proto file of the project, by name. */
export const FILE_DESCRIPTORS: readonly FileDescriptor[] = [
${entries.join("")}];
`;
}
