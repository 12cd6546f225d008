/** The assets whose contracts' instances were among the changes of ledgers. HOT PATH. */
import { skipContractExecutable } from "../xdr/generated/skip.ts";
import type { AssetFinder } from "./asset.ts";
import type { LearnedAsset } from "./decoder-options.ts";
import type { LedgerAssets } from "./ledger-assets.ts";
import { NONE } from "./row-set.ts";
import { SCV_CONTRACT_INSTANCE } from "./terms.ts";

const LEARNED_MAX = 100_000; // not taken; more than any span shows

/** Collects assets over ledgers, and forgets those of a ledger that turns out to be broken. */
export class LearnedAssets {
  private readonly learned = new Map<string, number>();
  private readonly ofLedger: string[] = [];

  constructor(
    private readonly assets: AssetFinder,
    private readonly ledgerAssets: LedgerAssets,
  ) {}

  /** A ledger begins. */
  begin(): void {
    this.ofLedger.length = 0;
  }

  /** The ledger is broken: nothing was learned from it. */
  forgetLedger(): void {
    for (const asset of this.ofLedger) this.learned.delete(asset);
  }

  /**
   * The assets whose instances were among the changes of the ledgers decoded since the last call, each with the first
   * of them.
   */
  take(): LearnedAsset[] {
    const learned = Array.from(this.learned, ([asset, ledgerSequence]) => ({ asset, ledgerSequence }));
    this.learned.clear();
    return learned;
  }

  /** The instance with its value at `valAt` (NONE: it has none) may name an asset, whatever a filter thinks of its row. */
  learn(d: DataView, contractAt: number, valAt: number, ledgerSequence: number): void {
    if (valAt === NONE || d.getInt32(valAt) !== SCV_CONTRACT_INSTANCE) return;
    const { assets, learned } = this;
    if (!assets.find(d, skipContractExecutable(d, valAt + 4), contractAt)) return;
    this.ledgerAssets.instance(contractAt, assets);
    if (learned.size >= LEARNED_MAX) return;
    const text = assets.text(d);
    if (text === undefined || learned.has(text)) return;
    learned.set(text, ledgerSequence);
    this.ofLedger.push(text);
  }
}
