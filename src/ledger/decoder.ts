/**
 * One LedgerCloseMeta to the facts of its contract-data rows. HOT PATH.
 *
 * Rules: ledger entry changes pair as go-stellar-sdk's ingest.GetChangesFromLedgerEntryChanges pairs them (CAP-62),
 * are ordered as it orders them (by LedgerKey inside each list; fee lists of all transactions first, then each
 * transaction's own lists and its operations', then fee refunds, then upgrades), and become rows as upstream's
 * TransformContractData makes them, with the differences that `compat` "default" owes.
 */
import { CodedError } from "../error.ts";
import { XdrError, type XdrReason } from "../xdr/error.ts";
import {
  CONTRACT_EVENT_BYTES_MIN,
  type EventsVisitor,
  LEDGER_ENTRY_CHANGE_BYTES_MIN,
  LEDGER_KEY_BYTES_MIN,
  LIST_EVICTION,
  LIST_FEE,
  LIST_FEE_REFUND,
  LIST_OPERATION,
  LIST_TRANSACTION,
  LIST_UPGRADE,
  skipContractExecutable,
  skipLedgerEntry,
  skipLedgerEntryExt,
  skipLedgerKey,
  skipScAddress,
  skipScVal,
  walkChangesLedgerCloseMeta,
  walkEventsLedgerCloseMeta,
} from "../xdr/generated/skip.ts";
import { explain, explainEnd } from "../xdr/guard.ts";
import { pathAt } from "../xdr/inspect.ts";
import { fail, XDR_BYTES_MAX } from "../xdr/limits.ts";
import { AssetFinder } from "./asset.ts";
import { AssetContract } from "./asset-contract.ts";
import { AMOUNT_IN_VAL, balanceHolderKind, HOLDER_BEFORE_KEY_END, isBalanceValue } from "./balance.ts";
import { sameBytes } from "./bytes.ts";
import { Candidates } from "./candidates.ts";
import { CompiledFilter, type RowFilter } from "./filter.ts";
import { CLOSE_TIME_SECONDS_MAX, closeTimeSeconds, readHeader } from "./header.ts";
import { KeyHasher } from "./key-hash.ts";
import { KnownAssets } from "./known-assets.ts";
import { LedgerAssets } from "./ledger-assets.ts";
import { networkId } from "./network.ts";
import { NONE, type RowSet } from "./row-set.ts";
import {
  ADDRESS_CONTRACT,
  ASSET_NONE,
  CHANGE_EVICTED,
  CHANGE_REMOVED,
  CHANGE_RESTORED,
  CHANGE_STATE,
  CHANGE_UPDATED,
  DURABILITY_PERSISTENT,
  INSTANCE_NONE,
  LEDGER_ENTRY_CONTRACT_DATA,
  LEDGER_ENTRY_TTL,
  SCV_CONTRACT_INSTANCE,
  SCV_LEDGER_KEY_CONTRACT_INSTANCE,
  SCV_LEDGER_KEY_NONCE,
  SCV_STRING,
  SCV_VEC,
} from "./terms.ts";
import { TtlChanges } from "./ttl.ts";

/**
 * `go`: exactly the rows of the Go service: no restored entries, the native asset's contract not recognised, no
 * expiration, no instance facts on removed rows, asset codes of any bytes where the contract's id proves them (a forged
 * ledger's may not be UTF-8), and only the transactions' own changes (not fees or upgrades).
 */
export type Compat = "default" | "go";

/**
 * What rows there are. 1: as the Go service's schema has room for them. 2 adds evicted keys, and balances whose holder is
 * not a contract. In the setting `go` both are as 1.
 */
export type SchemaVersion = 1 | 2;

export interface DecoderOptions {
  /** Decides the contract ids of assets. */
  networkPassphrase: string;
  compat: Compat;
  /** Default 1. */
  schemaVersion?: SchemaVersion;
  /** Absent: every row. */
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
  /** Those of contract data. */
  contractDataChanges: number;
  /** Evicted keys of contract data; 0 where they are not looked at (schema version 1). */
  evictedKeys: number;
  /** Rows appended. */
  rows: number;
  /** Rows that the filter left out. */
  rowsFiltered: number;
  /** Contract-data changes that never are rows: nonces, and data of something that is not a contract. */
  noncesDropped: number;
  nonContractsDropped: number;
}

const NO_CHANGE = -1;
const CONTRACT_EXECUTABLE_WASM = 0;
const LEARNED_MAX = 100_000; // not taken; more than any span shows

const ROOT = "LedgerCloseMeta";

/** Where the rows of a change list stand among the ledger's, by LIST_…. */
const RANKS: readonly number[] = (() => {
  const ranks: number[] = [];
  ranks[LIST_FEE] = 0;
  ranks[LIST_TRANSACTION] = 1;
  ranks[LIST_OPERATION] = 1;
  ranks[LIST_FEE_REFUND] = 2;
  ranks[LIST_UPGRADE] = 3;
  ranks[LIST_EVICTION] = 4;
  return ranks;
})();

/** For programs that no type checker has seen: a wrong option must not mean another one. */
function checkOptions({ networkPassphrase, compat, schemaVersion = 1 }: DecoderOptions): void {
  const refuse = (option: string, value: unknown, accepted: string): never => {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "INVALID_OPTION",
      `${option} is ${JSON.stringify(value) ?? typeof value}: ${accepted} is accepted`,
    );
  };
  if (typeof networkPassphrase !== "string") refuse("networkPassphrase", networkPassphrase, "a network's passphrase");
  if (compat !== "default" && compat !== "go") refuse("compat", compat, '"default" or "go"');
  if (schemaVersion !== 1 && schemaVersion !== 2) refuse("schemaVersion", schemaVersion, "the number 1 or 2");
}

export class LedgerDecoder implements EventsVisitor {
  private readonly isGo: boolean;
  private readonly schemaVersion: SchemaVersion;
  /** Whether there are evicted rows, and every kind of holder. */
  private readonly isComplete: boolean;
  private readonly filter: CompiledFilter | undefined;
  private readonly hashesKeys: boolean;
  private readonly resolvesAssets: boolean;
  /** Whether the filter's third part waits for the ledger's end, when the rows' assets are known. */
  private readonly filtersLate: boolean;
  private readonly assets: AssetFinder;
  private readonly ledgerAssets: LedgerAssets;
  private readonly learned = new Map<string, number>();
  /** Those of the ledger being read. */
  private readonly learnedHere: string[] = [];
  private readonly hasher = new KeyHasher();
  private readonly ttls = new TtlChanges();
  private readonly candidates = new Candidates();

  // Of the ledger being read
  private rows!: RowSet;
  private ledger = 0;
  private sequence = 0;
  private closedAt = 0;
  private protocol = 0;
  private transactions = 0;
  private changeCount = 0;
  private contractDataCount = 0;
  private evictedCount = 0;
  private filtered = 0;
  private nonces = 0;
  private nonContracts = 0;
  private txHashAt = NONE;
  private operation = 0;
  private changeIndex = 0;
  /** Whether some row stands in the wire where the row order has it elsewhere. */
  private isOutOfOrder = false;

  // The change before this one in its list, which `updated` and `removed` pair with
  private priorChange = NO_CHANGE;
  private priorType = 0;
  private priorLastModified = 0;
  private priorAddressAt = 0;
  private priorKeyAt = 0;
  private priorKeyEnd = 0;
  private priorValAt = 0;
  private priorValEnd = 0;

  /** @throws CodedError INVALID_ARGUMENT for a filter that cannot be, or any other option */
  constructor(options: DecoderOptions) {
    checkOptions(options);
    this.isGo = options.compat === "go";
    this.filter =
      options.filter === undefined || options.filter instanceof CompiledFilter
        ? options.filter
        : new CompiledFilter(options.filter);
    this.hashesKeys = options.keyHash ?? true;
    this.schemaVersion = options.schemaVersion ?? 1;
    this.isComplete = this.schemaVersion === 2 && !this.isGo;
    const namesAssets = this.filter?.namesAssets ?? false;
    this.resolvesAssets = !this.isGo && (namesAssets || (options.assets ?? false));
    this.filtersLate = this.resolvesAssets && namesAssets;
    const contracts = new AssetContract(networkId(options.networkPassphrase));
    this.assets = new AssetFinder(contracts, this.isGo);
    const known = options.knownAssets ?? new KnownAssets(options.networkPassphrase);
    this.ledgerAssets = new LedgerAssets(contracts, known);
  }

  /**
   * The assets whose instances were among the changes of the ledgers decoded since the last call, each with the first
   * of them; always empty where assets are not asked for. What to do with them: see known-assets.ts.
   */
  takeLearned(): LearnedAsset[] {
    const learned = Array.from(this.learned, ([asset, ledgerSequence]) => ({ asset, ledgerSequence }));
    this.learned.clear();
    return learned;
  }

  /**
   * Appends the rows of one ledger to `rows`. `bytes` is the XDR of one LedgerCloseMeta and nothing else, may be a view
   * on shared memory, and must not change until `rows.clear()`. When it throws, no row of this ledger was appended, and
   * nothing learned from it.
   *
   * @throws XdrError (DATA_LOSS) where the bytes are not a LedgerCloseMeta, with byte offset and XDR path
   */
  decode(bytes: Uint8Array, rows: RowSet): LedgerSummary {
    if (bytes.length > XDR_BYTES_MAX) {
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "LEDGER_TOO_LARGE",
        `a ledger of ${bytes.length} bytes is over max ${XDR_BYTES_MAX}`,
      );
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const first = rows.length;
    const ledger = rows.ledgers.length;
    this.begin(rows, ledger);
    const { schemaVersion } = this;
    rows.ledgers.push({
      ...{ bytes, view, schemaVersion },
      ...{ sequence: 0, closedAtSeconds: 0, closedAtMicrosLow: 0, closedAtMicrosHigh: 0 },
    });
    try {
      const walk = this.resolvesAssets ? walkEventsLedgerCloseMeta : walkChangesLedgerCloseMeta;
      const end = walk(view, 0, this);
      if (end !== view.byteLength) throw explainEnd(end, ROOT, view);
    } catch (thrown) {
      rows.truncate(first, ledger);
      for (const asset of this.learnedHere) this.learned.delete(asset);
      throw explain(thrown, ROOT, view);
    }
    this.finish(view, first);
    return {
      ledgerSequence: this.sequence,
      closedAtUnixSeconds: this.closedAt,
      protocolVersion: this.protocol,
      transactions: this.transactions,
      changes: this.changeCount,
      contractDataChanges: this.contractDataCount,
      evictedKeys: this.evictedCount,
      rows: rows.length - first,
      rowsFiltered: this.filtered,
      noncesDropped: this.nonces,
      nonContractsDropped: this.nonContracts,
    };
  }

  private begin(rows: RowSet, ledger: number): void {
    this.rows = rows;
    this.ledger = ledger;
    this.sequence = 0;
    this.transactions = 0;
    this.changeCount = 0;
    this.contractDataCount = 0;
    this.evictedCount = 0;
    this.filtered = 0;
    this.nonces = 0;
    this.nonContracts = 0;
    this.txHashAt = NONE;
    this.operation = 0;
    this.changeIndex = 0;
    this.isOutOfOrder = false;
    this.ttls.clear();
    this.ledgerAssets.clear();
    this.learnedHere.length = 0;
  }

  private finish(view: DataView, first: number): void {
    const { rows } = this;
    if (this.isOutOfOrder) this.restoreOrder(first);
    if (this.resolvesAssets && rows.length > first) {
      this.ledgerAssets.resolve(view, rows, first, this.sequence);
      if (this.filtersLate) this.filterLate(view, first);
    }
    if (rows.length === first) {
      rows.ledgers.length = this.ledger; // nothing refers to the bytes: let go of them
      return;
    }
    if (!this.hashesKeys) {
      rows.keyHash.fill(0, first * 32, rows.length * 32);
      return;
    }
    this.hasher.begin();
    for (let row = first; row < rows.length; row++) {
      const from = rows.contractAt[row]! - 4;
      this.hasher.hash(view, from, rows.keyAt[row]! + rows.keyBytes[row]! + 4, rows.keyHash, row * 32);
    }
    if (!this.isGo) this.ttls.join(view, rows, first);
  }

  private filterLate(view: DataView, first: number): void {
    const { rows } = this;
    const kept: number[] = [];
    for (let row = first; row < rows.length; row++) if (this.filter!.selectsAsset(view, rows, row)) kept.push(row);
    this.filtered += rows.length - first - kept.length;
    rows.keep(first, kept);
  }

  /** Fee changes of all transactions come first, then the transactions' own, then refunds, upgrades, evictions. */
  private restoreOrder(first: number): void {
    const { rows } = this;
    const rank = (row: number): number => RANKS[rows.reason[row]!]!;
    const order = Array.from({ length: rows.length - first }, (_, i) => first + i);
    rows.reorder(
      first,
      order.sort((a, b) => rank(a) - rank(b) || a - b),
    );
  }

  // -------------------------------------------------------------------------------------------------------------
  // What the generated walker calls, in wire order

  /** LedgerHeaderHistoryEntry at `p`. */
  header(d: DataView, p: number): void {
    const ledger = this.rows.ledgers[this.ledger]!;
    const header = readHeader(d, p);
    this.sequence = header.sequence;
    this.protocol = header.protocolVersion;
    this.closedAt = closeTimeSeconds(d, header.closeTimeAt);
    if (this.closedAt > CLOSE_TIME_SECONDS_MAX) {
      this.refuse(d, "LEDGER_HEADER", "TimePoint", header.closeTimeAt, `close time ${this.closedAt} s is out of range`);
    }
    ledger.sequence = this.sequence;
    ledger.closedAtSeconds = this.closedAt;
    const micros = BigInt(this.closedAt) * 1_000_000n;
    ledger.closedAtMicrosLow = Number(micros & 0xffff_ffffn);
    ledger.closedAtMicrosHigh = Number(micros >> 32n);
  }

  /** TransactionResultPair at `p`: the transaction's hash, then its result. */
  transaction(_d: DataView, p: number): void {
    this.transactions++;
    this.txHashAt = p;
    this.operation = -1;
    this.changeIndex = 0;
  }

  /** LedgerEntryChanges at `p`; returns the position after them. */
  changes(d: DataView, p: number, list: number): number {
    let left = d.getInt32(p);
    if (left < 0 || left * LEDGER_ENTRY_CHANGE_BYTES_MIN > d.byteLength - p - 4) fail();
    p += 4;
    if (list === LIST_OPERATION) this.operation++;
    else if (list === LIST_UPGRADE) this.leaveTransactions();
    if (left === 0) return p;
    this.priorChange = NO_CHANGE;
    this.candidates.clear();
    for (; left > 0; left--) p = this.change(d, p, list);
    if (this.candidates.count > 0) this.emit(d, list);
    return p;
  }

  /** Upgrades and evictions are the ledger's own: their changes count from 0 on together. */
  private leaveTransactions(): void {
    if (this.txHashAt === NONE) return;
    this.txHashAt = NONE;
    this.changeIndex = 0;
  }

  /** The list of evicted LedgerKeys at `p`; returns the position after it. */
  evicted(d: DataView, p: number): number {
    let left = d.getInt32(p);
    if (left < 0 || left * LEDGER_KEY_BYTES_MIN > d.byteLength - p - 4) fail();
    p += 4;
    this.leaveTransactions();
    for (; left > 0; left--) {
      const end = skipLedgerKey(d, p, 0);
      if (this.isComplete && d.getInt32(p) === LEDGER_ENTRY_CONTRACT_DATA) this.eviction(d, p + 4, end);
      p = end;
    }
    return p;
  }

  /** The key of evicted contract data in [addressAt, end): a row of its own, in the order of the list. */
  private eviction(d: DataView, addressAt: number, end: number): void {
    this.evictedCount++;
    this.priorLastModified = 0;
    this.priorAddressAt = addressAt;
    this.priorKeyAt = skipScAddress(d, addressAt);
    this.priorKeyEnd = end - 4;
    this.priorValAt = NONE;
    this.priorValEnd = NONE;
    this.candidates.clear();
    this.candidate(d, CHANGE_EVICTED, LIST_EVICTION);
    if (this.candidates.count > 0) this.emit(d, LIST_EVICTION);
  }

  /** The list of ContractEvents at `p`; returns the position after it. */
  events(d: DataView, p: number): number {
    let left = d.getInt32(p);
    if (left < 0 || left * CONTRACT_EVENT_BYTES_MIN > d.byteLength - p - 4) fail();
    p += 4;
    for (; left > 0; left--) p = this.event(d, p);
    return p;
  }

  /** ContractEvent at `p`: ext, contract id or none, type, topics, data. */
  private event(d: DataView, p: number): number {
    const hasContract = d.getInt32(p + 4);
    if (d.getInt32(p) !== 0 || hasContract < 0 || hasContract > 1) fail();
    const contractAt = p + 8;
    p = contractAt + 32 * hasContract + 4;
    let topics = d.getInt32(p + 4);
    if (d.getInt32(p) !== 0 || topics < 0 || topics * 4 > d.byteLength - p - 8) fail();
    p += 8;
    let last = p;
    const hasTopics = topics > 0;
    for (; topics > 0; topics--) {
      last = p;
      p = skipScVal(d, p, 0);
    }
    if (hasContract === 1 && hasTopics && d.getInt32(last) === SCV_STRING) {
      this.ledgerAssets.claim(contractAt, last + 8, d.getUint32(last + 4));
    }
    return skipScVal(d, p, 0);
  }

  /** LedgerEntryChange at `p`; returns the position after it. */
  private change(d: DataView, p: number, list: number): number {
    const change = d.getInt32(p);
    if (change === CHANGE_REMOVED) return this.removal(d, p, list);
    if (change < 0 || change > CHANGE_RESTORED) fail();
    const type = d.getInt32(p + 8);
    if (change !== CHANGE_STATE) {
      this.changeCount++;
      if (change === CHANGE_UPDATED) this.checkPrior(d, p, type);
    }
    if (type === LEDGER_ENTRY_CONTRACT_DATA) return this.contractData(d, p, change, list);
    if (type === LEDGER_ENTRY_TTL && change !== CHANGE_STATE) this.ttls.add(p + 12);
    this.priorChange = change;
    this.priorType = type;
    return skipLedgerEntry(d, p + 4, 0);
  }

  /** `updated` and `removed` follow the entry's `state`, or its `restored` (CAP-62). */
  private checkPrior(d: DataView, p: number, type: number): void {
    const isAfterState = this.priorChange === CHANGE_STATE || this.priorChange === CHANGE_RESTORED;
    if (isAfterState && this.priorType === type) return;
    // An entry that is no XDR, of an unknown type for one, fails as that. (A removed key was stepped over before.)
    if (d.getInt32(p) === CHANGE_UPDATED) skipLedgerEntry(d, p + 4, 0);
    if (!isAfterState) {
      this.unpaired(d, p, "follows neither a state nor a restored entry");
    }
    this.unpaired(d, p, `of ledger entry type ${type} follows an entry of type ${this.priorType}`);
  }

  private removal(d: DataView, p: number, list: number): number {
    const key = p + 4;
    const end = skipLedgerKey(d, key, 0);
    const type = d.getInt32(key);
    this.changeCount++;
    this.checkPrior(d, p, type);
    if (type === LEDGER_ENTRY_CONTRACT_DATA) {
      if (!sameBytes(d, key + 4, end, this.priorAddressAt, this.priorKeyEnd + 4)) {
        this.unpaired(d, p, "follows the state of another key");
      }
      this.contractDataCount++;
      this.candidate(d, CHANGE_REMOVED, list);
    }
    this.priorChange = CHANGE_REMOVED;
    return end;
  }

  /** A LedgerEntryChange that holds a contract-data entry; see LAYOUTS in scripts/generate-xdr.ts for the offsets. */
  private contractData(d: DataView, p: number, change: number, list: number): number {
    if (d.getInt32(p + 12) !== 0) fail(); // ContractDataEntry.ext has one arm
    const addressAt = p + 16;
    let keyAt: number;
    let keyEnd: number;
    let isUnpaired = false;
    const likeBefore = addressAt - this.priorAddressAt;
    if (
      change === CHANGE_UPDATED &&
      sameBytes(d, addressAt, this.priorKeyEnd + 4 + likeBefore, this.priorAddressAt, this.priorKeyEnd + 4)
    ) {
      // The key of the state before it, which has been walked already.
      keyAt = this.priorKeyAt + likeBefore;
      keyEnd = this.priorKeyEnd + likeBefore;
    } else {
      keyAt = skipScAddress(d, addressAt);
      keyEnd = skipScVal(d, keyAt, 0);
      isUnpaired = change === CHANGE_UPDATED;
    }
    const valAt = keyEnd + 4;
    const valEnd = skipScVal(d, valAt, 0);
    const end = skipLedgerEntryExt(d, valEnd);
    if (isUnpaired) this.unpaired(d, p, "follows the state of another key");
    this.priorChange = change;
    this.priorType = LEDGER_ENTRY_CONTRACT_DATA;
    this.priorLastModified = d.getUint32(p + 4);
    this.priorAddressAt = addressAt;
    this.priorKeyAt = keyAt;
    this.priorKeyEnd = keyEnd;
    this.priorValAt = valAt;
    this.priorValEnd = valEnd;
    if (change !== CHANGE_STATE) {
      this.contractDataCount++;
      this.candidate(d, change, list);
    }
    return end;
  }

  /** The entry last read (the pre-state, when removed; the key alone, when evicted) may become a row. */
  private candidate(d: DataView, change: number, list: number): void {
    const { candidates, filter } = this;
    const keyType = d.getInt32(this.priorKeyAt);
    if (keyType === SCV_LEDGER_KEY_NONCE) {
      this.nonces++;
      return;
    }
    const addressAt = this.priorAddressAt;
    if (d.getInt32(addressAt) !== ADDRESS_CONTRACT) {
      this.nonContracts++;
      return;
    }
    if (this.isGo && (change === CHANGE_RESTORED || (list !== LIST_OPERATION && list !== LIST_TRANSACTION))) return;
    const durability = d.getUint32(this.priorKeyEnd);
    if (durability > DURABILITY_PERSISTENT) {
      this.refuse(d, "XDR_VALUE", "ContractDataDurability", this.priorKeyEnd, `durability ${durability} is unknown`);
    }
    if (this.resolvesAssets && keyType === SCV_LEDGER_KEY_CONTRACT_INSTANCE) this.learn(d, addressAt + 4);
    const index = candidates.add();
    const passes =
      filter === undefined ||
      (filter.admits(d, addressAt + 4, keyType, durability, change, this.priorLastModified) &&
        (!filter.needsFacts || keyType !== SCV_VEC || this.isBalanceKey(d)));
    if (passes) candidates.passing++;
    candidates.passes[index] = passes ? 1 : 0;
    candidates.change[index] = change;
    candidates.durability[index] = durability;
    candidates.lastModified[index] = this.priorLastModified;
    candidates.addressAt[index] = addressAt;
    candidates.keyAt[index] = this.priorKeyAt;
    candidates.keyEnd[index] = this.priorKeyEnd;
    candidates.valAt[index] = this.priorValAt;
    candidates.valEnd[index] = this.priorValEnd;
  }

  /** Whether the key last read is a balance's. */
  private isBalanceKey(d: DataView): boolean {
    return balanceHolderKind(d, this.priorKeyAt, this.priorKeyEnd - this.priorKeyAt) >= 0;
  }

  /** The instance last read may name an asset, whatever a filter thinks of its row. */
  private learn(d: DataView, contractAt: number): void {
    const val = this.priorValAt;
    if (val === NONE || d.getInt32(val) !== SCV_CONTRACT_INSTANCE) return;
    const { assets, learned } = this;
    if (!assets.find(d, skipContractExecutable(d, val + 4), contractAt)) return;
    this.ledgerAssets.instance(contractAt, assets);
    if (learned.size >= LEARNED_MAX) return;
    const text = assets.text(d);
    if (text === undefined || learned.has(text)) return;
    learned.set(text, this.sequence);
    this.learnedHere.push(text);
  }

  // -------------------------------------------------------------------------------------------------------------
  // Rows

  private emit(d: DataView, list: number): void {
    const { candidates } = this;
    if (candidates.passing === 0) {
      this.filtered += candidates.count;
      this.changeIndex += candidates.count;
      return;
    }
    candidates.sort(d);
    if (list === LIST_FEE || list === LIST_FEE_REFUND) this.isOutOfOrder = true;
    const { order, count } = candidates;
    for (let i = 0; i < count; i++) {
      const candidate = order[i]!;
      if (candidates.passes[candidate] === 0 || !this.append(d, candidate, list)) this.filtered++;
      this.changeIndex++;
    }
  }

  /** Makes a row of a candidate; false where the filter refuses it for its facts. */
  private append(d: DataView, candidate: number, list: number): boolean {
    const { candidates, rows } = this;
    const row = rows.add();
    const change = candidates.change[candidate]!;
    const keyAt = candidates.keyAt[candidate]!;
    const keyBytes = candidates.keyEnd[candidate]! - keyAt;
    const valAt = candidates.valAt[candidate]!;
    const valBytes = candidates.valEnd[candidate]! - valAt;
    const keyType = d.getInt32(keyAt);
    rows.ledger[row] = this.ledger;
    rows.change[row] = change;
    rows.reason[row] = list;
    rows.durability[row] = candidates.durability[candidate]!;
    rows.keyType[row] = keyType;
    rows.contractAt[row] = candidates.addressAt[candidate]! + 4;
    rows.keyAt[row] = keyAt;
    rows.keyBytes[row] = keyBytes;
    rows.valAt[row] = valAt;
    rows.valBytes[row] = valBytes;
    rows.lastModified[row] = candidates.lastModified[candidate]!;
    rows.liveUntil[row] = 0;
    rows.txHashAt[row] = this.txHashAt;
    rows.txIndex[row] = this.txHashAt === NONE ? 0 : this.transactions;
    rows.opIndex[row] = list === LIST_OPERATION ? this.operation : 0;
    rows.changeIndex[row] = this.changeIndex;
    rows.assetType[row] = ASSET_NONE;
    rows.assetCodeAt[row] = NONE;
    rows.assetCodeBytes[row] = 0;
    rows.assetIssuerAt[row] = NONE;
    rows.contractAsset[row] = NONE;
    rows.instanceType[row] = INSTANCE_NONE;
    rows.wasmHashAt[row] = NONE;
    rows.holderAt[row] = NONE;
    rows.balanceAt[row] = NONE;
    if (keyType === SCV_VEC) this.balance(d, row, change);
    else if (keyType === SCV_LEDGER_KEY_CONTRACT_INSTANCE && change !== CHANGE_EVICTED) {
      if (d.getInt32(valAt) === SCV_CONTRACT_INSTANCE) this.instance(d, row, valAt + 4, change);
    }
    const { filter } = this;
    if (filter?.needsFacts && !this.passesFacts(d, row, filter)) {
      rows.length = row;
      return false;
    }
    return true;
  }

  /** The filter's second and third part; where the third has to wait, those rows pass whose assets may be selected. */
  private passesFacts(d: DataView, row: number, filter: CompiledFilter): boolean {
    const { rows } = this;
    if (!filter.selectsBalance(d, rows, row)) return false;
    return this.filtersLate ? filter.mayHaveAsset(rows, row) : filter.selectsAsset(d, rows, row);
  }

  /** Holder and amount, if the row is a balance. Of an evicted one the key alone is left, which names the holder. */
  private balance(d: DataView, row: number, change: number): void {
    const { rows } = this;
    const keyAt = rows.keyAt[row]!;
    const keyBytes = rows.keyBytes[row]!;
    const kind = balanceHolderKind(d, keyAt, keyBytes);
    if (kind < 0 || (kind !== ADDRESS_CONTRACT && !this.isComplete)) return;
    if (change !== CHANGE_EVICTED) {
      const valAt = rows.valAt[row]!;
      if (!isBalanceValue(d, valAt, rows.valBytes[row]!)) return;
      rows.balanceAt[row] = valAt + AMOUNT_IN_VAL;
    }
    rows.holderAt[row] = keyAt + keyBytes - HOLDER_BEFORE_KEY_END;
    rows.holderKind[row] = kind;
  }

  /** ScContractInstance at `p`: executable, storage. */
  private instance(d: DataView, row: number, p: number, change: number): void {
    const { rows } = this;
    const executable = d.getInt32(p);
    if (!this.isGo || change !== CHANGE_REMOVED) {
      rows.instanceType[row] = executable + 1; // INSTANCE_… follow ContractExecutableType
      rows.wasmHashAt[row] = executable === CONTRACT_EXECUTABLE_WASM ? p + 4 : NONE;
    }
    const { assets } = this;
    if (!assets.find(d, skipContractExecutable(d, p), rows.contractAt[row]!)) return;
    rows.assetType[row] = assets.type;
    rows.assetCodeAt[row] = assets.codeAt;
    rows.assetCodeBytes[row] = assets.codeBytes;
    rows.assetIssuerAt[row] = assets.issuerAt;
  }

  private unpaired(d: DataView, p: number, what: string): never {
    const name = d.getUint32(p) === CHANGE_REMOVED ? "removed" : "updated";
    this.refuse(d, "LEDGER_CHANGE_PAIRING", "LedgerEntryChange", p, `a ${name} entry ${what}`);
  }

  private refuse(d: DataView, reason: XdrReason, typeName: string, at: number, detail: string): never {
    throw new XdrError(reason, typeName, at, pathAt(ROOT, d, at), detail);
  }
}
