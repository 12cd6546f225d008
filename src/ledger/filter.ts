/**
 * Which rows to keep, decided on the raw bytes, before anything is hashed or formatted.
 *
 * A filter selects only what it names: values of one kind are alternatives, different kinds must all hold, and a kind
 * that speaks of something which a row does not have (an asset code, a holder, a balance) leaves that row out.
 */
import { CodedError } from "../error.ts";
import { parseStrkey, STRKEY_ACCOUNT, STRKEY_CONTRACT } from "../xdr/strkey.ts";
import { IdSet } from "./id-set.ts";
import { NONE, type RowSet } from "./row-set.ts";
import {
  CHANGE_REMOVED,
  CHANGE_TYPE_NAMES,
  type ChangeType,
  DURABILITY_PERSISTENT,
  DURABILITY_TEMPORARY,
  SCVAL_TYPE_NAMES,
} from "./terms.ts";

/** A filter as people and programs write it. Absent or empty kinds select everything. */
export interface RowFilter {
  /** C… strkeys. */
  contractIds?: readonly string[];
  /** As issued (case matters). Rows with an asset only. */
  assetCodes?: readonly string[];
  /** G… strkeys. Rows with an issued asset only. */
  assetIssuers?: readonly string[];
  /** C… strkeys. Balance rows only. */
  balanceHolders?: readonly string[];
  /** In the token's smallest unit, 0 to 2^127 - 1; balance rows of at least this only. */
  balanceMin?: bigint;
  /** `ScValTypeScvVec`, or short: `ScvVec`, `Vec`. */
  keyTypes?: readonly string[];
  durability?: "temporary" | "persistent";
  changeTypes?: readonly ChangeType[];
  /** Default true: removed entries are rows. */
  includeDeleted?: boolean;
  /** Of `count` shards the one numbered `index` (from 0): FNV-1a of the contract id modulo `count`. */
  shard?: { index: number; count: number };
}

const FILTER_VALUES_MAX = 100_000; // of one kind; a table of 32-byte ids stays within a few MB
const SHARDS_MAX = 65_536; // more than there are workers anywhere
const BALANCE_LIMIT = 1n << 127n; // i128

function refuse(message: string): never {
  throw new CodedError("INVALID_ARGUMENT", "INVALID_FILTER", message);
}

function ids(name: string, texts: readonly string[] | undefined, version: number): IdSet | undefined {
  if (texts === undefined || texts.length === 0) return undefined;
  if (texts.length > FILTER_VALUES_MAX) refuse(`${name} has ${texts.length} values, over max ${FILTER_VALUES_MAX}`);
  return new IdSet([...new Set(texts)].map((text) => parseStrkey(text, version)));
}

function keyTypeBits(names: readonly string[] | undefined): number {
  if (names === undefined || names.length === 0) return -1;
  let bits = 0;
  for (const name of names) {
    const number = SCVAL_TYPE_NAMES.findIndex(
      (full) => full === name || full.endsWith(`Scv${name.replace(/^Scv/, "")}`),
    );
    if (number < 0) refuse(`key type "${name}" is not one of ${SCVAL_TYPE_NAMES.join(", ")}`);
    bits |= 1 << number;
  }
  return bits;
}

function changeBits(names: readonly ChangeType[] | undefined, includeDeleted: boolean): number {
  let bits = 0;
  if (names === undefined || names.length === 0) bits = -1;
  for (const name of names ?? []) {
    const number = CHANGE_TYPE_NAMES.indexOf(name);
    if (number < 0 || (name as string) === "state") {
      refuse(`change type "${name}" is not one of created, updated, removed, restored`);
    }
    bits |= 1 << number;
  }
  return includeDeleted ? bits : bits & ~(1 << CHANGE_REMOVED);
}

function codes(values: readonly string[] | undefined): Uint8Array[] | undefined {
  if (values === undefined || values.length === 0) return undefined;
  if (values.length > FILTER_VALUES_MAX)
    refuse(`assetCodes has ${values.length} values, over max ${FILTER_VALUES_MAX}`);
  return values.map((code) => {
    const bytes = new TextEncoder().encode(code);
    if (bytes.length < 1 || bytes.length > 12) refuse(`asset code "${code}" has ${bytes.length} bytes, not 1 to 12`);
    return bytes;
  });
}

/** FNV-1a (32 bits) of the 32 bytes at `p`: the hash that shards go by, the same in every release. */
export function shardHash(d: DataView, p: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < 32; i++) hash = Math.imul(hash ^ d.getUint8(p + i), 0x01000193);
  return hash >>> 0;
}

/** A RowFilter made ready. Build once, use for any number of ledgers. */
export class CompiledFilter {
  private readonly contracts: IdSet | undefined;
  private readonly codes: Uint8Array[] | undefined;
  private readonly issuers: IdSet | undefined;
  private readonly holders: IdSet | undefined;
  private readonly keyTypes: number;
  private readonly durability: number;
  private readonly changes: number;
  private readonly shardIndex: number;
  private readonly shardCount: number;
  /** The least balance as four 32-bit words, high to low; undefined where balances do not matter. */
  private readonly balanceWords: readonly [number, number, number, number] | undefined;
  /** Whether `selects` can refuse a row at all. */
  readonly needsFacts: boolean;

  /** @throws CodedError INVALID_ARGUMENT naming the value that cannot be */
  constructor(filter: RowFilter) {
    this.contracts = ids("contractIds", filter.contractIds, STRKEY_CONTRACT);
    this.codes = codes(filter.assetCodes);
    this.issuers = ids("assetIssuers", filter.assetIssuers, STRKEY_ACCOUNT);
    this.holders = ids("balanceHolders", filter.balanceHolders, STRKEY_CONTRACT);
    this.keyTypes = keyTypeBits(filter.keyTypes);
    this.changes = changeBits(filter.changeTypes, filter.includeDeleted ?? true);
    if (filter.durability !== undefined && filter.durability !== "temporary" && filter.durability !== "persistent") {
      refuse(`durability "${filter.durability}" is neither temporary nor persistent`);
    }
    this.durability =
      filter.durability === undefined
        ? -1
        : filter.durability === "persistent"
          ? DURABILITY_PERSISTENT
          : DURABILITY_TEMPORARY;
    const { index, count } = filter.shard ?? { index: 0, count: 1 };
    if (!Number.isInteger(count) || count < 1 || count > SHARDS_MAX) {
      refuse(`shard count ${count} is not between 1 and ${SHARDS_MAX}`);
    }
    if (!Number.isInteger(index) || index < 0 || index >= count) refuse(`shard index ${index} is not below ${count}`);
    this.shardIndex = index;
    this.shardCount = count;
    const least = filter.balanceMin;
    if (least !== undefined) {
      if (least < 0n || least >= BALANCE_LIMIT) refuse(`balanceMin ${least} is not between 0 and 2^127 - 1`);
      const word = (n: bigint): number => Number((least >> (32n * n)) & 0xffff_ffffn);
      this.balanceWords = [word(3n), word(2n), word(1n), word(0n)];
    }
    this.needsFacts =
      this.codes !== undefined ||
      this.issuers !== undefined ||
      this.holders !== undefined ||
      this.balanceWords !== undefined;
  }

  /** First part, on what the ledger key says: contract id at `contractAt`, the key's type, durability, the change. */
  admits(d: DataView, contractAt: number, keyType: number, durability: number, change: number): boolean {
    if ((this.changes & (1 << change)) === 0) return false;
    if ((this.keyTypes & (1 << keyType)) === 0) return false;
    if (this.durability >= 0 && this.durability !== durability) return false;
    if (this.contracts !== undefined && !this.contracts.has(d, contractAt)) return false;
    return this.shardCount === 1 || shardHash(d, contractAt) % this.shardCount === this.shardIndex;
  }

  /** Second part, on the facts found in the value. */
  selects(d: DataView, rows: RowSet, row: number): boolean {
    if (this.codes !== undefined && !this.hasCode(d, rows, row)) return false;
    if (this.issuers !== undefined) {
      const at = rows.assetIssuerAt[row]!;
      if (at === NONE || !this.issuers.has(d, at)) return false;
    }
    if (this.holders !== undefined) {
      const at = rows.holderAt[row]!;
      if (at === NONE || !this.holders.has(d, at)) return false;
    }
    return this.balanceWords === undefined || this.hasBalance(d, rows, row, this.balanceWords);
  }

  private hasBalance(d: DataView, rows: RowSet, row: number, least: readonly number[]): boolean {
    const at = rows.balanceAt[row]!;
    if (at === NONE) return false;
    for (let w = 0; w < 4; w++) {
      const word = d.getUint32(at + 4 * w);
      if (word !== least[w]) return word > least[w]!;
    }
    return true;
  }

  private hasCode(d: DataView, rows: RowSet, row: number): boolean {
    const at = rows.assetCodeAt[row]!;
    if (at === NONE) return false;
    const bytes = rows.assetCodeBytes[row]!;
    for (const code of this.codes!) {
      // NULs in the stored code do not count, as in the asset_code column.
      let matched = 0;
      let i = 0;
      for (; i < bytes; i++) {
        const byte = d.getUint8(at + i);
        if (byte === 0) continue;
        if (byte !== code[matched]) break;
        matched++;
      }
      if (i === bytes && matched === code.length) return true;
    }
    return false;
  }
}
