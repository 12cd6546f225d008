/** The newest ledger of each source, looked up in the background so that reading it costs nothing. */
import type { LedgerSource } from "../sources/source.ts";

const REFRESH_MS = 5000; // the network closes a ledger every five to six seconds

interface Tip {
  ledger: number;
  askedMs: number;
  asking: boolean;
}

/** The newest ledgers of all sources that sessions work on. */
export class Tips {
  private readonly tips = new Map<LedgerSource, Tip>();

  /** 0 where it is not known. */
  of(source: LedgerSource | undefined): number {
    return source === undefined ? 0 : (this.tips.get(source)?.ledger ?? 0);
  }

  /** Looks it up again when it is old; a source that does not answer keeps its last one. */
  refresh(source: LedgerSource, nowMs: number): void {
    let tip = this.tips.get(source);
    if (tip === undefined) {
      tip = { ledger: 0, askedMs: Number.NEGATIVE_INFINITY, asking: false };
      this.tips.set(source, tip);
    }
    if (tip.asking || nowMs - tip.askedMs < REFRESH_MS) return;
    const asked = tip;
    asked.asking = true;
    asked.askedMs = nowMs;
    source
      .ledgerLatest()
      .then((latest) => {
        asked.ledger = latest ?? 0;
      })
      .catch(() => {})
      .finally(() => {
        asked.asking = false;
      });
  }
}
