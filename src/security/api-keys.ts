/**
 * API keys: random bearer tokens that do not expire. The file has a line `name:sha256:<hex>` for each. A key has 256 random
 * bits, so a fast hash keeps it as well as a slow one would, and looking one up by its hash takes the same time whatever
 * was sent.
 */
import { createHash, randomBytes } from "node:crypto";
import { NAME } from "../config/credentials.ts";
import { readLines } from "./line-file.ts";

const KEY_BYTES = 32; // not to be guessed
/** What every API key begins with: scanners of leaked secrets know one by it. */
export const API_KEY_PREFIX = "cdp_";
const LINE = /^([^:]+):sha256:([0-9a-f]{64})$/;

/** A name, and the hash of a key of that name. */
export interface ApiKey {
  name: string;
  /** Hexadecimal. */
  sha256: string;
}

/** SHA-256 in hexadecimal. */
export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** A new key, and the line of API_KEYS_FILE that lets it in under that name. */
export function newApiKey(name: string): { key: string; line: string } {
  const key = `${API_KEY_PREFIX}${randomBytes(KEY_BYTES).toString("base64url")}`;
  return { key, line: `${name}:sha256:${sha256(key)}` };
}

/** The keys of a file; a name may have several. @throws CodedError INVALID_ARGUMENT / CREDENTIALS_FILE */
export function readApiKeys(setting: string, path: string): ApiKey[] {
  const names = new Map<string, string>();
  const form = "name:sha256:hash, as the command api-key writes it, with a hash that no other name has";
  return readLines(setting, path, form, (line) => {
    const [, name, sha256] = LINE.exec(line) ?? [];
    if (name === undefined || sha256 === undefined || !NAME.test(name)) return undefined;
    if ((names.get(sha256) ?? name) !== name) return undefined; // whose key would it be?
    names.set(sha256, name);
    return { name, sha256 };
  });
}
