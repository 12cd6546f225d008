/** Cases that once found something: JSON files in cases/, each run again by fuzz.test.ts. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { FuzzCase } from "./cases.ts";

const FOLDER = new URL("cases/", import.meta.url);

export interface KeptCase extends FuzzCase {
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
}

/** Writes a case to keep; the path of the file. */
export function keepCase(name: string, { description, passphrase, bytes }: FuzzCase, found: string): string {
  mkdirSync(FOLDER, { recursive: true });
  const stored: Stored = { description, found, passphrase, deflated: deflateRawSync(bytes).toString("base64") };
  const path = fileURLToPath(new URL(`${name}.json`, FOLDER));
  writeFileSync(path, `${JSON.stringify(stored, null, 2)}\n`);
  return path;
}

export function keptCases(): KeptCase[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith(".json"))
    .sort()
    .map((file) => {
      const { deflated, ...rest } = JSON.parse(readFileSync(new URL(file, FOLDER), "utf8")) as Stored;
      const bytes = new Uint8Array(inflateRawSync(Buffer.from(deflated, "base64")));
      return { ...rest, name: file.replace(/\.json$/, ""), bytes };
    });
}
