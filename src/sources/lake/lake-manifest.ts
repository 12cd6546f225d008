/** The `.config.json` at a lake's root (SEP-54): whose ledgers these are and how they are laid out. */
import { shortened } from "../../base/text.ts";
import { CodedError } from "../../error.ts";
import { LEDGER_SEQUENCE_MAX } from "../limits.ts";

/** Object key of the manifest, relative to the lake's root. */
export const LAKE_MANIFEST_KEY = ".config.json";

/** A real one is under 200 bytes; leave room for keys of later versions. */
export const LAKE_MANIFEST_BYTES_MAX = 64 << 10;

/** What to do where the manifest is damaged. */
const REPAIR = "correct the file, or remove it, since the names of the lake's files tell the layout too";

const VALUE_SHOWN_MAX = 80; // characters of a wrong value that an error repeats

/** A manifest that has been checked; the names are those of its keys. */
export interface LakeManifest {
  networkPassphrase: string;
  /** Version of the manifest's own format: `1.0` so far. */
  version: string;
  /** Extension of the files, `zst`. Other compressions are refused: this reader has no decoder for them. */
  compression: "zst" | "zstd";
  ledgersPerBatch: number;
  batchesPerPartition: number;
}

/**
 * Reads a manifest. Unknown keys are let be (a later 1.x may add some); a missing key, a wrong type or a number that
 * cannot be is an error that names `name` (a path or key, for people), the key, and what stands there.
 * `batchesPerPartition` 0 is read as 1: Galexie takes both as "no partitions".
 * @throws CodedError DATA_LOSS / LAKE_MANIFEST
 */
export function parseLakeManifest(text: string, name: string): LakeManifest {
  if (text.length > LAKE_MANIFEST_BYTES_MAX) {
    throw fault(name, `it has ${text.length} characters, over max ${LAKE_MANIFEST_BYTES_MAX}`);
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (thrown) {
    throw fault(name, `it is not JSON (${thrown instanceof Error ? thrown.message : String(thrown)})`);
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw fault(name, `it must be a JSON object, and is ${describe(parsed)}`);
  }
  const fields = parsed as Record<string, unknown>;
  const networkPassphrase = nonEmpty(fields, "networkPassphrase", name);
  const version = nonEmpty(fields, "version", name);
  if (!/^1(\.\d+)*$/.test(version)) {
    throw fault(
      name,
      `version is "${version}"`,
      "this reader knows 1.x: update it, or check that this is a ledger lake",
    );
  }
  const compression = nonEmpty(fields, "compression", name);
  if (compression !== "zst" && compression !== "zstd") {
    throw fault(name, `compression is "${compression}"`, 'only "zst" can be read: export the lake so');
  }
  const ledgersPerBatch = count(fields, "ledgersPerBatch", name, 1);
  const batchesPerPartition = Math.max(1, count(fields, "batchesPerPartition", name, 0));
  return { networkPassphrase, version, compression, ledgersPerBatch, batchesPerPartition };
}

function nonEmpty(fields: Record<string, unknown>, key: string, name: string): string {
  const value = fields[key];
  if (typeof value !== "string" || value === "") {
    throw fault(name, `${key} must be a non-empty string, and is ${describe(value)}`);
  }
  return value;
}

function count(fields: Record<string, unknown>, key: string, name: string, min: number): number {
  const value = fields[key];
  if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > LEDGER_SEQUENCE_MAX) {
    throw fault(name, `${key} must be a whole number from ${min} to ${LEDGER_SEQUENCE_MAX}, and is ${describe(value)}`);
  }
  return value;
}

function describe(value: unknown): string {
  if (value === undefined) return "missing";
  const text = JSON.stringify(value);
  return shortened(text, VALUE_SHOWN_MAX);
}

function fault(name: string, detail: string, remedy = REPAIR): CodedError {
  return new CodedError("DATA_LOSS", "LAKE_MANIFEST", `the lake manifest ${name} cannot be used: ${detail}: ${remedy}`);
}
