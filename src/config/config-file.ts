/** The configuration file: one JSON object of settings, by the names that the environment has. */
import { readFileSync } from "node:fs";
import { type Node, type ParseError, parseTree, printParseErrorCode } from "jsonc-parser/lib/esm/main.js";
import { CodedError } from "../error.ts";
import { nearest } from "./nearest.ts";

const CONFIG_FILE_BYTES_MAX = 4 * 2 ** 20; // ten thousand contract ids are 600 kB

/**
 * Reads the file at `path`; a byte order mark in front is passed over.
 *
 * @param names every setting's name
 * @returns each setting's text by its name; a list's items are joined by commas
 * @throws CodedError INVALID_ARGUMENT / CONFIG_FILE_INVALID for a file that cannot be read, is no JSON object, repeats
 * a name, or has a name that is no setting; the sentence has line and column, and never a value, which may be secret
 */
export function readConfigFile(path: string, names: readonly string[]): Readonly<Record<string, string>> {
  const text = contentOf(path);
  const wrong = (what: string, offset?: number) => invalid(path, `${what}${placeOf(text, offset)}`);
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, { disallowComments: true });
  const [error] = errors;
  if (error !== undefined) throw wrong(`is not JSON (${words(printParseErrorCode(error.error))})`, error.offset);
  if (root?.type !== "object") throw wrong('must hold one JSON object, such as {"WORKER_COUNT": 8}');
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

function contentOf(path: string): string {
  let content: string;
  try {
    content = readFileSync(path, "utf8");
  } catch (error) {
    throw invalid(path, `cannot be read (${(error as NodeJS.ErrnoException).code ?? error})`, error);
  }
  if (content.length > CONFIG_FILE_BYTES_MAX) {
    throw invalid(path, `has ${content.length} bytes, over the maximum of ${CONFIG_FILE_BYTES_MAX}`);
  }
  return content.replace(/^\uFEFF/, "");
}

function invalid(path: string, what: string, cause?: unknown): CodedError {
  return new CodedError("INVALID_ARGUMENT", "CONFIG_FILE_INVALID", `configuration file ${path}: ${what}`, { cause });
}

/** ` at line 3, column 7`, counted from 1; nothing without an offset. */
function placeOf(text: string, offset: number | undefined): string {
  if (offset === undefined) return "";
  const before = text.slice(0, offset).split("\n");
  return ` at line ${before.length}, column ${before.at(-1)!.length + 1}`;
}

/** `CommaExpected` → `comma expected` */
function words(code: string): string {
  return code.replace(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter}`).toLowerCase();
}

function settingText(value: Node): string | undefined {
  if (value.type === "string" || value.type === "number" || value.type === "boolean") return String(value.value);
  if (value.type !== "array") return undefined;
  const items = value.children ?? [];
  return items.every(({ type }) => type === "string") ? items.map((item) => item.value).join(",") : undefined;
}
