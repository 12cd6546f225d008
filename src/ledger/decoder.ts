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
  type ChangesVisitor,
  LEDGER_ENTRY_CHANGE_BYTES_MIN,
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
} from "../xdr/generated/skip.ts";
import { explain, explainEnd } from "../xdr/guard.ts";
import { pathAt } from "../xdr/inspect.ts";
import { fail, XDR_BYTES_MAX } from "../xdr/limits.ts";
import { AssetFinder, clearAsset } from "./asset.ts";
import { AMOUNT_IN_VAL, HOLDER_IN_KEY, isBalance } from "./balance.ts";
import { sameBytes } from "./bytes.ts";
import { Candidates } from "./candidates.ts";
import { CompiledFilter, type RowFilter } from "./filter.ts";
import { CLOSE_TIME_SECONDS_MAX, closeTimeSeconds, readHeader } from "./header.ts";
import { KeyHasher } from "./key-hash.ts";
import { networkId } from "./network.ts";
import { NONE, type RowSet } from "./row-set.ts";
import {
  ADDRESS_CONTRACT,
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
} from "./terms.ts";
import { TtlChanges } from "./ttl.ts";

/**
 * `go`: exactly the rows of the Go service: no restored entries, the native asset's contract not recognised, no
 * expiration, no instance facts on removed rows, and only the transactions' own changes (not fees or upgrades).
 */
export type Compat = "default" | "go";

export interface DecoderOptions {
  /** Decides the contract ids of assets. */
  networkPassphrase: string;
  compat: Compat;
  /** Absent: every row. */
  filter?: RowFilter | CompiledFilter;
  /** False leaves out the key hashes and with them the expirations, for projections that have neither. Default true. */
  keyHash?: boolean;
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

const ROOT = "LedgerCloseMeta";

export class LedgerDecoder implements ChangesVisitor {
  private readonly isGo: boolean;
  private readonly filter: CompiledFilter | undefined;
  private readonly hashesKeys: boolean;
  private readonly assets: AssetFinder;
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

  /** @throws CodedError INVALID_ARGUMENT for a filter that cannot be */
  constructor(options: DecoderOptions) {
    this.isGo = options.compat === "go";
    this.filter =
      options.filter === undefined || options.filter instanceof CompiledFilter
        ? options.filter
        : new CompiledFilter(options.filter);
    this.hashesKeys = options.keyHash ?? true;
    this.assets = new AssetFinder(networkId(options.networkPassphrase), !this.isGo);
  }

  /**
   * Appends the rows of one ledger to `rows`. `bytes` is the XDR of one LedgerCloseMeta and nothing else, may be a view
   * on shared memory, and must not change until `rows.clear()`. When it throws, no row of this ledger was appended.
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
    rows.ledgers.push({ bytes, view, sequence: 0, closedAtSeconds: 0, closedAtMicrosLow: 0, closedAtMicrosHigh: 0 });
    try {
      const end = walkChangesLedgerCloseMeta(view, 0, this);
      if (end !== view.byteLength) throw explainEnd(end, ROOT, view);
    } catch (thrown) {
      rows.truncate(first, ledger);
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
      rows: rows.length - first,
      rowsFiltered: this.filtered,
      noncesDropped: this.nonces,
      nonContractsDropped: this.nonContracts,
    };
  }

  private begin(rows: RowSet, ledger: number): void {
    this.rows = rows;
    this.ledger = ledger;
    this.transactions = 0;
    this.changeCount = 0;
    this.contractDataCount = 0;
    this.filtered = 0;
    this.nonces = 0;
    this.nonContracts = 0;
    this.txHashAt = NONE;
    this.operation = 0;
    this.changeIndex = 0;
    this.isOutOfOrder = false;
    this.ttls.clear();
  }

  private finish(view: DataView, first: number): void {
    const { rows } = this;
    if (rows.length === first) {
      rows.ledgers.length = this.ledger; // nothing refers to the bytes: let go of them
      return;
    }
    if (this.isOutOfOrder) this.restoreOrder(first);
    if (!this.hashesKeys) {
      rows.keyHash.fill(0, first * 32, rows.length * 32);
      return;
    }
    for (let row = first; row < rows.length; row++) {
      const from = rows.contractAt[row]! - 4;
      this.hasher.hash(view, from, rows.keyAt[row]! + rows.keyBytes[row]! + 4, rows.keyHash, row * 32);
    }
    if (!this.isGo) this.ttls.join(view, rows, first);
  }

  /** Fee changes of all transactions come first, then the transactions' own, then refunds. */
  private restoreOrder(first: number): void {
    const { rows } = this;
    const rank = (row: number): number => {
      const list = rows.reason[row];
      return list === LIST_FEE ? 0 : list === LIST_FEE_REFUND ? 2 : list === LIST_UPGRADE ? 3 : 1;
    };
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
    let left = d.getUint32(p);
    if (left * LEDGER_ENTRY_CHANGE_BYTES_MIN > d.byteLength - p - 4) fail();
    p += 4;
    if (list === LIST_OPERATION) this.operation++;
    else if (list === LIST_UPGRADE) this.beginUpgrade();
    if (left === 0) return p;
    this.priorChange = NO_CHANGE;
    this.candidates.clear();
    for (; left > 0; left--) p = this.change(d, p, list);
    if (this.candidates.count > 0) this.emit(d, list);
    return p;
  }

  private beginUpgrade(): void {
    if (this.txHashAt === NONE) return;
    this.txHashAt = NONE;
    this.changeIndex = 0;
  }

  /** LedgerEntryChange at `p`; returns the position after it. */
  private change(d: DataView, p: number, list: number): number {
    const change = d.getUint32(p);
    if (change === CHANGE_REMOVED) return this.removal(d, p, list);
    if (change > CHANGE_RESTORED) fail();
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
    if (this.priorChange !== CHANGE_STATE && this.priorChange !== CHANGE_RESTORED) {
      this.unpaired(d, p, "follows neither a state nor a restored entry");
    }
    if (this.priorType !== type) {
      this.unpaired(d, p, `of ledger entry type ${type} follows an entry of type ${this.priorType}`);
    }
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
      this.candidate(d, CHANGE_REMOVED, list);
    }
    this.priorChange = CHANGE_REMOVED;
    return end;
  }

  /** A LedgerEntryChange that holds a contract-data entry; see LAYOUTS in scripts/generate-xdr.ts for the offsets. */
  private contractData(d: DataView, p: number, change: number, list: number): number {
    if (d.getInt32(p + 12) !== 0) fail(); // ContractDataEntry.ext has one arm
    const addressAt = p + 16;
    const keyAt = skipScAddress(d, addressAt);
    const keyEnd = skipScVal(d, keyAt, 0);
    const valAt = keyEnd + 4;
    const valEnd = skipScVal(d, valAt, 0);
    const end = skipLedgerEntryExt(d, valEnd);
    if (change === CHANGE_UPDATED && !sameBytes(d, addressAt, valAt, this.priorAddressAt, this.priorKeyEnd + 4)) {
      this.unpaired(d, p, "follows the state of another key");
    }
    this.priorChange = change;
    this.priorType = LEDGER_ENTRY_CONTRACT_DATA;
    this.priorLastModified = d.getUint32(p + 4);
    this.priorAddressAt = addressAt;
    this.priorKeyAt = keyAt;
    this.priorKeyEnd = keyEnd;
    this.priorValAt = valAt;
    this.priorValEnd = valEnd;
    if (change !== CHANGE_STATE) this.candidate(d, change, list);
    return end;
  }

  /** The entry last read (the pre-state, when removed) may become a row. */
  private candidate(d: DataView, change: number, list: number): void {
    this.contractDataCount++;
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
    const index = candidates.add();
    const passes = filter === undefined || filter.admits(d, addressAt + 4, keyType, durability, change);
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

  /** Makes a row of a candidate; false where the filter's second part refuses it. */
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
    clearAsset(rows, row);
    rows.instanceType[row] = INSTANCE_NONE;
    rows.wasmHashAt[row] = NONE;
    if (isBalance(d, keyAt, keyBytes, valAt, valBytes)) {
      rows.holderAt[row] = keyAt + HOLDER_IN_KEY;
      rows.balanceAt[row] = valAt + AMOUNT_IN_VAL;
    } else {
      rows.holderAt[row] = NONE;
      rows.balanceAt[row] = NONE;
      if (keyType === SCV_LEDGER_KEY_CONTRACT_INSTANCE && d.getInt32(valAt) === SCV_CONTRACT_INSTANCE) {
        this.instance(d, row, valAt + 4, change);
      }
    }
    const { filter } = this;
    if (filter?.needsFacts && !filter.selects(d, rows, row)) {
      rows.length = row;
      return false;
    }
    return true;
  }

  /** ScContractInstance at `p`: executable, storage. */
  private instance(d: DataView, row: number, p: number, change: number): void {
    const { rows } = this;
    const executable = d.getInt32(p);
    if (!this.isGo || change !== CHANGE_REMOVED) {
      rows.instanceType[row] = executable + 1; // INSTANCE_… follow ContractExecutableType
      rows.wasmHashAt[row] = executable === CONTRACT_EXECUTABLE_WASM ? p + 4 : NONE;
    }
    this.assets.find(d, skipContractExecutable(d, p), rows, row);
  }

  private unpaired(d: DataView, p: number, what: string): never {
    const name = d.getUint32(p) === CHANGE_REMOVED ? "removed" : "updated";
    this.refuse(d, "LEDGER_CHANGE_PAIRING", "LedgerEntryChange", p, `a ${name} entry ${what}`);
  }

  private refuse(d: DataView, reason: XdrReason, typeName: string, at: number, detail: string): never {
    throw new XdrError(reason, typeName, at, pathAt(ROOT, d, at), detail);
  }
}
