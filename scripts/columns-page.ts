/** docs/columns.md: every column of both datasets and their schema versions, from proto/schemas/, with a value from the sample ledgers. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BatchEncoder } from "../src/columns/batch-encoder.ts";
import { describeSchema, type FieldDescription } from "../src/columns/schema-description.ts";
import { toNdjson } from "../src/columns/text.ts";
import { splitBatch } from "../src/ledger/batch.ts";
import { LedgerDecoder } from "../src/ledger/decoder.ts";
import { detectNetwork } from "../src/ledger/network.ts";
import { RowSet } from "../src/ledger/row-set.ts";
import type { Dataset } from "../src/vocabulary/dataset.ts";
import type { SchemaVersion } from "../src/vocabulary/schema-version.ts";

const root = join(import.meta.dir, "..");
const EXAMPLE_LENGTH_MAX = 60; // a table's cell; longer values are cut in the middle
const LAKES = ["sample/lake", "sample/balances"];
/** A row of the sample that has most columns: a balance of a known asset. */
const TELLING_KEY_HASH = "1316167afa9beff5c7d68d953a4abb31c7aa37330a6b92c3d7d074f14c0814f3";

const INTRODUCTION = `# Columns

There are two datasets. A row of \`contract_data\`, which is meant where none is named, is one change to one contract-data
entry; a row of [\`ttl\`](#dataset-ttl) is one change to how long an entry lives. A stream of contract data has schema
version 1 (the original's columns) unless its session or ticket asks for version 2. Version 2 has version 1's columns in
their places, and more behind them. This page is made from \`proto/schemas/\` by \`bun scripts/generate-docs.ts\`; examples are values of the sample ledgers, long ones cut
in the middle.
`;

const BALANCES = `## Balances

An entry is a balance where its key is \`Vec[Symbol("Balance"), Address]\` and its value has one of two shapes, which
\`balance_kind\` tells apart:

| balance_kind | value | durability | where it counts |
|---|---|---|---|
| \`asset_contract\` | \`Map{amount: i128, authorized: bool, clawback: bool}\`, these three in this order, amount at least 0 | any | version 1, for holders that are contracts; version 2, for every holder |
| \`token\` | \`i128\` alone, at least 0 | persistent | version 2, but not with \`COMPAT=go\` |

Stellar Asset Contracts write the first. The second is what the Rust SDK makes of \`Balance(Address)\` in a
\`#[contracttype]\` enum with an \`i128\` under it. Published SEP-41 tokens keep their balances so: the token of
soroban-examples and what is made after it (the pair tokens of Soroswap, the share tokens of Aquarius, Blend's
b-tokens), and the fungible token of OpenZeppelin's stellar-contracts with its extensions (vaults too).

Neither shape can be taken for the other, or another entry for one of them: types, counts, symbols and sizes of key and
value are all compared. So none of these is a balance:

- another symbol (\`balance\`, \`Balances\`), a string for the symbol, or no address behind it;
- a key of more parts, as tokens of many kinds have it (\`Balance(Address, id)\`);
- an amount of another type: \`u32\`, which non-fungible tokens count in, \`u64\`, \`u128\`, \`i64\`;
- an \`i128\` inside a vec or another map, or in an instance's storage;
- an allowance, which has a key of its own, and whatever a token keeps for a while only (temporary);
- a negative amount, which no token has.

What a shape does not say is what the contract is. Any contract may write such an entry: a vault that keeps deposits as
\`i128\` under \`Balance(Address)\` has balances here, in its own unit. \`is_sac\` is true where the contract is proven to be an
asset's; whether another one has the interface of SEP-41, and how many decimals, its entries do not tell.

An evicted entry has its key alone, so it has a holder, and neither amount nor kind. The filters by holder and by least
balance select balances of both kinds; \`balances\` selects all rows that have a \`balance_holder\`, and nothing else.
`;

const TTL = `Each change of a TTL entry is a row: in its transaction and operation, as core's meta has it, in the order of
contract_data's rows (inside one list of changes by the hash of the key). \`change_index\` counts these rows alone, so a
cursor of \`ttl\` is one of \`ttl\`, and no other dataset takes it.

| change_type | what has happened | live_until_ledger | live_until_before |
|---|---|---|---|
| \`created\` | with its entry | as set | null |
| \`extended\` | by ExtendFootprintTTL, or by a contract's own call | as set | as it was |
| \`removed\` | with its entry | null | as it was |
| \`restored\` | with its entry, back from the archive | as set | null |
| \`evicted\` | its key is among the ledger's evicted keys | null | null |

An entry is live up to \`live_until_ledger\`, that ledger included. What expires makes no row: a reader of both datasets
folds the rows by \`ledger_key_hash\`, and compares with the ledger that it has come to. An evicted key's row is the ledger's
own: no transaction, \`transaction_order\` 4294967295, last in its ledger, \`change_index\` counted with that of upgrades.

\`contract_id\`, \`key_xdr\` and \`contract_durability\` are there where the same ledger has a change of that entry which
contract_data has a row for (before filters), or its evicted key. They are null on entries that only live longer, on code of
contracts and on nonces: \`ledger_key_hash\` finds those in contract_data's rows. What earlier ledgers told is not kept, so that
a row is the same wherever its reader began.

Filters and \`COMPAT\` are about contract data: \`ttl\` has all its rows in any case. Partitions and shards of \`ttl\` go by the
key's hash. It has schema version 1 alone, beside either version of contract data, and no dictionaries.
`;

type Row = Readonly<Record<string, unknown>>;

/** The page's text. */
export function columnsPage(): string {
  const versions = ([1, 2] as const).map((version) => section(`Schema version ${version}`, version));
  const ttl = section("Dataset ttl", 1, "ttl");
  return [INTRODUCTION, ...versions, BALANCES, compatibility(), `${ttl}\n${TTL}`].join("\n");
}

/** What readers of a version may rely on; test/columns/compatibility.test.ts holds it against rows. */
function compatibility(): string {
  const [one, two] = [describeSchema(1), describeSchema(2)];
  const changed = one.fields.flatMap((before, index) => {
    const after = two.fields[index]!;
    const [was, is] = [before, after].map((field) => `${typeOf(field)}${field.nullable ? ", null" : ""}`);
    return was === is ? [] : [`| \`${before.name}\` | ${was} | ${is} |`];
  });
  return `## Compatibility

Version 1 stays as it is: its columns, and which rows and values there are, are for good.

Version 2 may grow, in these ways alone: a column comes behind the last one; a dictionary gets a word behind its last one; a
column that had no null may have nulls; a value comes where there was null, since more is understood (as the balances of
tokens were). Names, places, types, dictionary numbers and the natural key are for good. So read columns by their names, and
pass over those that you do not know. A change of any other kind is a new version; \`proto/schemas/\` is what the build
compares with.

From version 1 to version 2: all columns of version 1 are in version 2, with the same names in the same places. Without
filters all rows of version 1 are rows of version 2, in the same order; version 2 also has evicted entries. A cursor holds in
both. These columns have another type:

| name | version 1 | version 2 |
|---|---|---|
${changed.join("\n")}

Version 2 without dictionaries (\`dictionaries\` false in a ticket or in StartProcessing, or \`DICTIONARIES=false\` for all that
do not say) differs in the Arrow type of ${two.fields.filter(({ dictionary }) => dictionary !== undefined).length} columns alone: their words are utf8. It is for readers that
have none: the Flight client of Apache Arrow for .NET refuses dictionary batches. Version 1 has none in any case.

Values are the same, but that \`asset_code\`, \`asset_issuer\`, \`asset_type\`, \`balance_holder\` and \`balance\` have some
where version 1 has null: on balances of other holders and of tokens, over 63 bits, and of known assets.
`;
}

function section(title: string, version: SchemaVersion, dataset: Dataset = "contract_data"): string {
  const { fields, natural_key } = describeSchema(version, dataset);
  const rows = sampleRows(version, dataset);
  const key =
    natural_key.length === 0
      ? "No set of columns identifies a row: two changes of one entry in one ledger may differ in their values alone."
      : `${natural_key.map((name) => `\`${name}\``).join(", ")} together identify a row, are never null, and make a primary key.`;
  const lines = fields.map((field, index) => {
    const cells = [String(index), `\`${field.name}\``, typeOf(field), field.nullable ? "yes" : "no", field.description];
    return `| ${[...cells, exampleOf(field, rows)].join(" | ")} |`;
  });
  const head = "| # | name | Arrow type | null | meaning | example |\n|---|---|---|---|---|---|";
  return `## ${title}\n\n${key}\n\n${head}\n${lines.join("\n")}\n`;
}

function typeOf({ type, dictionary }: FieldDescription): string {
  return dictionary === undefined ? type : `${type} in a dictionary of ${dictionary.index_type}`;
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
function sampleRows(version: SchemaVersion, dataset: Dataset): Row[] {
  const rows = LAKES.flatMap(lakeFiles).flatMap((file) => rowsOf(file, version, dataset));
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

function rowsOf(file: string, schemaVersion: SchemaVersion, dataset: Dataset): Row[] {
  const batch = Bun.zstdDecompressSync(readFileSync(file));
  return [...splitBatch(batch)].flatMap(({ bytes }) => {
    const networkPassphrase = detectNetwork(bytes);
    if (networkPassphrase === undefined) return []; // a ledger without a transaction has no row
    const encoder = new BatchEncoder({ dataset, schemaVersion, networkPassphrase });
    const rows = new RowSet();
    const options = { networkPassphrase, compat: "default", ...encoder.decoderOptions } as const;
    new LedgerDecoder(options).decode(bytes, rows);
    const lines = toNdjson(encoder.columns, rows).split("\n").filter(Boolean);
    return lines.map((line) => JSON.parse(line) as Row);
  });
}
