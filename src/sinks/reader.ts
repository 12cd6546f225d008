/** What a consumer reads, and the name under which a sink keeps its cursor. */
import { createHash } from "node:crypto";
import { DATASET_DEFAULT, type Dataset } from "../vocabulary/dataset.ts";

const DIGEST_CHARACTERS = 12; // 48 bits: nobody has millions of filters in one table

/** A session, or one partition of it. Rows of contract_data have to be of schema version 2. */
export interface SessionSelection {
  session: string;
  /** Absent: contract_data. */
  dataset?: Dataset;
  /** Which partition, where the session has several. */
  shard?: { index: number; count: number };
}

/** A range of ledgers, both inclusive, as docs/flight.md has it; `end_ledger` 0 follows the source for ever. */
export interface RangeSelection {
  /** Absent: contract_data; others have no filters. */
  dataset?: Dataset;
  start_ledger: number;
  end_ledger: number;
  filters?: Readonly<Record<string, unknown>>;
  /** Assets that are known from the start, as SEP-11 writes them. */
  assets?: readonly string[];
  columns?: readonly string[];
  batch_size?: number;
}

/** What is read. */
export type Selection = SessionSelection | RangeSelection;

/**
 * The reader's name: `session <id>`, `session <id> partition 0 of 2`, `ledgers 1-100`, `ledgers 1- filters 5f1a2c0e6d0b`;
 * `ttl of ` stands before that of a reader of ttl.
 * Selections that give the same rows have the same name, whatever their columns and batches.
 */
export function readerOf(selection: Selection): string {
  const { dataset = DATASET_DEFAULT } = selection;
  return dataset === DATASET_DEFAULT ? readerOfRows(selection) : `${dataset} of ${readerOfRows(selection)}`;
}

function readerOfRows(selection: Selection): string {
  if ("session" in selection) {
    const { session, shard } = selection;
    return `session ${session}${shard === undefined ? "" : ` partition ${shard.index} of ${shard.count}`}`;
  }
  const { start_ledger: first, end_ledger: last, filters = {}, assets = [] } = selection;
  const name = `ledgers ${first}-${last === 0 ? "" : last}`;
  const chosen = Object.entries(filters).filter(([key, value]) => value !== undefined && key !== "include_deleted");
  if (chosen.length === 0 && assets.length === 0) return name;
  const text = JSON.stringify([chosen.sort(([a], [b]) => (a < b ? -1 : 1)), assets]);
  return `${name} filters ${createHash("sha256").update(text).digest("hex").slice(0, DIGEST_CHARACTERS)}`;
}

/** The ticket that goes on at `from`; contract_data in schema version 2, which others do not have. */
export function ticketFrom(selection: Selection, from: string): Uint8Array {
  const { dataset = DATASET_DEFAULT } = selection;
  const version = dataset === DATASET_DEFAULT ? { schema_version: 2 } : {};
  return Buffer.from(JSON.stringify({ ...selection, ...version, from }));
}
