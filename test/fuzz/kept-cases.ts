/** Cases that once found something: JSON files in cases/, each run again by fuzz.test.ts. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { FuzzCase } from "./cases.ts";

const FOLDER = new URL("cases/", import.meta.url);

interface KeptCase extends FuzzCase {
  name: string;
  /** What it found when it was kept. */
  found: string;
}

interface Stored {
  description: string;
  found: string;
  passphrase: string;
  /** The ledger's bytes: raw deflate, base64. */
  deflated: string;
  /** Those of the ledgers before it. */
  deflatedBefore?: string[];
}

const deflate = (bytes: Uint8Array): string => deflateRawSync(bytes).toString("base64");
const inflate = (text: string): Uint8Array => new Uint8Array(inflateRawSync(Buffer.from(text, "base64")));

/** Writes a case to keep; the path of the file. */
export function keepCase(
  name: string,
  { description, passphrase, bytes, before = [] }: FuzzCase,
  found: string,
): string {
  mkdirSync(FOLDER, { recursive: true });
  const stored: Stored = { description, found, passphrase, deflated: deflate(bytes) };
  if (before.length > 0) stored.deflatedBefore = before.map(deflate);
  const path = fileURLToPath(new URL(`${name}.json`, FOLDER));
  writeFileSync(path, `${JSON.stringify(stored, null, 2)}\n`);
  return path;
}

export function keptCases(): KeptCase[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith(".json"))
    .sort()
    .map((file) => {
      const {
        deflated,
        deflatedBefore = [],
        ...rest
      } = JSON.parse(readFileSync(new URL(file, FOLDER), "utf8")) as Stored;
      const name = file.replace(/\.json$/, "");
      return { ...rest, name, bytes: inflate(deflated), before: deflatedBefore.map(inflate) };
    });
}
