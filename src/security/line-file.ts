/** Files of credentials with one a line. */
import { readFileSync } from "node:fs";
import { CodedError } from "../error.ts";

const LINES_MAX = 10_000; // people and programs; more belong to an issuer of tokens
const CHARACTERS_MAX = 4 << 20; // ten thousand lines of 400

/**
 * What `parse` makes of each line; lines that are empty or begin with # are left out.
 *
 * @param setting the setting that names the file
 * @param form what a line has to be, for errors
 * @throws CodedError INVALID_ARGUMENT / CREDENTIALS_FILE with the line's number, never with what stands there
 */
export function readLines<T>(setting: string, path: string, form: string, parse: (line: string) => T | undefined): T[] {
  const wrong = (what: string) =>
    new CodedError("INVALID_ARGUMENT", "CREDENTIALS_FILE", `${setting}: the file ${path} ${what}`);
  let content: string;
  try {
    content = readFileSync(path, "utf8");
  } catch (thrown) {
    throw wrong(`cannot be read (${(thrown as NodeJS.ErrnoException).code ?? "unknown"})`);
  }
  if (content.length > CHARACTERS_MAX) {
    throw wrong(`has ${content.length} characters, over the maximum of ${CHARACTERS_MAX}`);
  }
  const parsed: T[] = [];
  for (const [index, text] of content.split(/\r?\n/).entries()) {
    const line = text.trim();
    if (line === "" || line.startsWith("#")) continue;
    const value = parse(line);
    if (value === undefined) throw wrong(`has a line ${index + 1} that is not ${form}`);
    parsed.push(value);
    if (parsed.length > LINES_MAX) throw wrong(`has more than ${LINES_MAX} lines with credentials`);
  }
  if (parsed.length === 0) throw wrong(`is empty: write a line ${form}`);
  return parsed;
}
