/** Names and passwords of clients. A password is kept as its digest from the moment that it is read. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { CodedError } from "../error.ts";
import type { SettingType } from "./types.ts";

/** A name, and a hash of its password. */
export interface Credential {
  name: string;
  /** Hexadecimal. */
  passwordSha256: string;
}

/** As a setting gives them: themselves, or where they are. */
type CredentialsSetting = { credentials: Credential[]; file?: undefined } | { file: string };

const CREDENTIALS_MAX = 1000; // people and programs; more belong to a directory of their own
const CREDENTIALS_FILE_BYTES_MAX = 1 << 20; // a thousand lines of a kilobyte
/** What a name of a client may be. */
export const NAME = /^[^:\s#@][^:\s]{0,127}$/; // a colon ends it in the protocol, a # is a comment, an @ a file

/** A credential of a name and a password in clear. */
export function credentialOf(name: string, password: string): Credential {
  return { name, passwordSha256: createHash("sha256").update(password).digest("hex") };
}

/** `name:password` items, or `@` and the path of a file with one a line. */
export const credentialsSetting: SettingType<CredentialsSetting> = {
  name: "credentials",
  accepts: `up to ${CREDENTIALS_MAX} of name:password with different names, separated by commas, or @ and the path of a file with one a line,`,
  parse(text) {
    if (text.startsWith("@")) return text.length > 1 ? { file: text.slice(1) } : undefined;
    const items = text.split(",").map((item) => item.trim());
    const credentials = parsePairs(items.filter((item) => item !== ""));
    return typeof credentials === "number" ? undefined : { credentials };
  },
};

/**
 * The credentials themselves; of a file, lines that are empty or begin with # are left out.
 * @throws CodedError INVALID_ARGUMENT / CREDENTIALS_FILE, with the line's number and never with what stands there
 */
export function readCredentials(setting: CredentialsSetting, name: string): Credential[] {
  if (setting.file === undefined) return setting.credentials;
  const wrong = (what: string) =>
    new CodedError("INVALID_ARGUMENT", "CREDENTIALS_FILE", `${name}: the file ${setting.file} ${what}`);
  let content: string;
  try {
    content = readFileSync(setting.file, "utf8");
  } catch (thrown) {
    throw wrong(`cannot be read (${(thrown as NodeJS.ErrnoException).code ?? "unknown"})`);
  }
  if (content.length > CREDENTIALS_FILE_BYTES_MAX) {
    throw wrong(`has ${content.length} characters, over the maximum of ${CREDENTIALS_FILE_BYTES_MAX}`);
  }
  const lines = content
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .map((line) => (line.startsWith("#") ? "" : line));
  const credentials = parsePairs(lines);
  if (typeof credentials === "number") {
    throw wrong(
      `has a line ${credentials + 1} that is not name:password, or a name twice, or more than ${CREDENTIALS_MAX} names`,
    );
  }
  if (credentials.length === 0) throw wrong("has no name:password in it");
  return credentials;
}

/** The index of the first that is wrong; empty ones are left out. */
function parsePairs(pairs: readonly string[]): Credential[] | number {
  const byName = new Map<string, Credential>();
  for (const [index, pair] of pairs.entries()) {
    if (pair === "") continue;
    const colon = pair.indexOf(":");
    const [name, password] = [pair.slice(0, colon), pair.slice(colon + 1)];
    if (colon < 0 || !NAME.test(name) || password === "" || byName.has(name)) return index;
    if (byName.size === CREDENTIALS_MAX) return index;
    byName.set(name, credentialOf(name, password));
  }
  return [...byName.values()];
}
