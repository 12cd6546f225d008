/** docs/columns.md: every column of both schema versions, from proto/schemas/, with a value from the sample ledgers. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BatchEncoder } from "../src/columns/batch-encoder.ts";
import { describeSchema, type FieldDescription } from "../src/columns/schema-description.ts";
import { toNdjson } from "../src/columns/text.ts";
import { splitBatch } from "../src/ledger/batch.ts";
import { LedgerDecoder } from "../src/ledger/decoder.ts";
import { detectNetwork } from "../src/ledger/network.ts";
import { RowSet } from "../src/ledger/row-set.ts";
import type { SchemaVersion } from "../src/vocabulary/schema-version.ts";

const root = join(import.meta.dir, "..");
const EXAMPLE_LENGTH_MAX = 60; // a table's cell; longer values are cut in the middle
const LAKES = ["sample/lake", "sample/balances"];
/** A row of the sample that has most columns: a balance of a known asset. */
const TELLING_KEY_HASH = "1316167afa9beff5c7d68d953a4abb31c7aa37330a6b92c3d7d074f14c0814f3";

const INTRODUCTION = `# Columns

Every row is one change to one contract-data entry. A stream has schema version 1 (the original's columns) unless its
session or ticket asks for version 2. Version 2 has version 1's columns in their places, and more behind them. This page
is made from \`proto/schemas/\` by \`bun scripts/generate-docs.ts\`; examples are values of the sample ledgers, long ones cut
in the middle.
`;

type Row = Readonly<Record<string, unknown>>;

/** The page's text. */
export function columnsPage(): string {
  return [INTRODUCTION, ...([1, 2] as const).map(section)].join("\n");
}

function section(version: SchemaVersion): string {
  const { fields, natural_key } = describeSchema(version);
  const rows = sampleRows(version);
  const key =
    natural_key.length === 0
      ? "No set of columns identifies a row: two changes of one entry in one ledger may differ in their values alone."
      : `${natural_key.map((name) => `\`${name}\``).join(", ")} together identify a row, are never null, and make a primary key.`;
  const lines = fields.map((field, index) => {
    const type =
      field.dictionary === undefined ? field.type : `${field.type} in a dictionary of ${field.dictionary.index_type}`;
    const cells = [String(index), `\`${field.name}\``, type, field.nullable ? "yes" : "no", field.description];
    return `| ${[...cells, exampleOf(field, rows)].join(" | ")} |`;
  });
  const head = "| # | name | Arrow type | null | meaning | example |\n|---|---|---|---|---|---|";
  return `## Schema version ${version}\n\n${key}\n\n${head}\n${lines.join("\n")}\n`;
}

function exampleOf({ name }: FieldDescription, rows: readonly Row[]): string {
  const value = rows.find((row) => row[name] !== null)?.[name];
  if (value === undefined) return "none in the sample";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const half = EXAMPLE_LENGTH_MAX / 2;
  const cut = text.length <= EXAMPLE_LENGTH_MAX ? text : `${text.slice(0, half)}…${text.slice(-half)}`;
  return `\`${cut.replaceAll("|", "\\|")}\``;
}

/** All rows of the sample as JSON objects, the telling one first. */
function sampleRows(version: SchemaVersion): Row[] {
  const rows = LAKES.flatMap(lakeFiles).flatMap((file) => rowsOf(file, version));
  return rows.sort(
    (a, b) => Number(b.ledger_key_hash === TELLING_KEY_HASH) - Number(a.ledger_key_hash === TELLING_KEY_HASH),
  );
}

function lakeFiles(lake: string): string[] {
  return readdirSync(join(root, lake), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".zst"))
    .sort()
    .reverse() // a lake's names are inverted: the newest ledger comes first
    .map((name) => join(root, lake, name));
}

function rowsOf(file: string, schemaVersion: SchemaVersion): Row[] {
  const batch = Bun.zstdDecompressSync(readFileSync(file));
  return [...splitBatch(batch)].flatMap(({ bytes }) => {
    const networkPassphrase = detectNetwork(bytes);
    if (networkPassphrase === undefined) return []; // a ledger without a transaction has no row
    const encoder = new BatchEncoder({ schemaVersion, networkPassphrase });
    const rows = new RowSet();
    const options = { networkPassphrase, compat: "default", ...encoder.decoderOptions } as const;
    new LedgerDecoder(options).decode(bytes, rows);
    const lines = toNdjson(encoder.columns, rows).split("\n").filter(Boolean);
    return lines.map((line) => JSON.parse(line) as Row);
  });
}
