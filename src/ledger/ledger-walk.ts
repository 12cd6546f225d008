import {
  type EventsVisitor,
  LEDGER_ENTRY_CHANGE_BYTES_MIN,
  LEDGER_KEY_BYTES_MIN,
  LIST_EVICTION,
  LIST_FEE,
  LIST_FEE_REFUND,
  LIST_OPERATION,
  LIST_TRANSACTION,
  LIST_UPGRADE,
  skipLedgerEntry,
  skipLedgerEntryExt,
  skipLedgerKey,
  skipScAddress,
  skipScVal,
} from "../xdr/generated/skip.ts";
import { readHeader } from "../xdr/ledger-header.ts";
import { fail } from "../xdr/limits.ts";
import type { Arrival } from "./arrival.ts";
import { balanceHolderKind } from "./balance.ts";
import { sameBytes } from "./bytes.ts";
import { Candidates, HIDDEN } from "./candidates.ts";
import { readContractEvents } from "./contract-events.ts";
import { CLOSE_TIME_SECONDS_MAX, closeTimeSeconds } from "./header.ts";
import type { LearnedAssets } from "./learned-assets.ts";
import type { LedgerAssets } from "./ledger-assets.ts";
import { ChangePlace, type RowAppender } from "./row-appender.ts";
import type { RowHashes } from "./row-hashes.ts";
import { RowPlaces } from "./row-order.ts";
import { NONE, type RowSet } from "./row-set.ts";
import {
  ADDRESS_CONTRACT,
  CHANGE_EVICTED,
  CHANGE_REMOVED,
  CHANGE_RESTORED,
  CHANGE_STATE,
  CHANGE_UPDATED,
  DURABILITY_PERSISTENT,
  LEDGER_ENTRY_CONTRACT_DATA,
  LEDGER_ENTRY_TTL,
  SCV_LEDGER_KEY_CONTRACT_INSTANCE,
  SCV_LEDGER_KEY_NONCE,
  SCV_VEC,
} from "./terms.ts";
import { TtlChanges } from "./ttl.ts";
import { refuse, unpaired } from "./walk-faults.ts";
import type { TtlParts, WalkRules } from "./walk-rules.ts";

const NO_CHANGE = -1;

/** Whether contract data with its address and its key there can be a row at all: no nonce, and of a contract. */
function mayBeRow(d: DataView, addressAt: number, keyAt: number): boolean {
  return d.getInt32(keyAt) !== SCV_LEDGER_KEY_NONCE && d.getInt32(addressAt) === ADDRESS_CONTRACT;
}

/** Visits one ledger after the other; the public numbers are those of the ledger that was walked last. */
export class LedgerWalk implements EventsVisitor {
  readonly place = new ChangePlace();
  readonly places = new RowPlaces();
  readonly ttls = new TtlChanges();
  sequence = 0;
  closedAt = 0;
  protocol = 0;
  /** Paired changes of every type. */
  changeCount = 0;
  contractDataCount = 0;
  evictedCount = 0;
  /** Rows that the filter left out. */
  filtered = 0;
  nonces = 0;
  nonContracts = 0;
  /** Whether some row stands in the wire where the row order has it elsewhere. */
  isOutOfOrder = false;
  /** Set while a ledger is walked whose bytes are still coming. */
  arrival: Arrival | undefined;
  /** Called at each transaction, where the rows before it stand as they will when the ledger has been walked. */
  onRows: (() => void) | undefined;
  private readonly candidates = new Candidates();
  private rows!: RowSet;

  // The change before this one in its list, which `updated` and `removed` pair with
  private priorChange = NO_CHANGE;
  private priorType = 0;
  private priorLastModified = 0;
  private priorAddressAt = 0;
  private priorKeyAt = 0;
  private priorKeyEnd = 0;
  private priorValAt = 0;
  private priorValEnd = 0;

  constructor(
    private readonly rules: WalkRules,
    private readonly ledgerAssets: LedgerAssets,
    private readonly learned: LearnedAssets,
    private readonly appender: RowAppender,
    /** Absent where that dataset is not asked for. */
    private readonly ttl: TtlParts | undefined,
    private readonly hashes: RowHashes | undefined,
  ) {}

  /** A ledger begins, which is `ledger` among the row set's. */
  begin(rows: RowSet, ledger: number): void {
    this.rows = rows;
    this.appender.rows = rows;
    this.place.begin(ledger);
    this.places.begin();
    this.sequence = 0;
    this.changeCount = 0;
    this.contractDataCount = 0;
    this.evictedCount = 0;
    this.filtered = 0;
    this.nonces = 0;
    this.nonContracts = 0;
    this.isOutOfOrder = false;
    this.ttls.clear();
    this.ttl?.owners.clear();
    this.ledgerAssets.clear();
    this.learned.begin();
  }

  /** LedgerHeaderHistoryEntry at `p`. */
  header(d: DataView, p: number): void {
    const ledger = this.rows.ledgers[this.place.ledger]!;
    const header = readHeader(d, p);
    this.sequence = header.sequence;
    this.protocol = header.protocolVersion;
    this.closedAt = closeTimeSeconds(d, header.closeTimeAt);
    if (this.closedAt > CLOSE_TIME_SECONDS_MAX) {
      refuse(d, "LEDGER_HEADER", "TimePoint", header.closeTimeAt, `close time ${this.closedAt} s is out of range`);
    }
    ledger.sequence = this.sequence;
    ledger.closedAtSeconds = this.closedAt;
    const micros = BigInt(this.closedAt) * 1_000_000n;
    ledger.closedAtMicrosLow = Number(micros & 0xffff_ffffn);
    ledger.closedAtMicrosHigh = Number(micros >> 32n);
  }

  /** TransactionResultPair at `p`: the transaction's hash, then its result. */
  transaction(_d: DataView, p: number): void {
    this.arrival?.reach(p);
    this.hashes?.transaction();
    this.onRows?.();
    const { place } = this;
    place.transactions++;
    place.txHashAt = p;
    place.operation = -1;
    place.changeIndex = 0;
    this.ttl?.rows.beginTransaction();
  }

  /** LedgerEntryChanges at `p`; returns the position after them. */
  changes(d: DataView, p: number, list: number): number {
    let left = d.getInt32(p);
    if (left < 0 || left * LEDGER_ENTRY_CHANGE_BYTES_MIN > d.byteLength - p - 4) fail();
    p += 4;
    if (list === LIST_OPERATION) this.place.operation++;
    else if (list === LIST_UPGRADE) this.leaveTransactions();
    if (left === 0) return p;
    this.priorChange = NO_CHANGE;
    this.candidates.clear();
    for (; left > 0; left--) p = this.change(d, p, list);
    if (this.candidates.count > 0) this.emit(d, list);
    this.ttl?.rows.emit(d, list, this.place);
    return p;
  }

  /** Upgrades and evictions are the ledger's own: their changes count from 0 on together. */
  private leaveTransactions(): void {
    const { place } = this;
    if (place.txHashAt === NONE) return;
    place.txHashAt = NONE;
    place.changeIndex = 0;
    this.ttl?.rows.beginTransaction();
  }

  /** The list of evicted LedgerKeys at `p`; returns the position after it. */
  evicted(d: DataView, p: number): number {
    let left = d.getInt32(p);
    if (left < 0 || left * LEDGER_KEY_BYTES_MIN > d.byteLength - p - 4) fail();
    p += 4;
    this.leaveTransactions();
    for (; left > 0; left--) {
      const end = skipLedgerKey(d, p, 0);
      if (d.getInt32(p) === LEDGER_ENTRY_CONTRACT_DATA) {
        if (this.rules.isComplete) this.eviction(d, p + 4, end);
        else {
          const keyAt = skipScAddress(d, p + 4);
          if (mayBeRow(d, p + 4, keyAt)) {
            this.places.take(LIST_EVICTION, 1);
            this.ttl?.owners.add(p + 4, keyAt, end - 4);
          }
        }
      } else if (d.getInt32(p) === LEDGER_ENTRY_TTL) this.ttl?.rows.eviction(d, p + 4, this.place);
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
    return readContractEvents(d, p, this.ledgerAssets);
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
    this.priorChange = change;
    this.priorType = type;
    const end = skipLedgerEntry(d, p + 4, 0);
    if (type === LEDGER_ENTRY_TTL) this.ttlEntry(d, p, change);
    return end;
  }

  /** A LedgerEntryChange that holds a TTL entry. */
  private ttlEntry(d: DataView, p: number, change: number): void {
    if (change !== CHANGE_STATE) this.ttls.add(p + 12);
    if (this.ttl?.rows.entry(d, p + 12, change) === false) unpaired(d, p, "follows the state of another key");
  }

  /** `updated` and `removed` follow the entry's `state`, or its `restored` (CAP-62). */
  private checkPrior(d: DataView, p: number, type: number): void {
    const isAfterState = this.priorChange === CHANGE_STATE || this.priorChange === CHANGE_RESTORED;
    if (isAfterState && this.priorType === type) return;
    // An entry that is no XDR, of an unknown type for one, fails as that. (A removed key was stepped over before.)
    if (d.getInt32(p) === CHANGE_UPDATED) skipLedgerEntry(d, p + 4, 0);
    if (!isAfterState) unpaired(d, p, "follows neither a state nor a restored entry");
    unpaired(d, p, `of ledger entry type ${type} follows an entry of type ${this.priorType}`);
  }

  private removal(d: DataView, p: number, list: number): number {
    const key = p + 4;
    const end = skipLedgerKey(d, key, 0);
    const type = d.getInt32(key);
    this.changeCount++;
    this.checkPrior(d, p, type);
    if (type === LEDGER_ENTRY_CONTRACT_DATA) {
      const isPaired = sameBytes(d, key + 4, end, this.priorAddressAt, this.priorKeyEnd + 4);
      if (!isPaired) unpaired(d, p, "follows the state of another key");
      this.contractDataCount++;
      this.candidate(d, CHANGE_REMOVED, list);
    } else if (type === LEDGER_ENTRY_TTL && this.ttl?.rows.removal(d, key + 4) === false) {
      unpaired(d, p, "follows the state of another key");
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
    if (isUnpaired) unpaired(d, p, "follows the state of another key");
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
    const { candidates } = this;
    const { filter } = this.rules;
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
    const { isGo, hasContractData } = this.rules;
    if (isGo && list !== LIST_OPERATION && list !== LIST_TRANSACTION) {
      this.places.take(list, 1);
      this.ttl?.owners.add(addressAt, this.priorKeyAt, this.priorKeyEnd);
      return;
    }
    const isHidden = isGo && change === CHANGE_RESTORED;
    const durability = d.getUint32(this.priorKeyEnd);
    if (durability > DURABILITY_PERSISTENT && !isHidden) {
      refuse(d, "XDR_VALUE", "ContractDataDurability", this.priorKeyEnd, `durability ${durability} is unknown`);
    }
    if (!hasContractData) {
      this.ttl?.owners.add(addressAt, this.priorKeyAt, this.priorKeyEnd);
      return;
    }
    if (this.rules.resolvesAssets && keyType === SCV_LEDGER_KEY_CONTRACT_INSTANCE) {
      this.learned.learn(d, addressAt + 4, this.priorValAt, this.sequence);
    }
    const index = candidates.add();
    const passes =
      !isHidden &&
      (filter === undefined ||
        (filter.admits(d, addressAt + 4, keyType, durability, change, this.priorLastModified) &&
          (!filter.needsFacts || keyType !== SCV_VEC || this.isBalanceKey(d))));
    if (passes) candidates.passing++;
    else if (isHidden) candidates.hidden++;
    candidates.passes[index] = isHidden ? HIDDEN : passes ? 1 : 0;
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

  private emit(d: DataView, list: number): void {
    const { candidates, place, appender } = this;
    const first = this.places.take(list, candidates.count);
    if (candidates.passing === 0) {
      const counted = candidates.count - candidates.hidden;
      this.filtered += counted;
      place.changeIndex += counted;
      for (let i = 0; i < candidates.count; i++) this.noRow(i);
      return;
    }
    place.list = list;
    candidates.sort(d);
    if (list === LIST_FEE || list === LIST_FEE_REFUND) this.isOutOfOrder = true;
    const { order, count } = candidates;
    for (let i = 0; i < count; i++) {
      const candidate = order[i]!;
      const passes = candidates.passes[candidate]!;
      if (passes === HIDDEN) {
        this.noRow(candidate);
        continue;
      }
      place.inRank = first + i;
      if (passes === 0 || !appender.append(d, candidates, candidate, place)) {
        this.filtered++;
        this.noRow(candidate);
      }
      place.changeIndex++;
    }
  }

  /** The candidate is none, but its key may be that of a TTL row. */
  private noRow(candidate: number): void {
    const { addressAt, keyAt, keyEnd } = this.candidates;
    this.ttl?.owners.add(addressAt[candidate]!, keyAt[candidate]!, keyEnd[candidate]!);
  }
}
