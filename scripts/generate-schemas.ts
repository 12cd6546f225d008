/**
 * Writes proto/schemas/ from the code. It refuses a change that breaks readers: such a change is a new schema version.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { versionsOf } from "../src/columns/datasets.ts";
import { describeSchema, type SchemaDescription, schemaCompatibility } from "../src/columns/schema-description.ts";
import { DATASETS } from "../src/vocabulary/dataset.ts";

const OUT_DIRECTORY = new URL("../proto/schemas/", import.meta.url);

const LINE_WIDTH = 120; // as the formatter has it

/** JSON as the formatter leaves it: objects over several lines, lists of words in one where they fit. */
function render(value: unknown, indent: string, column: number): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const inner = `${indent}  `;
  if (!Array.isArray(value)) {
    const fields = Object.entries(value).map(([key, field]) => {
      const name = `${inner}${JSON.stringify(key)}: `;
      return name + render(field, inner, name.length);
    });
    return `{\n${fields.join(",\n")}\n${indent}}`;
  }
  if (value.every((item) => typeof item === "string")) {
    const line = `[${value.map((item) => JSON.stringify(item)).join(", ")}]`;
    if (column + line.length < LINE_WIDTH) return line;
  }
  return `[\n${value.map((item) => inner + render(item, inner, inner.length)).join(",\n")}\n${indent}]`;
}

/** File name → content of everything under proto/schemas. */
export function generateSchemas(): Map<string, string> {
  return new Map(
    DATASETS.flatMap((dataset) =>
      versionsOf(dataset).map((version) => {
        const description = render(describeSchema(version, dataset), "", 0);
        return [`${dataset}_v${version}.json`, `${description}\n`] as const;
      }),
    ),
  );
}

if (import.meta.main) {
  mkdirSync(OUT_DIRECTORY, { recursive: true });
  for (const [name, content] of generateSchemas()) {
    const file = new URL(name, OUT_DIRECTORY);
    if (existsSync(file)) {
      const before = JSON.parse(readFileSync(file, "utf8")) as SchemaDescription;
      const broken = schemaCompatibility(before, JSON.parse(content) as SchemaDescription);
      if (broken.length > 0) {
        console.error(`proto/schemas/${name} breaks its readers, make a new schema version: ${broken.join("; ")}`);
        process.exit(1);
      }
    }
    writeFileSync(file, content);
    console.log(`proto/schemas/${name}: ${content.split("\n").length} lines`);
  }
}
