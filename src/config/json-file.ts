/** A JSON file that a person writes: read as a tree whose nodes know their places, so that errors can name them. */
import { readFileSync } from "node:fs";
import { type Node, type ParseError, parseTree, printParseErrorCode } from "jsonc-parser/lib/esm/main.js";
import type { CodedError } from "../error.ts";

const JSON_FILE_BYTES_MAX = 4 * 2 ** 20; // ten thousand contract ids are 600 kB

/** A file's tree. */
interface JsonFile {
  root: Node;
  /** The error for something that is wrong with the file, with the line and column of an offset. */
  wrong(what: string, offset?: number): CodedError;
}

/**
 * Reads the file at `path`; a byte order mark in front is passed over.
 *
 * @param invalid makes the error that is thrown where the file cannot be read, is too large, or is no JSON object
 * @param example what the file might hold, for that error
 */
export function readJsonFile(
  path: string,
  invalid: (what: string, cause?: unknown) => CodedError,
  example: string,
): JsonFile {
  const text = contentOf(path, invalid);
  const wrong = (what: string, offset?: number) => invalid(`${what}${placeOf(text, offset)}`);
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, { disallowComments: true });
  const [error] = errors;
  if (error !== undefined) throw wrong(`is not JSON (${words(printParseErrorCode(error.error))})`, error.offset);
  if (root?.type !== "object") throw wrong(`must hold one JSON object, such as ${example}`);
  return { root, wrong };
}

function contentOf(path: string, invalid: (what: string, cause?: unknown) => CodedError): string {
  let content: string;
  try {
    content = readFileSync(path, "utf8");
  } catch (error) {
    throw invalid(`cannot be read (${(error as NodeJS.ErrnoException).code ?? error})`, error);
  }
  if (content.length > JSON_FILE_BYTES_MAX) {
    throw invalid(`has ${content.length} bytes, over the maximum of ${JSON_FILE_BYTES_MAX}`);
  }
  return content.replace(/^\uFEFF/, "");
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
