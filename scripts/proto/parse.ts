/** Reads the .proto files into protobufjs reflection, file by file, with the imports of each. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import protobuf from "protobufjs";

export interface ProtoFile {
  /** Relative to the proto folder, as an import spells it: `google/protobuf/empty.proto`. */
  name: string;
  package: string;
  imports: string[];
  /** Messages, enums and services that stand directly in the file, in its order. */
  members: protobuf.ReflectionObject[];
}

export interface ParsedProtos {
  files: ProtoFile[];
  /** The file in which a message or enum is declared. */
  fileOf(object: protobuf.ReflectionObject): ProtoFile;
}

/** @throws Error for a file that does not parse, an import that is not there, a type that does not resolve */
export function parseProtos(folder: string): ParsedProtos {
  const root = new protobuf.Root();
  const files: ProtoFile[] = [];
  const owners = new Map<protobuf.ReflectionObject, ProtoFile>();
  const known = new Set<protobuf.ReflectionObject>();

  const names = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".proto"))
    .map((name) => name.replaceAll("\\", "/"))
    .sort();

  for (const name of names) {
    const parsed = protobuf.parse(readFileSync(join(folder, name), "utf8"), root, {
      keepCase: true,
      alternateCommentMode: true,
      preferTrailingComment: false,
    });
    if (!parsed.package) throw new Error(`${name} has no package`);
    for (const imported of parsed.imports ?? []) {
      if (!existsSync(join(folder, imported))) throw new Error(`${name} imports ${imported}, which is not there`);
    }
    // Packages are shared by files, so what this file added is what was not there before it.
    const namespace = root.lookup(parsed.package) as protobuf.Namespace;
    const members = namespace.nestedArray.filter((object) => !isPackage(object) && !known.has(object));
    const file = { name, package: parsed.package, imports: parsed.imports ?? [], members };
    files.push(file);
    for (const member of members) own(member, file);
  }
  root.resolveAll();

  function own(object: protobuf.ReflectionObject, file: ProtoFile) {
    known.add(object);
    owners.set(object, file);
    if (object instanceof protobuf.Type) for (const nested of object.nestedArray) own(nested, file);
  }

  return {
    files,
    fileOf(object) {
      const file = owners.get(object);
      if (!file) throw new Error(`${object.fullName} is declared in no file`);
      return file;
    },
  };
}

function isPackage(object: protobuf.ReflectionObject): boolean {
  return (
    object instanceof protobuf.Namespace && !(object instanceof protobuf.Type || object instanceof protobuf.Service)
  );
}
