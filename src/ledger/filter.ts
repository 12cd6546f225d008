/**
 * Which rows to keep, decided on the raw bytes, before anything is hashed or formatted.
 *
 * A filter selects only what it names: values of one kind are alternatives, different kinds must all hold, and a kind
 * that speaks of something which a row does not have (an asset code, a holder, a balance) leaves that row out.
 *
 * A row's asset is the one that its own entry names (a Stellar Asset Contract's instance), and on a balance row that of
 * its contract, as far as it is known: known-assets.ts, ledger-assets.ts. So an asset filter selects balances too, in
 * both schema versions, although version 1 has no column that says why.
 */

import { quoted, shortened } from "../base/text.ts";
import { CodedError } from "../error.ts";
import type { ChangeType } from "../vocabulary/change-type.ts";
import { FILTER_KINDS, type FilterValueType } from "../vocabulary/filter-kinds.ts";
import { BALANCE_MAX, type FilterRecord, type RowFilter } from "../vocabulary/row-filter.ts";
import {
  parseStrkey,
  STRKEY_ACCOUNT,
  STRKEY_CLAIMABLE_BALANCE,
  STRKEY_CONTRACT,
  STRKEY_LIQUIDITY_POOL,
  STRKEY_MUXED,
  strkeyVersion,
} from "../xdr/strkey.ts";
import { CODE_BYTES_MAX } from "./asset-contract.ts";
import { CodeSet } from "./code-set.ts";
import { IdSet } from "./id-set.ts";
import { NONE, type RowSet } from "./row-set.ts";
import {
  ADDRESS_ACCOUNT,
  ADDRESS_CLAIMABLE_BALANCE,
  ADDRESS_CONTRACT,
  ADDRESS_LIQUIDITY_POOL,
  ADDRESS_MUXED,
  ASSET_NATIVE,
  CHANGE_EVICTED,
  CHANGE_REMOVED,
  CHANGE_TYPE_NAMES,
  DURABILITY_PERSISTENT,
  DURABILITY_TEMPORARY,
  LEDGER_SEQUENCE_MAX,
  SCV_LEDGER_KEY_CONTRACT_INSTANCE,
  SCV_VEC,
  SCVAL_TYPE_NAMES,
} from "./terms.ts";

const FILTER_VALUES_MAX = 100_000; // of one kind; a table of 32-byte ids stays within a few MB
const SHOWN_MAX = 80; // characters of a wrong value that its error repeats
const SHARDS_MAX = 65_536; // more than there are workers anywhere
const MUXED_ID_BYTES = 8; // before the key

/** Version byte of the strkey by kind of address (SCAddressType). */
const STRKEY_OF_ADDRESS: readonly number[] = (() => {
  const versions: number[] = [];
  versions[ADDRESS_ACCOUNT] = STRKEY_ACCOUNT;
  versions[ADDRESS_CONTRACT] = STRKEY_CONTRACT;
  versions[ADDRESS_MUXED] = STRKEY_MUXED;
  versions[ADDRESS_CLAIMABLE_BALANCE] = STRKEY_CLAIMABLE_BALANCE;
  versions[ADDRESS_LIQUIDITY_POOL] = STRKEY_LIQUIDITY_POOL;
  return versions;
})();

function refuse(message: string): never {
  throw new CodedError("INVALID_ARGUMENT", "INVALID_FILTER", message);
}

function ids(name: string, texts: readonly string[] | undefined, version: number): IdSet | undefined {
  if (texts === undefined || texts.length === 0) return undefined;
  if (texts.length > FILTER_VALUES_MAX) refuse(`${name} has ${texts.length} values, over max ${FILTER_VALUES_MAX}`);
  return new IdSet([...new Set(texts)].map((text) => parseStrkey(text, version)));
}

/** Sets of 32-byte ids (40 for muxed accounts: id and key, as XDR has them) by kind of address. */
function holders(texts: readonly string[] | undefined): (IdSet | undefined)[] | undefined {
  if (texts === undefined || texts.length === 0) return undefined;
  if (texts.length > FILTER_VALUES_MAX) {
    refuse(`balanceHolders has ${texts.length} values, over max ${FILTER_VALUES_MAX}`);
  }
  const byKind: Uint8Array[][] = STRKEY_OF_ADDRESS.map(() => []);
  for (const text of new Set(texts)) {
    const version = strkeyVersion(text) ?? STRKEY_CONTRACT;
    const payload = parseStrkey(text, version);
    byKind[STRKEY_OF_ADDRESS.indexOf(version)]!.push(idOf(payload, version, text));
  }
  return byKind.map((ids) => (ids.length === 0 ? undefined : new IdSet(ids)));
}

function idOf(payload: Uint8Array, version: number, text: string): Uint8Array {
  if (version === STRKEY_CLAIMABLE_BALANCE) {
    if (payload[0] !== 0) refuse(`${quoted(text)} is a claimable balance of type ${payload[0]}, not 0`);
    return payload.slice(1);
  }
  if (version !== STRKEY_MUXED) return payload;
  const id = new Uint8Array(40);
  id.set(payload.subarray(32));
  id.set(payload.subarray(0, 32), 8);
  return id;
}

function keyTypeBits(names: readonly string[] | undefined): number {
  if (names === undefined || names.length === 0) return -1;
  let bits = 0;
  for (const name of names) {
    const number = SCVAL_TYPE_NAMES.findIndex(
      (full) => full === name || full.endsWith(`Scv${name.replace(/^Scv/, "")}`),
    );
    if (number < 0) refuse(`key type ${quoted(name)} is not one of ${SCVAL_TYPE_NAMES.join(", ")}`);
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
      refuse(`change type ${quoted(name)} is not one of created, updated, removed, restored, evicted`);
    }
    bits |= 1 << number;
  }
  return includeDeleted ? bits : bits & ~((1 << CHANGE_REMOVED) | (1 << CHANGE_EVICTED));
}

function codes(values: readonly string[] | undefined): CodeSet | undefined {
  if (values === undefined || values.length === 0) return undefined;
  if (values.length > FILTER_VALUES_MAX)
    refuse(`assetCodes has ${values.length} values, over max ${FILTER_VALUES_MAX}`);
  return new CodeSet(
    values.map((code) => {
      const bytes = new TextEncoder().encode(code);
      if (bytes.length < 1 || bytes.length > CODE_BYTES_MAX) {
        refuse(`asset code ${quoted(code)} has ${bytes.length} bytes, not 1 to ${CODE_BYTES_MAX}`);
      }
      if (bytes.includes(0)) refuse(`asset code ${JSON.stringify(code)} has a NUL, and no asset's code has one`);
      return bytes;
    }),
  );
}

/** FNV-1a (32 bits) of the 32 bytes at `p`: the hash that shards go by, the same in every release. */
export function shardHash(d: DataView, p: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < 32; i++) hash = Math.imul(hash ^ d.getUint8(p + i), 0x01000193);
  return hash >>> 0;
}

type Check = [is: (value: unknown) => boolean, what: string];
const TEXTS: Check = [
  (value) => Array.isArray(value) && value.every((each) => typeof each === "string"),
  "a list of texts",
];
const BOOLEAN: Check = [(value) => typeof value === "boolean", "a boolean"];

/** What a value of each type is in a RowFilter. */
const CHECK_OF: Readonly<Record<FilterValueType, Check>> = {
  texts: TEXTS,
  amount: [(value) => typeof value === "bigint", "a bigint"],
  word: [(value) => typeof value === "string", "a text"],
  ledger: [(value) => typeof value === "number", "a number"],
  switch: BOOLEAN,
  only: BOOLEAN,
};

/** What a kind may be; more is checked where its values are read. For programs that no type checker has seen. */
const CHECKS: Readonly<Record<string, Check>> = {
  ...Object.fromEntries(FILTER_KINDS.map(({ name, type }) => [name, CHECK_OF[type]])),
  shard: [(value) => typeof value === "object" && value !== null, "{ index, count }"],
};

function checkKinds(filter: RowFilter): void {
  for (const [kind, value] of Object.entries(filter)) {
    const check = CHECKS[kind];
    if (check === undefined) refuse(`there is no filter ${quoted(kind)}: there are ${Object.keys(CHECKS).join(", ")}`);
    const [is, what] = check;
    if (value !== undefined && !is(value)) {
      refuse(`${kind} is to be ${what}, not ${shown(value)}`);
    }
  }
}

function shown(value: unknown): string {
  return typeof value === "bigint" ? `${value}n` : shortened(JSON.stringify(value) ?? typeof value, SHOWN_MAX);
}

/** A RowFilter made ready. Build once, use for any number of ledgers. */
export class CompiledFilter {
  private readonly contracts: IdSet | undefined;
  private readonly codes: CodeSet | undefined;
  private readonly issuers: IdSet | undefined;
  private readonly holders: readonly (IdSet | undefined)[] | undefined;
  /** By bit. */
  private readonly keyTypes: number;
  private readonly durability: number;
  private readonly changes: number;
  /** -1 = all. */
  private readonly modifiedAfter: number;
  private readonly shardIndex: number;
  private readonly shardCount: number;
  /** The least balance as four 32-bit words, high to low; undefined where balances do not matter. */
  private readonly balanceWords: readonly [number, number, number, number] | undefined;
  /** Whether it selects balances only, for whichever reason. */
  private readonly isOfBalances: boolean;
  /** Whether the second or the third part can refuse a row at all. */
  readonly needsFacts: boolean;
  /** Whether it asks for the rows' assets. */
  readonly namesAssets: boolean;

  /** @throws CodedError INVALID_ARGUMENT naming the value that cannot be */
  constructor(filter: RowFilter) {
    checkKinds(filter);
    this.contracts = ids("contractIds", filter.contractIds, STRKEY_CONTRACT);
    this.codes = codes(filter.assetCodes);
    this.issuers = ids("assetIssuers", filter.assetIssuers, STRKEY_ACCOUNT);
    this.holders = holders(filter.balanceHolders);
    this.keyTypes = keyTypeBits(filter.keyTypes);
    this.changes = changeBits(filter.changeTypes, filter.includeDeleted ?? true);
    if (filter.durability !== undefined && filter.durability !== "temporary" && filter.durability !== "persistent") {
      refuse(`durability ${quoted(filter.durability)} is neither temporary nor persistent`);
    }
    this.durability =
      filter.durability === undefined
        ? -1
        : filter.durability === "persistent"
          ? DURABILITY_PERSISTENT
          : DURABILITY_TEMPORARY;
    const after = filter.modifiedAfterLedger ?? 0;
    if (!Number.isInteger(after) || after < 0 || after > LEDGER_SEQUENCE_MAX) {
      refuse(`modifiedAfterLedger ${after} is not between 0 and ${LEDGER_SEQUENCE_MAX}`);
    }
    this.modifiedAfter = after === 0 ? -1 : after;
    const { index, count } = filter.shard ?? { index: 0, count: 1 };
    if (!Number.isInteger(count) || count < 1 || count > SHARDS_MAX) {
      refuse(`shard count ${count} is not between 1 and ${SHARDS_MAX}`);
    }
    if (!Number.isInteger(index) || index < 0 || index >= count) refuse(`shard index ${index} is not below ${count}`);
    this.shardIndex = index;
    this.shardCount = count;
    const least = filter.balanceMin;
    if (least !== undefined) {
      if (least < 0n || least > BALANCE_MAX) refuse(`balanceMin ${least} is not from 0 to ${BALANCE_MAX}`);
      const word = (n: bigint): number => Number((least >> (32n * n)) & 0xffff_ffffn);
      this.balanceWords = [word(3n), word(2n), word(1n), word(0n)];
    }
    this.namesAssets = this.codes !== undefined || this.issuers !== undefined;
    this.isOfBalances = this.holders !== undefined || this.balanceWords !== undefined || filter.balances === true;
    this.needsFacts = this.namesAssets || this.isOfBalances;
    // Balances have keys of one type, and assets belong to them and to instances: nothing else has to be looked at.
    if (this.isOfBalances) this.keyTypes &= 1 << SCV_VEC;
    if (this.namesAssets) this.keyTypes &= (1 << SCV_VEC) | (1 << SCV_LEDGER_KEY_CONTRACT_INSTANCE);
  }

  /**
   * First part, on what the ledger key says: contract id at `contractAt`, the key's type, durability, the change; and on
   * the ledger that last modified the entry, 0 where it is evicted.
   */
  admits(
    d: DataView,
    contractAt: number,
    keyType: number,
    durability: number,
    change: number,
    lastModified: number,
  ): boolean {
    if ((this.changes & (1 << change)) === 0) return false;
    if ((this.keyTypes & (1 << keyType)) === 0) return false;
    if (this.durability >= 0 && this.durability !== durability) return false;
    if (lastModified <= this.modifiedAfter) return false;
    if (this.contracts !== undefined && !this.contracts.has(d, contractAt)) return false;
    return this.shardCount === 1 || this.admitsShard(shardHash(d, contractAt));
  }

  /** Whether a row with that `shardHash` is of the shard. */
  admitsShard(hash: number): boolean {
    return hash % this.shardCount === this.shardIndex;
  }

  /** Second part, on a balance's holder and amount. */
  selectsBalance(d: DataView, rows: RowSet, row: number): boolean {
    if (this.isOfBalances && rows.holderAt[row] === NONE) return false;
    if (this.holders !== undefined && !this.hasHolder(d, rows, row, this.holders)) return false;
    return this.balanceWords === undefined || this.hasBalance(d, rows, row, this.balanceWords);
  }

  /** Third part, on the row's asset, or its contract's if it is a balance. */
  selectsAsset(d: DataView, rows: RowSet, row: number): boolean {
    return !this.namesAssets || this.hasAsset(d, rows, row);
  }

  /** Whether the third part of a filter that names assets may select the row once its contract's asset is known. */
  mayHaveAsset(rows: RowSet, row: number): boolean {
    return rows.assetCodeAt[row] !== NONE || rows.holderAt[row] !== NONE;
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

  private hasHolder(d: DataView, rows: RowSet, row: number, byKind: readonly (IdSet | undefined)[]): boolean {
    const at = rows.holderAt[row]!;
    const kind = rows.holderKind[row]!;
    const ids = byKind[kind];
    return ids?.has(d, kind === ADDRESS_MUXED ? at - MUXED_ID_BYTES : at) ?? false;
  }

  /** The row's own asset, else its contract's if it is a balance. */
  private hasAsset(d: DataView, rows: RowSet, row: number): boolean {
    const codeAt = rows.assetCodeAt[row]!;
    if (codeAt !== NONE) return this.isSelected(d, codeAt, rows.assetCodeBytes[row]!, rows.assetIssuerAt[row]!);
    const index = rows.holderAt[row] === NONE ? NONE : rows.contractAsset[row]!;
    const { assets } = rows;
    if (index === NONE || assets.type(index) === ASSET_NATIVE) return false;
    return this.isSelected(assets.view, assets.codeAt(index), assets.codeBytes(index), assets.issuerAt(index));
  }

  private isSelected(d: DataView, codeAt: number, codeBytes: number, issuerAt: number): boolean {
    if (this.codes !== undefined && !this.codes.has(d, codeAt, codeBytes)) return false;
    return this.issuers === undefined || this.issuers.has(d, issuerAt);
  }
}

/** The filter that a record stands for. */
export function rowFilterOf({ balanceMin, ...filter }: FilterRecord): RowFilter {
  return balanceMin === undefined ? filter : { ...filter, balanceMin: BigInt(balanceMin) };
}
