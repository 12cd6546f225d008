/** What a decoder is asked for, and what it tells of each ledger. */
import { CodedError } from "../error.ts";
import type { Compat } from "../vocabulary/compat.ts";
import { DATASET_DEFAULT, DATASETS, type Dataset } from "../vocabulary/dataset.ts";
import type { RowFilter } from "../vocabulary/row-filter.ts";
import type { SchemaVersion } from "../vocabulary/schema-version.ts";
import type { CompiledFilter } from "./filter.ts";
import type { KnownAssets } from "./known-assets.ts";

/** How a LedgerDecoder reads its ledgers. */
export interface DecoderOptions {
  /** Decides the contract ids of assets. */
  networkPassphrase: string;
  compat: Compat;
  /** What rows to make, each once. Default: contract data alone. */
  datasets?: readonly Dataset[];
  /** The version of contract data. Default 1. */
  schemaVersion?: SchemaVersion;
  /** Absent: every row. About rows of `ttl` the shard alone decides, by their key hashes. */
  filter?: RowFilter | CompiledFilter;
  /** False leaves out the key hashes and with them the expirations, for projections that have neither. Default true. */
  keyHash?: boolean;
  /**
   * True finds out which asset each row's contract is of (`RowSet.contractAsset`); a filter by asset needs it and has it
   * anyway. Never in the setting `go`. Default false.
   */
  assets?: boolean;
  /** Assets known beforehand; may grow between ledgers, as its rule says. Absent: the native asset alone. */
  knownAssets?: KnownAssets;
}

/** An asset whose contract's instance was among a ledger's changes. */
export interface LearnedAsset {
  /** As SEP-11 writes it. */
  asset: string;
  ledgerSequence: number;
}

/** What one ledger held. */
export interface LedgerSummary {
  ledgerSequence: number;
  closedAtUnixSeconds: number;
  protocolVersion: number;
  transactions: number;
  /** Ledger entry changes of every type, paired: states are not counted. */
  changes: number;
  /** Changes of contract data. */
  contractDataChanges: number;
  /** Evicted keys of contract data; 0 where they are not looked at (schema version 1). */
  evictedKeys: number;
  /** Rows appended, of all datasets. */
  rows: number;
  /** Rows that the filter left out. */
  rowsFiltered: number;
  /**
   * Places of rows of the first dataset in the ledger (`RowSet.place`), taken or not: every place is below. The number does
   * not depend on the other options.
   */
  places: number;
  /** Contract-data changes that never are rows: nonces, and data of something that is not a contract. */
  noncesDropped: number;
  nonContractsDropped: number;
}

/** @throws CodedError INVALID_ARGUMENT / INVALID_OPTION: another number of row sets was given than of datasets */
export function refuseSets(given: number, datasets: readonly Dataset[]): never {
  throw new CodedError(
    "INVALID_ARGUMENT",
    "INVALID_OPTION",
    `${given} row sets are given: one for each dataset is accepted, ${datasets.join(", ")}`,
  );
}

/**
 * For programs that no type checker has seen: a wrong option must not mean another one.
 *
 * @throws CodedError INVALID_ARGUMENT / INVALID_OPTION with the option, its value and what is accepted
 */
export function checkOptions(options: DecoderOptions): void {
  const { networkPassphrase, compat, datasets = [DATASET_DEFAULT], schemaVersion = 1 } = options;
  const refuse = (option: string, value: unknown, accepted: string): never => {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "INVALID_OPTION",
      `${option} is ${JSON.stringify(value) ?? typeof value}: ${accepted} is accepted`,
    );
  };
  if (typeof networkPassphrase !== "string") refuse("networkPassphrase", networkPassphrase, "a network's passphrase");
  if (compat !== "default" && compat !== "go") refuse("compat", compat, '"default" or "go"');
  const isKnown = Array.isArray(datasets) && datasets.length > 0 && datasets.every((each) => DATASETS.includes(each));
  if (!isKnown || new Set(datasets).size < datasets.length) {
    refuse("datasets", datasets, `a list of ${DATASETS.join(", ")}, each once,`);
  }
  if (schemaVersion !== 1 && schemaVersion !== 2) refuse("schemaVersion", schemaVersion, "the number 1 or 2");
}
