/** Folds rows of both datasets to what there is: what a reader of contract_data and ttl has to do. */
import type { Living } from "./living-world.ts";

/** A row of either dataset, with its columns by name. */
export type FoldRow = Readonly<Record<string, unknown>>;

/** Entries by key hash: contract_data's rows say what there is, ttl's until when. */
export class Fold {
  private readonly vals = new Map<string, string>();
  private readonly untils = new Map<string, number>();

  /** A row of contract_data (schema version 2). */
  data(row: FoldRow): void {
    const hash = String(row.ledger_key_hash);
    if (row.deleted) this.vals.delete(hash);
    else this.vals.set(hash, new Bun.CryptoHasher("sha256").update(row.val_xdr as Uint8Array).digest("hex"));
  }

  /** A row of ttl. */
  ttl({ ledger_key_hash, live_until_ledger }: FoldRow): void {
    const hash = String(ledger_key_hash);
    if (live_until_ledger === null) this.untils.delete(hash);
    else this.untils.set(hash, Number(live_until_ledger));
  }

  state(): Map<string, Living> {
    return new Map([...this.vals].map(([hash, val]) => [hash, { val, until: this.untils.get(hash) ?? 0 }]));
  }

  /** One line an entry, sorted: key hash, sha256 of the value, live-until ledger, live or expired at that ledger. */
  lines(ledger: number): string[] {
    return [...this.state()]
      .map(([hash, { val, until }]) => {
        const word = !this.untils.has(hash) ? "unknown" : until >= ledger ? "live" : "expired";
        return [hash, val, until, word].join("\t");
      })
      .sort();
  }
}
