/**
 * Makes the message codecs, service definitions and reflection descriptors from proto/*.proto.
 * Run with `bun scripts/generate-proto.ts`; a test fails while the written files differ from what this makes.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { emitModule } from "./proto/codecs.ts";
import { emitDescriptors } from "./proto/descriptors.ts";
import { type ProtoFile, parseProtos } from "./proto/parse.ts";

const ROOT = join(import.meta.dirname, "..");
const GENERATED = "src/grpc/generated";

function modulePath(file: ProtoFile): string {
  const name = file.name.startsWith("google/") ? file.name.replaceAll("/", "_") : file.name;
  return `${GENERATED}/${basename(name, ".proto").replaceAll("_", "-").toLowerCase()}.ts`;
}

/** The generated files: path relative to the repository's root → content. */
export function generateProto(folder = join(ROOT, "proto")): Map<string, string> {
  const protos = parseProtos(folder);
  const written = new Map<string, string>();
  for (const file of protos.files) {
    written.set(modulePath(file), emitModule(file, protos, { modulePath, servicePath: "src/grpc/service.ts" }));
  }
  written.set(`${GENERATED}/descriptors.ts`, emitDescriptors(protos, "../service.ts"));
  return written;
}

if (import.meta.main) {
  for (const [path, content] of generateProto()) {
    mkdirSync(dirname(join(ROOT, path)), { recursive: true });
    writeFileSync(join(ROOT, path), content);
    console.log(path);
  }
}
