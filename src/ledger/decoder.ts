/**
 * One LedgerCloseMeta to the facts of its contract-data rows. HOT PATH.
 *
 * Rules: ledger entry changes pair as go-stellar-sdk's ingest.GetChangesFromLedgerEntryChanges pairs them (CAP-62),
 * are ordered as it orders them (by LedgerKey inside each list; fee lists of all transactions first, then each
 * transaction's own lists and its operations', then fee refunds, then upgrades), and become rows as upstream's
 * TransformContractData makes them, with the differences that `compat` "default" owes.
 */
import { CodedError } from "../error.ts";
import type { SchemaVersion } from "../vocabulary/schema-version.ts";
import { walkChangesLedgerCloseMeta, walkEventsLedgerCloseMeta } from "../xdr/generated/skip.ts";
import { explain, explainEnd } from "../xdr/guard.ts";
import { XDR_BYTES_MAX } from "../xdr/limits.ts";
import { AssetFinder } from "./asset.ts";
import { AssetContract } from "./asset-contract.ts";
import { checkOptions, type DecoderOptions, type LearnedAsset, type LedgerSummary } from "./decoder-options.ts";
import { CompiledFilter } from "./filter.ts";
import { KeyHasher } from "./key-hash.ts";
import { KnownAssets } from "./known-assets.ts";
import { LearnedAssets } from "./learned-assets.ts";
import { LedgerAssets } from "./ledger-assets.ts";
import { LedgerWalk, ROOT, type WalkRules } from "./ledger-walk.ts";
import { networkId } from "./network.ts";
import { RowAppender } from "./row-appender.ts";
import { restoreRowOrder } from "./row-order.ts";
import type { RowSet } from "./row-set.ts";

/** Decodes ledgers of one network by one set of rules; keeps its scratch memory from ledger to ledger. */
export class LedgerDecoder {
  private readonly schemaVersion: SchemaVersion;
  private readonly rules: WalkRules;
  private readonly hashesKeys: boolean;
  private readonly ledgerAssets: LedgerAssets;
  private readonly learned: LearnedAssets;
  private readonly walk: LedgerWalk;
  private readonly hasher = new KeyHasher();
  private rows!: RowSet;

  /** @throws CodedError INVALID_ARGUMENT for a filter that cannot be, or any other option */
  constructor(options: DecoderOptions) {
    checkOptions(options);
    this.schemaVersion = options.schemaVersion ?? 1;
    this.hashesKeys = options.keyHash ?? true;
    this.rules = rulesOf(options, this.schemaVersion);
    const contracts = new AssetContract(networkId(options.networkPassphrase));
    const assets = new AssetFinder(contracts, this.rules.isGo);
    const known = options.knownAssets ?? new KnownAssets(options.networkPassphrase);
    this.ledgerAssets = new LedgerAssets(contracts, known);
    this.learned = new LearnedAssets(assets, this.ledgerAssets);
    const appender = new RowAppender(this.rules, assets);
    this.walk = new LedgerWalk(this.rules, this.ledgerAssets, this.learned, appender);
  }

  /**
   * The assets whose instances were among the changes of the ledgers decoded since the last call, each with the first
   * of them; always empty where assets are not asked for. What to do with them: see known-assets.ts.
   */
  takeLearned(): LearnedAsset[] {
    return this.learned.take();
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
    this.rows = rows;
    const { schemaVersion, walk } = this;
    walk.begin(rows, ledger);
    rows.ledgers.push({
      ...{ bytes, view, schemaVersion },
      ...{ sequence: 0, closedAtSeconds: 0, closedAtMicrosLow: 0, closedAtMicrosHigh: 0 },
    });
    try {
      const visit = this.rules.resolvesAssets ? walkEventsLedgerCloseMeta : walkChangesLedgerCloseMeta;
      const end = visit(view, 0, walk);
      if (end !== view.byteLength) throw explainEnd(end, ROOT, view);
    } catch (thrown) {
      rows.truncate(first, ledger);
      this.learned.forgetLedger();
      throw explain(thrown, ROOT, view);
    }
    this.finish(view, first);
    return {
      ledgerSequence: walk.sequence,
      closedAtUnixSeconds: walk.closedAt,
      protocolVersion: walk.protocol,
      transactions: walk.place.transactions,
      changes: walk.changeCount,
      contractDataChanges: walk.contractDataCount,
      evictedKeys: walk.evictedCount,
      rows: rows.length - first,
      rowsFiltered: walk.filtered,
      places: walk.places.total,
      noncesDropped: walk.nonces,
      nonContractsDropped: walk.nonContracts,
    };
  }

  private finish(view: DataView, first: number): void {
    const { rows, rules, walk } = this;
    if (walk.isOutOfOrder) restoreRowOrder(rows, first);
    walk.places.settle(rows, first);
    if (rules.resolvesAssets && rows.length > first) {
      this.ledgerAssets.resolve(view, rows, first, walk.sequence);
      if (rules.filtersLate) this.filterLate(view, first);
    }
    if (rows.length === first) {
      rows.ledgers.length = walk.place.ledger; // nothing refers to the bytes: let go of them
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
    if (!rules.isGo) walk.ttls.join(view, rows, first);
  }

  private filterLate(view: DataView, first: number): void {
    const { rows } = this;
    const kept: number[] = [];
    for (let row = first; row < rows.length; row++)
      if (this.rules.filter!.selectsAsset(view, rows, row)) kept.push(row);
    this.walk.filtered += rows.length - first - kept.length;
    rows.keep(first, kept);
  }
}

function rulesOf(options: DecoderOptions, schemaVersion: SchemaVersion): WalkRules {
  const isGo = options.compat === "go";
  const given = options.filter;
  const filter = given === undefined || given instanceof CompiledFilter ? given : new CompiledFilter(given);
  const namesAssets = filter?.namesAssets ?? false;
  const resolvesAssets = !isGo && (namesAssets || (options.assets ?? false));
  return {
    ...{ isGo, filter, resolvesAssets },
    isComplete: schemaVersion === 2 && !isGo,
    filtersLate: resolvesAssets && namesAssets,
  };
}
