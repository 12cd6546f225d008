/**
 * One LedgerCloseMeta to the facts of its rows, of one dataset or of several. HOT PATH.
 *
 * Rules: ledger entry changes pair as go-stellar-sdk's ingest.GetChangesFromLedgerEntryChanges pairs them (CAP-62),
 * are ordered as it orders them (by LedgerKey inside each list; fee lists of all transactions first, then each
 * transaction's own lists and its operations', then fee refunds, then upgrades), and become rows as upstream's
 * TransformContractData makes them, with the differences that `compat` "default" owes.
 */
import { CodedError } from "../error.ts";
import { DATASET_DEFAULT, type Dataset } from "../vocabulary/dataset.ts";
import type { SchemaVersion } from "../vocabulary/schema-version.ts";
import { walkChangesLedgerCloseMeta, walkEventsLedgerCloseMeta } from "../xdr/generated/skip.ts";
import { explain, explainEnd } from "../xdr/guard.ts";
import { XDR_BYTES_MAX } from "../xdr/limits.ts";
import { type Arrival, NOT_HERE } from "./arrival.ts";
import { AssetFinder } from "./asset.ts";
import { AssetContract } from "./asset-contract.ts";
import {
  checkOptions,
  type DecoderOptions,
  type LearnedAsset,
  type LedgerSummary,
  refuseSets,
} from "./decoder-options.ts";
import { KnownAssets } from "./known-assets.ts";
import { LearnedAssets } from "./learned-assets.ts";
import { LedgerAssets } from "./ledger-assets.ts";
import { LedgerWalk } from "./ledger-walk.ts";
import { networkId } from "./network.ts";
import { RowAppender } from "./row-appender.ts";
import { RowHashes } from "./row-hashes.ts";
import { restoreRowOrder } from "./row-order.ts";
import { type RowLedger, RowSet } from "./row-set.ts";
import { ROOT } from "./walk-faults.ts";
import { rulesOf, type TtlParts, type WalkRules } from "./walk-rules.ts";

/** Decodes ledgers of one network by one set of rules; keeps its scratch memory from ledger to ledger. */
export class LedgerDecoder {
  private readonly datasets: readonly Dataset[];
  private readonly schemaVersion: SchemaVersion;
  private readonly rules: WalkRules;
  private readonly ttl: TtlParts | undefined;
  /** Absent where nothing needs the hashes. */
  private readonly hashes: RowHashes | undefined;
  private readonly ledgerAssets: LedgerAssets;
  private readonly learned: LearnedAssets;
  private readonly walk: LedgerWalk;
  private rows!: RowSet;
  /** In place of rows of contract data that nobody has asked for: it stays empty. */
  private readonly unasked = new RowSet();

  /** @throws CodedError INVALID_ARGUMENT for a filter that cannot be, or any other option */
  constructor(options: DecoderOptions) {
    checkOptions(options);
    this.schemaVersion = options.schemaVersion ?? 1;
    this.datasets = options.datasets ?? [DATASET_DEFAULT];
    const { rules, ttl } = rulesOf(options, this.datasets, this.schemaVersion);
    this.rules = rules;
    this.ttl = ttl;
    this.hashes = (options.keyHash ?? true) || ttl !== undefined ? new RowHashes() : undefined;
    const contracts = new AssetContract(networkId(options.networkPassphrase));
    const assets = new AssetFinder(contracts, this.rules.isGo);
    const known = options.knownAssets ?? new KnownAssets(options.networkPassphrase);
    this.ledgerAssets = new LedgerAssets(contracts, known);
    this.learned = new LearnedAssets(assets, this.ledgerAssets);
    const appender = new RowAppender(this.rules, assets);
    this.walk = new LedgerWalk(this.rules, this.ledgerAssets, this.learned, appender, ttl, this.hashes);
  }

  /**
   * The assets whose instances were among the changes of the ledgers decoded since the last call, each with the first
   * of them; always empty where assets are not asked for. What to do with them: see known-assets.ts.
   */
  takeLearned(): LearnedAsset[] {
    return this.learned.take();
  }

  /**
   * Appends the rows of one ledger to `sets`, one for each dataset asked for, in their order. `bytes` is the XDR of one
   * LedgerCloseMeta and nothing else, may be a view on shared memory, and must not change until the sets are cleared. When
   * it throws, no row of this ledger was appended, and nothing learned from it.
   *
   * @throws XdrError (DATA_LOSS) where the bytes are not a LedgerCloseMeta, with byte offset and XDR path
   */
  decode(bytes: Uint8Array, ...sets: RowSet[]): LedgerSummary {
    if (bytes.length > XDR_BYTES_MAX) {
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "LEDGER_TOO_LARGE",
        `a ledger of ${bytes.length} bytes is over max ${XDR_BYTES_MAX}`,
      );
    }
    if (sets.length !== this.datasets.length) refuseSets(sets.length, this.datasets);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const { walk } = this;
    this.rows = this.setOf("contract_data", sets) ?? this.unasked;
    const ttlRows = this.setOf("ttl", sets);
    const firsts = sets.map(({ length }) => length);
    const ledgers = sets.map(({ ledgers: { length } }) => length);
    const first = this.rows.length;
    const ttlFirst = ttlRows?.length ?? 0;
    walk.begin(this.rows, this.rows.ledgers.length);
    this.hashes?.begin(this.rows, view);
    if (ttlRows !== undefined) this.ttl?.rows.begin(ttlRows);
    const facts = this.rowLedger(bytes, view);
    this.rows.ledgers.push(facts);
    try {
      const visit = this.rules.resolvesAssets ? walkEventsLedgerCloseMeta : walkChangesLedgerCloseMeta;
      const end = visit(view, 0, walk);
      if (walk.arrival?.isOpen) throw NOT_HERE;
      if (end !== view.byteLength) throw explainEnd(end, ROOT, view);
    } catch (thrown) {
      for (const [i, set] of sets.entries()) set.truncate(firsts[i]!, ledgers[i]!);
      this.unasked.clear();
      this.learned.forgetLedger();
      this.letGo();
      throw walk.arrival?.isOpen ? NOT_HERE : explain(thrown, ROOT, view);
    }
    this.finish(view, first);
    if (ttlRows !== undefined) this.finishTtl(view, ttlRows, ttlFirst, facts);
    if (this.rows.length === first) this.rows.ledgers.length -= 1; // nothing refers to the bytes: let go of them
    this.letGo();
    return this.summary(sets.reduce((sum, { length }, i) => sum + length - firsts[i]!, 0));
  }

  /**
   * Calls `onRows` now and then while large ledgers are decoded from here on: the rows of contract data that are there then
   * stay as they are, but for `liveUntil` and `place`, as long as their set's generation does. Undefined: no longer.
   */
  tellRows(onRows: (() => void) | undefined): void {
    this.walk.onRows = this.rules.resolvesAssets ? undefined : onRows;
  }

  /**
   * As `decode`, of a ledger whose bytes come meanwhile; nothing of them may have been looked at before that is to be true.
   * @throws NOT_HERE where it has to be decoded anew once more has come
   */
  decodeComing(arrival: Arrival, bytes: Uint8Array, ...sets: RowSet[]): LedgerSummary {
    this.walk.arrival = arrival;
    try {
      return this.decode(bytes, ...sets);
    } finally {
      this.walk.arrival = undefined;
    }
  }

  /** Keeps nothing of the ledger but its rows: a decoder stands for as long as its stream does. */
  private letGo(): void {
    this.hashes?.end();
    this.walk.ttls.end();
  }

  private setOf(dataset: Dataset, sets: readonly RowSet[]): RowSet | undefined {
    const index = this.datasets.indexOf(dataset);
    return index < 0 ? undefined : sets[index];
  }

  private rowLedger(bytes: Uint8Array, view: DataView): RowLedger {
    return {
      ...{ bytes, view, dataset: "contract_data", schemaVersion: this.schemaVersion },
      ...{ sequence: 0, closedAtSeconds: 0, closedAtMicrosLow: 0, closedAtMicrosHigh: 0 },
    };
  }

  private summary(rows: number): LedgerSummary {
    const { walk, ttl } = this;
    const places = this.rules.hasContractData ? walk.places : (ttl?.rows.places ?? walk.places);
    return {
      ledgerSequence: walk.sequence,
      closedAtUnixSeconds: walk.closedAt,
      protocolVersion: walk.protocol,
      transactions: walk.place.transactions,
      changes: walk.changeCount,
      contractDataChanges: walk.contractDataCount,
      evictedKeys: walk.evictedCount,
      rows,
      rowsFiltered: walk.filtered + (ttl?.rows.filtered ?? 0),
      places: places.total,
      noncesDropped: walk.nonces,
      nonContractsDropped: walk.nonContracts,
    };
  }

  private finish(view: DataView, first: number): void {
    const { rows, rules, walk, hashes } = this;
    if (walk.isOutOfOrder) restoreRowOrder(rows, first);
    walk.places.settle(rows, first);
    if (rules.resolvesAssets && rows.length > first) {
      this.ledgerAssets.resolve(view, rows, first, walk.sequence);
      if (rules.filtersLate) this.filterLate(view, first);
    }
    if (hashes === undefined) rows.keyHash.fill(0, first * 32, rows.length * 32);
    else {
      hashes.finish(walk.isOutOfOrder || rules.filtersLate);
      if (!rules.isGo && rows.length > first) hashes.join(walk.ttls);
    }
  }

  private finishTtl(view: DataView, ttlRows: RowSet, ttlFirst: number, facts: RowLedger): void {
    const { rows, owners } = this.ttl!;
    rows.finish();
    if (ttlRows.length === ttlFirst) return;
    owners.join(view, ttlRows, ttlFirst, this.rows, this.hashes!.keyRows, this.hashes!.hasher);
    ttlRows.ledgers.push({ ...facts, dataset: "ttl" });
  }

  private filterLate(view: DataView, first: number): void {
    const { rows } = this;
    const kept: number[] = [];
    for (let row = first; row < rows.length; row++) {
      if (this.rules.filter!.selectsAsset(view, rows, row)) kept.push(row);
      else {
        const keyAt = rows.keyAt[row]!;
        this.ttl?.owners.add(rows.contractAt[row]! - 4, keyAt, keyAt + rows.keyBytes[row]!);
      }
    }
    this.walk.filtered += rows.length - first - kept.length;
    rows.keep(first, kept);
  }
}
