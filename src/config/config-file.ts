/** The configuration file: one JSON object of settings, by the names that the environment has. */
import type { Node } from "jsonc-parser/lib/esm/main.js";
import { CodedError } from "../error.ts";
import { readJsonFile } from "./json-file.ts";
import { nearest } from "./nearest.ts";

/**
 * Reads the file at `path`; a byte order mark in front is passed over.
 *
 * @param names every setting's name
 * @returns each setting's text by its name; a list's items are joined by commas
 * @throws CodedError INVALID_ARGUMENT / CONFIG_FILE_INVALID for a file that cannot be read, is no JSON object, repeats
 * a name, or has a name that is no setting; the sentence has line and column, and never a value, which may be secret
 */
export function readConfigFile(path: string, names: readonly string[]): Readonly<Record<string, string>> {
  const fault = (what: string, cause?: unknown) => invalid(path, what, cause);
  const { root, wrong } = readJsonFile(path, fault, '{"WORKER_COUNT": 8}');
  const values: Record<string, string> = {};
  for (const property of root.children ?? []) {
    const [key, value] = property.children as [Node, Node];
    const name = String(key.value);
    if (!names.includes(name)) {
      const near = nearest(name.toUpperCase(), names);
      throw wrong(
        `has ${JSON.stringify(name)}, which is no setting${near ? `; did you mean ${near}?` : ""}`,
        key.offset,
      );
    }
    if (Object.hasOwn(values, name)) throw wrong(`has ${name} twice: keep one`, key.offset);
    const setting = settingText(value);
    if (setting === undefined) {
      throw wrong(`${name} must be a text, a number, true or false, or a list of texts`, value.offset);
    }
    values[name] = setting;
  }
  return values;
}

function invalid(path: string, what: string, cause?: unknown): CodedError {
  return new CodedError("INVALID_ARGUMENT", "CONFIG_FILE_INVALID", `configuration file ${path}: ${what}`, { cause });
}

function settingText(value: Node): string | undefined {
  if (value.type === "string" || value.type === "number" || value.type === "boolean") return String(value.value);
  if (value.type !== "array") return undefined;
  const items = value.children ?? [];
  return items.every(({ type }) => type === "string") ? items.map((item) => item.value).join(",") : undefined;
}
