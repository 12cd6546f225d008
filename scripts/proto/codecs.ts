/** Emits the TypeScript module of one .proto file: interfaces, codecs over protobufjs' reader and writer, services. */
import { dirname, relative } from "node:path";
import protobuf from "protobufjs";
import type { ParsedProtos, ProtoFile } from "./parse.ts";

/** Paths relative to the repository's root, with forward slashes. */
interface EmitOptions {
  /** Where the module of a file is written. */
  modulePath(file: ProtoFile): string;
  /** The module that exports the types `Codec`, `Init` and `ServiceType`. */
  servicePath: string;
}

/** Field types whose values do not fit a number; they are numbers in the safe range, or text with jstype = JS_STRING. */
const WIDE_TYPES = new Set(["int64", "uint64", "sint64", "fixed64", "sfixed64"]);
/** protobufjs reader and writer methods have the names of the field types; wire types as in the protobuf encoding. */
const WIRE_TYPES: Readonly<Record<string, number>> = {
  double: 1,
  float: 5,
  int32: 0,
  uint32: 0,
  sint32: 0,
  int64: 0,
  uint64: 0,
  sint64: 0,
  fixed64: 1,
  sfixed64: 1,
  fixed32: 5,
  sfixed32: 5,
  bool: 0,
  string: 2,
  bytes: 2,
};

const lowerFirst = (name: string) => name.charAt(0).toLowerCase() + name.slice(1);
const camelCase = (name: string) => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

export function emitModule(file: ProtoFile, protos: ParsedProtos, options: EmitOptions): string {
  const imports = new Map<string, Set<string>>();
  const needs = { reader: false, integer: false };
  const here = options.modulePath(file);

  /** `Outer_Inner`, imported where another module declares it. */
  function reference(object: protobuf.ReflectionObject): string {
    const owner = protos.fileOf(object);
    const name = localName(object, owner);
    if (owner === file) return name;
    const path = importPath(here, options.modulePath(owner));
    imports.set(path, (imports.get(path) ?? new Set()).add(name));
    return name;
  }

  const types: string[] = [];
  const services: string[] = [];
  const visit = (object: protobuf.ReflectionObject) => {
    if (object instanceof protobuf.Enum) types.push(emitEnum(object, reference(object)));
    if (object instanceof protobuf.Type) {
      if (object.fieldsArray.length) needs.reader = true;
      if (object.fieldsArray.some((field) => WIDE_TYPES.has(scalarOf(field)) && !isText(field))) needs.integer = true;
      types.push(emitMessage(object, reference));
      for (const nested of object.nestedArray) visit(nested);
    }
    if (object instanceof protobuf.Service) services.push(emitService(object, reference));
  };
  for (const member of file.members) visit(member);

  const typeNames = ["Codec", ...(services.length ? ["ServiceType"] : [])].join(", ");
  const head = [
    `// Generated from proto/${file.name} by scripts/generate-proto.ts; change that file, then run: make generate`,
    "// biome-ignore-all format: generated",
    "// biome-ignore-all lint: generated",
    "// biome-ignore-all assist: generated",
    needs.reader ? 'import protobuf from "protobufjs/minimal.js";' : "",
    `import type { ${typeNames} } from "${importPath(here, options.servicePath)}";`,
    ...[...imports].sort().map(([path, names]) => `import { ${[...names].sort().join(", ")} } from "${path}";`),
  ].filter(Boolean);
  const helpers = needs.integer ? [INTEGER_HELPER] : [];
  return `${[head.join("\n"), ...helpers, ...types, ...services].join("\n\n")}\n`;
}

const INTEGER_HELPER = `function integerOf(value: unknown): number {
  const number = Number(value); // protobufjs gives a Long
  if (!Number.isSafeInteger(number)) throw new RangeError(\`\${number} is beyond the integers that a number holds exactly\`);
  return number;
}`;

function importPath(from: string, to: string): string {
  const path = relative(dirname(from), to).replaceAll("\\", "/");
  return path.startsWith(".") ? path : `./${path}`;
}

function localName(object: protobuf.ReflectionObject, file: ProtoFile): string {
  return object.fullName.slice(`.${file.package}.`.length).replaceAll(".", "_");
}

function doc(comment: string | null | undefined, indent: string, extra = ""): string {
  const text = [...(comment ? comment.split("\n") : []), ...(extra ? [extra] : [])].map((line) => line.trimEnd());
  if (text.length === 0) return "";
  if (text.length === 1) return `${indent}/** ${text[0]} */\n`;
  return `${indent}/**\n${text.map((line) => `${indent} *${line ? ` ${line}` : ""}\n`).join("")}${indent} */\n`;
}

function emitEnum(type: protobuf.Enum, name: string): string {
  const values = Object.entries(type.values).map(
    ([key, value]) => `${doc(type.comments[key], "  ")}  ${key}: ${value},\n`,
  );
  return [
    `${doc(type.comment, "", "Open, as proto3 enums are: a newer peer may send other numbers.")}export const ${name} = {\n${values.join("")}} as const;`,
    `export type ${name} = (typeof ${name})[keyof typeof ${name}];`,
  ].join("\n");
}

type Reference = (object: protobuf.ReflectionObject) => string;

function scalarOf(field: protobuf.Field): string {
  if (field.resolvedType instanceof protobuf.Enum) return "int32";
  return field.type;
}

function isText(field: protobuf.Field): boolean {
  return WIDE_TYPES.has(field.type) && field.options?.jstype === "JS_STRING";
}

/** True where absence differs from the default: messages, `optional`, members of a oneof. */
function hasPresence(field: protobuf.Field): boolean {
  if (field.repeated || field.map) return false;
  return field.resolvedType instanceof protobuf.Type || field.partOf !== null;
}

function valueType(field: protobuf.Field, reference: Reference): string {
  if (field.resolvedType) return reference(field.resolvedType);
  if (isText(field)) return "string";
  if (field.type === "string") return "string";
  if (field.type === "bytes") return "Uint8Array";
  return field.type === "bool" ? "boolean" : "number";
}

function keyType(field: protobuf.MapField): string {
  return field.keyType === "string" ? "string" : field.keyType === "bool" ? "boolean" : "number";
}

function emitMessage(type: protobuf.Type, reference: Reference): string {
  const name = reference(type);
  const fields = type.fieldsArray.toSorted((a, b) => a.id - b.id);
  const members = fields.map((field) => {
    const value = valueType(field, reference);
    const key = camelCase(field.name);
    const text = doc(field.comment, "  ");
    if (field instanceof protobuf.MapField) return `${text}  ${key}: Map<${keyType(field)}, ${value}>;\n`;
    if (field.repeated) return `${text}  ${key}: ${value}[];\n`;
    return `${text}  ${key}${hasPresence(field) ? "?" : ""}: ${value};\n`;
  });
  const defaults = fields
    .filter((field) => !hasPresence(field))
    .map((field) => `${camelCase(field.name)}: ${initial(field)}`);
  if (fields.length === 0) {
    return `${doc(type.comment, "", type.fullName.slice(1))}export interface ${name} {}

export const ${name}: Codec<${name}> = {
  typeName: "${type.fullName.slice(1)}",
  encode: () => new Uint8Array(0),
  decode: () => ({}),
};`;
  }
  return `${doc(type.comment, "", type.fullName.slice(1))}export interface ${name} {
${members.join("")}}

export const ${name}: Codec<${name}> = {
  typeName: "${type.fullName.slice(1)}",
  encode(message) {
    const writer = protobuf.Writer.create();
${fields.map((field) => emitEncode(field, reference)).join("")}    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: ${name} = {${defaults.length ? ` ${defaults.join(", ")} ` : ""}};
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
${fields.map((field) => emitDecode(field, reference)).join("")}        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};`;
}

function initial(field: protobuf.Field): string {
  if (field.map) return "new Map()";
  if (field.repeated) return "[]";
  if (field.type === "string") return '""';
  if (field.type === "bytes") return "new Uint8Array(0)";
  if (field.type === "bool") return "false";
  return isText(field) ? '"0"' : "0";
}

function tagOf(field: protobuf.Field, wireType = wireTypeOf(field)): number {
  return (field.id << 3) | wireType;
}

function wireTypeOf(field: protobuf.Field): number {
  if (field.resolvedType instanceof protobuf.Type) return 2;
  const wireType = WIRE_TYPES[scalarOf(field)];
  if (wireType === undefined) throw new Error(`${field.fullName}: type ${field.type} is not supported`);
  return wireType;
}

/** The calls that put one value, after its tag. */
function put(field: protobuf.Field, value: string, reference: Reference): string {
  if (field.resolvedType instanceof protobuf.Type) return `.bytes(${reference(field.resolvedType)}.encode(${value}))`;
  return `.${scalarOf(field)}(${value})`;
}

function emitEncode(field: protobuf.Field, reference: Reference): string {
  const path = `message.${camelCase(field.name)}`;
  if (field instanceof protobuf.MapField) {
    return `    for (const [key, value] of ${path} ?? []) {
      writer.uint32(${tagOf(field, 2)}).fork().uint32(${(1 << 3) | (WIRE_TYPES[field.keyType] ?? 0)}).${field.keyType}(key).uint32(${(2 << 3) | wireTypeOf(field)})${put(field, "value", reference)}.ldelim();
    }
`;
  }
  if (field.repeated && wireTypeOf(field) !== 2) {
    return `    if (${path}?.length) {
      writer.uint32(${tagOf(field, 2)}).fork();
      for (const value of ${path}) writer${put(field, "value", reference)};
      writer.ldelim();
    }
`;
  }
  if (field.repeated) {
    return `    for (const value of ${path} ?? []) writer.uint32(${tagOf(field)})${put(field, "value", reference)};\n`;
  }
  return `    if (${isSent(field, path)}) writer.uint32(${tagOf(field)})${put(field, path, reference)};\n`;
}

/** proto3 leaves out what has its default. */
function isSent(field: protobuf.Field, path: string): string {
  if (hasPresence(field)) return `${path} !== undefined`;
  if (field.type === "bytes") return `${path}?.length`;
  if (isText(field)) return `${path} && ${path} !== "0"`;
  // NaN is no default.
  if (field.type === "double" || field.type === "float") return `${path} !== undefined && ${path} !== 0`;
  return path;
}

function get(field: protobuf.Field, reader: string, reference: Reference): string {
  if (field.resolvedType instanceof protobuf.Type) return `${reference(field.resolvedType)}.decode(${reader}.bytes())`;
  if (field.resolvedType instanceof protobuf.Enum) return `${reader}.int32() as ${reference(field.resolvedType)}`;
  if (isText(field)) return `String(${reader}.${field.type}())`;
  return WIDE_TYPES.has(field.type) ? `integerOf(${reader}.${field.type}())` : `${reader}.${field.type}()`;
}

function emitDecode(field: protobuf.Field, reference: Reference): string {
  const path = `message.${camelCase(field.name)}`;
  if (field instanceof protobuf.MapField) {
    const value = valueType(field, reference);
    const missing =
      field.resolvedType instanceof protobuf.Type ? `${value}.decode(new Uint8Array(0))` : initial(asSingular(field));
    return `        case ${tagOf(field, 2)}: {
          const entry = protobuf.Reader.create(reader.bytes());
          let key: ${keyType(field)} = ${field.keyType === "string" ? '""' : field.keyType === "bool" ? "false" : "0"};
          let value: ${value} = ${missing};
          while (entry.pos < entry.len) {
            const entryTag = entry.tag();
            if (entryTag === ${(1 << 3) | (WIRE_TYPES[field.keyType] ?? 0)}) key = entry.${field.keyType}();
            else if (entryTag === ${(2 << 3) | wireTypeOf(field)}) value = ${get(field, "entry", reference)};
            else entry.skipType(entryTag & 7, 0, entryTag >>> 3);
          }
          ${path}.set(key, value);
          break;
        }
`;
  }
  if (field.repeated && wireTypeOf(field) !== 2) {
    return `        case ${tagOf(field)}:
          ${path}.push(${get(field, "reader", reference)});
          break;
        case ${tagOf(field, 2)}: {
          const packed = protobuf.Reader.create(reader.bytes());
          while (packed.pos < packed.len) ${path}.push(${get(field, "packed", reference)});
          break;
        }
`;
  }
  const lines = field.repeated
    ? [`${path}.push(${get(field, "reader", reference)});`]
    : [
        ...othersOf(field).map((other) => `delete message.${camelCase(other.name)};`),
        `${path} = ${get(field, "reader", reference)};`,
      ];
  return `        case ${tagOf(field)}:\n${[...lines, "break;"].map((line) => `          ${line}\n`).join("")}`;
}

/** The last member of a oneof on the wire wins. */
function othersOf(field: protobuf.Field): protobuf.Field[] {
  return field.partOf?.fieldsArray.filter((other) => other !== field) ?? [];
}

function asSingular(field: protobuf.MapField): protobuf.Field {
  return new protobuf.Field(field.name, field.id, field.resolvedType ? "int32" : field.type);
}

function emitService(service: protobuf.Service, reference: Reference): string {
  const methods = service.methodsArray.map((method) => {
    const { resolvedRequestType, resolvedResponseType } = method;
    if (!resolvedRequestType || !resolvedResponseType) throw new Error(`${method.fullName} is not resolved`);
    const kind = method.requestStream
      ? method.responseStream
        ? "bidi"
        : "clientStream"
      : method.responseStream
        ? "serverStream"
        : "unary";
    return `${doc(method.comment, "    ")}    ${lowerFirst(method.name)}: { name: "${method.name}", kind: "${kind}", request: ${reference(resolvedRequestType)}, response: ${reference(resolvedResponseType)} },\n`;
  });
  return `${doc(service.comment, "", service.fullName.slice(1))}export const ${service.name} = {
  typeName: "${service.fullName.slice(1)}",
  methods: {
${methods.join("")}  },
} as const satisfies ServiceType;`;
}
