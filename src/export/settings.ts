/** What an export is: the settings that its rows and the bytes of its files follow from, and the names of its objects. */
import { createHash } from "node:crypto";
import { CodedError } from "../error.ts";
import { DATASET_DEFAULT, type Dataset } from "../vocabulary/dataset.ts";
import type { LedgerRange } from "../vocabulary/ledger-range.ts";
import type { SchemaVersion } from "../vocabulary/schema-version.ts";
import { EXPORT_COLUMNS, EXPORT_VERSIONS } from "./columns.ts";

const FORMAT = "contract-data-processor export";
const VERSION = 1;
/** Ledgers of a chunk, where nothing else is said: some hours of a network, and a few files. */
export const CHUNK_LEDGERS_DEFAULT = 10_000;
/** Bytes of a row group's values in Arrow: some 100,000 dense rows, which a reader holds at once. */
const ROW_GROUP_BYTES = 64 << 20;
/** Where 16 files are written side by side. */
const BUCKET_ROW_GROUP_BYTES = 16 << 20;
/** A file is ended once the files being written have so many bytes: they wait in memory, since stores take them whole. */
const FILE_BYTES = 64 << 20;
const DIGEST_CHARACTERS = 12; // 48 bits: nobody has millions of exports
const LEDGER_DIGITS = 10; // of 4294967295: names sort as ledgers do

/** How an export's rows are shared out to files. */
export const PARTITIONINGS = ["ledger-range", "contract"] as const;
export type Partitioning = (typeof PARTITIONINGS)[number];

/** What whoever makes an export chooses. */
export interface ExportChoice {
  dataset: Dataset;
  networkPassphrase: string;
  /** As a ticket has them; docs/flight.md. */
  filters: Readonly<Record<string, unknown>>;
  /** Assets that are known from the start, as SEP-11 writes them. */
  knownAssets: readonly string[];
  partitionBy: Partitioning;
  chunkLedgers: number;
}

/** The content of `_export/settings.json`. */
export interface ExportSettings {
  format: typeof FORMAT;
  version: typeof VERSION;
  /** Absent: contract_data. */
  dataset?: Dataset;
  network_passphrase: string;
  schema_version: SchemaVersion;
  columns: readonly string[];
  filters: Readonly<Record<string, unknown>>;
  known_assets: readonly string[];
  partition_by: Partitioning;
  chunk_ledgers: number;
  row_group_bytes: number;
  file_bytes: number;
}

/** Settings of a new export. */
export function settingsOf(choice: ExportChoice): ExportSettings {
  const { dataset } = choice;
  const filters = Object.entries(choice.filters).flatMap(([key, value]) => {
    if (value === undefined || (Array.isArray(value) && value.length === 0)) return [];
    return [[key, Array.isArray(value) ? [...new Set(value)].sort() : value] as const];
  });
  return {
    ...{ format: FORMAT, version: VERSION },
    ...(dataset === DATASET_DEFAULT ? {} : { dataset }), // digests of exports of contract data have never known it
    ...{ network_passphrase: choice.networkPassphrase, schema_version: EXPORT_VERSIONS[dataset] },
    columns: EXPORT_COLUMNS[dataset].map(({ name }) => name),
    filters: Object.fromEntries(filters.sort(([a], [b]) => (a < b ? -1 : 1))),
    known_assets: [...new Set(choice.knownAssets)].sort(),
    partition_by: choice.partitionBy,
    chunk_ledgers: choice.chunkLedgers,
    row_group_bytes: choice.partitionBy === "contract" ? BUCKET_ROW_GROUP_BYTES : ROW_GROUP_BYTES,
    file_bytes: FILE_BYTES,
  };
}

/** What an export's rows are of. */
export function datasetOf({ dataset = DATASET_DEFAULT }: Pick<ExportSettings, "dataset">): Dataset {
  return dataset;
}

/** Keys of an export's own objects. Readers of Parquet pass over what begins with an underscore. */
export const KEYS = {
  own: "_export",
  settings: "_export/settings.json",
  ranges: "_export/ranges",
  chunks: "_export/chunks",
  wholes: "_export/wholes",
  jobs: "_export/jobs",
} as const;

/** JSON as all objects of an export have it: the same value has the same bytes. */
export function jsonBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value, null, 1)}\n`);
}

/** What `settings.json` says. @throws CodedError DATA_LOSS / EXPORT_CHANGED */
export function parseSettings(name: string, bytes: Uint8Array): ExportSettings {
  const settings = parseJson(name, bytes) as ExportSettings;
  const { format, version, chunk_ledgers } = settings;
  if (format === FORMAT && version === VERSION && Number.isInteger(chunk_ledgers) && chunk_ledgers > 0) return settings;
  throw new CodedError("DATA_LOSS", "EXPORT_CHANGED", `${name}: it is no ${FORMAT} of version ${VERSION}`);
}

/** @throws CodedError DATA_LOSS / EXPORT_CHANGED */
export function parseJson(name: string, bytes: Uint8Array): object {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (typeof value === "object" && value !== null) return value;
  } catch {} // the same sentence
  throw new CodedError("DATA_LOSS", "EXPORT_CHANGED", `${name}: it is no JSON object`);
}

/** sha256 as hex. */
export function sha256Hex(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** What tells one export's files from another's: schema, filters, network and all else that rows follow from. */
export function digestOf(settings: ExportSettings): string {
  return sha256Hex(jsonBytes(settings)).slice(0, DIGEST_CHARACTERS);
}

/** `0058750000-0058759999`. */
export function rangeName({ ledgerFirst, ledgerLast }: LedgerRange): string {
  return [ledgerFirst, ledgerLast].map((ledger) => String(ledger).padStart(LEDGER_DIGITS, "0")).join("-");
}

/** The ledgers of a name that begins like `0058750000-0058759999`; undefined where it does not. */
export function parseRangeName(name: string): LedgerRange | undefined {
  const [, first, last] = /^(\d{10})-(\d{10})(?!\d)/.exec(name) ?? [];
  return first === undefined ? undefined : { ledgerFirst: Number(first), ledgerLast: Number(last) };
}

/** Key of a chunk's manifest. */
export function manifestKey(chunk: LedgerRange): string {
  return `${KEYS.chunks}/${rangeName(chunk)}.json`;
}
