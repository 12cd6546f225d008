/**
 * A range of ledgers as a ticket or a CMD descriptor says it, in JSON:
 *
 * `{"start_ledger":…,"end_ledger":…,"dataset":"contract_data|ttl","filters":{…},"columns":[…],"schema_version":1|2,"dictionaries":true,"batch_size":…,
 *   "compression":"none|lz4|zstd","assets":["CODE:G…"],"endpoints":…,"shard":{"index":…,"count":…},"from":<cursor>}`
 *
 * or in the legacy text `contract_data:<start>:<end>:<filter_json>`. The tickets that GetFlightInfo gives out carry two
 * keys more: `range`, by which the flight can be cancelled, and `expires_at`. `partitions` is the older name of `endpoints`.
 */

import { checkLedgers, withDefaults } from "../engine/range-desk.ts";
import { CodedError } from "../error.ts";
import { LEDGER_SEQUENCE_MAX } from "../ledger/terms.ts";
import { checkedFilter } from "../sessions/filters.ts";
import { checkCursorDataset, comparePositions, decodeCursor, encodeCursor } from "../threads/cursor.ts";
import type { ChangeType } from "../vocabulary/change-type.ts";
import { COMPRESSIONS, type Compression } from "../vocabulary/compression.ts";
import { DATASET_DEFAULT, DATASETS, type Dataset } from "../vocabulary/dataset.ts";
import { FILTER_KINDS, LIST_KINDS } from "../vocabulary/filter-kinds.ts";
import type { Partition } from "../vocabulary/partition.ts";
import type { Position } from "../vocabulary/position.ts";
import type { FilterRecord } from "../vocabulary/row-filter.ts";
import type { SchemaVersion } from "../vocabulary/schema-version.ts";
import { checkedAssets } from "../xdr/sep11.ts";
import { JsonObject } from "./json-object.ts";

/** What a ticket or CMD descriptor in the legacy text form begins with. */
export const LEGACY_RANGE_PREFIX = "contract_data:";
const BATCH_ROWS_MAX = 1_000_000; // as BATCH_SIZE
/** Endpoints of one FlightInfo: a message of some 300 kB. */
export const ENDPOINTS_MAX = 1024;
const RANGE_ID_LENGTH_MAX = 64; // ours are UUIDs
const SHARDS_MAX = 65_536; // as the filter's
/** Bytes of filters that all tickets of a FlightInfo pin together: a quarter of the message that clients accept by default. */
const PINNED_BYTES_MAX = 1 << 20;
const FILTER_EXAMPLE = '{"contract_ids":["C…"],"include_deleted":true}';

/** What a session or a range is encoded with. */
export interface Encoding {
  schemaVersion: SchemaVersion;
  /** Absent: all. */
  columns?: string[];
  /** Whether schema version 2 has dictionaries; absent: the server's choice. */
  dictionaries?: boolean;
  /** 0 = the server's choice. */
  batchRows: number;
  compression: Compression;
}

/** A parsed and checked range, or one part of it. Both ledgers are inclusive. */
export interface RangeTicket extends Encoding {
  dataset: Dataset;
  ledgerStart: number;
  /** Inclusive; 0 = follows the source for ever. */
  ledgerEnd: number;
  /** Absent: what the server selects by default. */
  filter?: FilterRecord;
  /** Known beside the server's KNOWN_ASSETS, as SEP-11 writes them. */
  assets?: string[];
  /** How many GetFlightInfo answers with. */
  endpoints: number;
  shard?: Partition;
  /** Where to go on; absent: at the start. */
  from?: Position;
  /** Id of the flight that the ticket belongs to. */
  id?: string;
  expiresAtUnixMs?: number;
}

/** Keys that say how batches are to be encoded. Absent ones stay absent. */
export function takeEncoding(json: JsonObject): Partial<Encoding> {
  return {
    schemaVersion: json.integer("schema_version", 1, 1000) as SchemaVersion | undefined,
    columns: json.texts("columns"),
    dictionaries: json.boolean("dictionaries"),
    batchRows: json.integer("batch_size", 0, BATCH_ROWS_MAX),
    compression: json.oneOf("compression", COMPRESSIONS),
  };
}

/** @throws CodedError INVALID_ARGUMENT naming the key */
export function takeRange(json: JsonObject): RangeTicket {
  const ledgerStart = json.integer("start_ledger", 1, LEDGER_SEQUENCE_MAX);
  const ledgerEnd = json.integer("end_ledger", 0, LEDGER_SEQUENCE_MAX);
  if (ledgerStart === undefined) throw json.missing("start_ledger", "the first ledger");
  if (ledgerEnd === undefined) {
    throw json.missing("end_ledger", "the last ledger, inclusive, or 0 to follow the source for ever");
  }
  checkLedgers(ledgerStart, ledgerEnd);
  const dataset = takeDataset(json);
  const encoding = takeEncoding(json);
  const shard = takeShardKey(json);
  const filterJson = json.object("filters", FILTER_EXAMPLE);
  if (filterJson !== undefined && dataset !== DATASET_DEFAULT) {
    throw json.wrong("filters", `left out: they are of ${DATASET_DEFAULT}, and the dataset is ${dataset}`);
  }
  const filter = filterJson === undefined ? undefined : takeFilter(filterJson);
  const assets = json.texts("assets");
  const endpoints = takeEndpoints(json, ledgerEnd);
  const from = json.text("from");
  const range: RangeTicket = {
    dataset,
    ledgerStart,
    ledgerEnd,
    filter,
    assets: assets === undefined ? undefined : checkedAssets(assets, "assets", ` in the ${json.what}`),
    columns: encoding.columns,
    schemaVersion: encoding.schemaVersion ?? 1,
    dictionaries: encoding.dictionaries,
    batchRows: encoding.batchRows ?? 0,
    compression: encoding.compression ?? "none",
    endpoints,
    shard,
    from: from === undefined || from === "start" ? undefined : takeRangeCursor(from, dataset),
    id: takeRangeId(json),
    expiresAtUnixMs: json.integer("expires_at", 0, Number.MAX_SAFE_INTEGER),
  };
  json.end();
  checkFrom(range);
  return range;
}

/** `endpoints`, or `partitions` by its older name. */
function takeEndpoints(json: JsonObject, ledgerEnd: number): number {
  const older = json.integer("partitions", 1, ENDPOINTS_MAX);
  const endpoints = json.integer("endpoints", 1, ENDPOINTS_MAX);
  const name = endpoints === undefined ? "partitions" : "endpoints";
  if (older !== undefined && endpoints !== undefined && older !== endpoints) {
    throw json.wrong("partitions", `left out: it is the older name of "endpoints", which is ${endpoints}`);
  }
  const count = endpoints ?? older ?? 1;
  if (count > 1 && ledgerEnd === 0) throw json.wrong(name, "1 where end_ledger is 0");
  return count;
}

/** `contract_data:<start>:<end>:<filter_json>`; the filter may be missing. @throws CodedError INVALID_ARGUMENT */
export function parseLegacyRange(text: string, what: string): RangeTicket {
  const match = /^contract_data:(\d{1,10}):(\d{1,10})(?::(.*))?$/s.exec(text);
  if (match === null) {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "TICKET_INVALID",
      `the ${what} begins like contract_data:<start_ledger>:<end_ledger>:<filter_json> and does not go on like it`,
    );
  }
  const [, start, end, filter] = match;
  const ledgerStart = Number(start);
  const ledgerEnd = Number(end);
  checkLedgers(ledgerStart, ledgerEnd);
  return {
    dataset: DATASET_DEFAULT,
    ledgerStart,
    ledgerEnd,
    filter: filter ? takeFilter(JsonObject.parse(filter, `filter of the ${what}`, FILTER_EXAMPLE)) : undefined,
    schemaVersion: 1,
    batchRows: 0,
    compression: "none",
    endpoints: 1,
  };
}

/** The ticket in its JSON form. */
export function rangeTicketOf(range: RangeTicket): Uint8Array {
  return Buffer.from(
    JSON.stringify({
      start_ledger: range.ledgerStart,
      end_ledger: range.ledgerEnd,
      dataset: range.dataset === DATASET_DEFAULT ? undefined : range.dataset,
      filters: range.filter === undefined ? undefined : filterJson(range.filter),
      assets: range.assets,
      columns: range.columns,
      schema_version: range.schemaVersion,
      dictionaries: range.dictionaries,
      batch_size: range.batchRows === 0 ? undefined : range.batchRows,
      compression: range.compression === "none" ? undefined : range.compression,
      shard: range.shard,
      from: range.from === undefined ? undefined : encodeCursor(range.from, { dataset: range.dataset }),
      range: range.id,
      expires_at: range.expiresAtUnixMs,
    }),
  );
}

/** Cancelled flights are remembered by it. */
function takeRangeId(json: JsonObject): string | undefined {
  const id = json.text("range");
  if (id !== undefined && id.length > RANGE_ID_LENGTH_MAX) {
    throw json.wrong("range", `the id that GetFlightInfo gave, at most ${RANGE_ID_LENGTH_MAX} characters`);
  }
  return id;
}

/**
 * The range with the server's defaults written into it, so that its tickets mean the same rows when the defaults are
 * others. A default filter of many values, which would make its tickets together larger than PINNED_BYTES_MAX, stays
 * the server's to know.
 */
export function pinned(range: RangeTicket, defaults: FilterRecord): RangeTicket {
  if (range.dataset !== DATASET_DEFAULT) return range; // it has no filters
  const filter = withDefaults(range.filter, defaults);
  const bytes = JSON.stringify(filterJson(filter)).length * range.endpoints;
  return range.filter === undefined && bytes > PINNED_BYTES_MAX ? range : { ...range, filter };
}

/** The filter with the shard in it. */
export function filterOfRange({ filter, shard }: RangeTicket): FilterRecord | undefined {
  return shard === undefined ? filter : { ...filter, shard };
}

/**
 * Consecutive parts of the range, at most as many as asked for and as there are ledgers; their rows, in that order,
 * are the range's.
 */
export function partsOf(range: RangeTicket): RangeTicket[] {
  const { ledgerStart, ledgerEnd, from } = range;
  const start = from?.ledger ?? ledgerStart;
  const ledgers = ledgerEnd - start + 1;
  const count = Math.max(1, Math.min(range.endpoints, ledgers));
  if (count === 1) return [{ ...range, endpoints: 1 }];
  return Array.from({ length: count }, (_, part) => ({
    ...range,
    endpoints: 1,
    ledgerStart: start + Math.floor((ledgers * part) / count),
    ledgerEnd: start + Math.floor((ledgers * (part + 1)) / count) - 1,
    from: part === 0 ? from : undefined,
  }));
}

/** The filters of a ticket, or of a request in its terms. @throws CodedError INVALID_ARGUMENT naming the key or the value */
export function takeFilter(json: JsonObject): FilterRecord {
  const filter: FilterRecord = {};
  for (const { key, name } of LIST_KINDS) {
    const values = json.texts(key);
    if (values !== undefined) filter[name] = values as string[] & ChangeType[];
  }
  filter.durability = json.oneOf("durability", ["temporary", "persistent"]);
  filter.includeDeleted = json.boolean("include_deleted");
  filter.balances = json.boolean("balances");
  const least = json.take("min_balance");
  if (least !== undefined) {
    // as decimal text where it is beyond what JSON numbers hold exactly
    if (!(typeof least === "number" ? Number.isSafeInteger(least) && least >= 0 : isDecimal(least))) {
      throw json.wrong("min_balance", "an integer of at least 0, as a number or as decimal text");
    }
    filter.balanceMin = String(least);
  }
  filter.modifiedAfterLedger = json.integer("modified_after_ledger", 0, LEDGER_SEQUENCE_MAX);
  json.end();
  checkedFilter(filter); // as a session's; what is left out stays the server's to decide
  return filter;
}

function filterJson(filter: FilterRecord): Record<string, unknown> {
  return Object.fromEntries(FILTER_KINDS.map(({ key, name }) => [key, filter[name]]));
}

/** `"dataset":"ttl"`; absent: contract data. */
export function takeDataset(json: JsonObject): Dataset {
  return json.oneOf("dataset", DATASETS) ?? DATASET_DEFAULT;
}

/** `"shard":{"index":…,"count":…}` where it is given. */
export function takeShardKey(json: JsonObject): Partition | undefined {
  const shard = json.object("shard", '{"index":0,"count":4}');
  return shard === undefined ? undefined : takeShard(shard);
}

function takeShard(json: JsonObject): Partition {
  const count = json.integer("count", 1, SHARDS_MAX);
  if (count === undefined) throw json.missing("count", "the number of shards");
  const index = json.integer("index", 0, count - 1);
  if (index === undefined) throw json.missing("index", `the shard's number, 0 to ${count - 1}`);
  json.end();
  return { index, count };
}

function takeRangeCursor(text: string, dataset: Dataset): Position {
  const cursor = decodeCursor(text);
  checkCursorDataset(cursor, dataset);
  const { ledger, row, partition } = cursor;
  if (partition === undefined) return { ledger, row };
  throw new CodedError(
    "INVALID_ARGUMENT",
    "CURSOR_OF_PARTITION",
    `the cursor is of partition ${partition.index} of the ${partition.count} of a session, and this is a range: use the session's ticket`,
  );
}

function isDecimal(value: unknown): boolean {
  return typeof value === "string" && /^\d+$/.test(value);
}

function checkFrom({ from, ledgerStart, ledgerEnd }: RangeTicket): void {
  if (from === undefined) return;
  // right after the last ledger is a range that has been read to its end: it is empty, and no error
  const last = ledgerEnd === 0 ? LEDGER_SEQUENCE_MAX : ledgerEnd + 1;
  if (from.ledger < ledgerStart || comparePositions(from, { ledger: last, row: 0 }) > 0) {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "CURSOR_OUTSIDE_RANGE",
      `the cursor is at ledger ${from.ledger}, and the range is ${ledgerStart} to ${ledgerEnd}: go on with it in the range that it came from`,
    );
  }
}
