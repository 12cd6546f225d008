/**
 * What a stream knows of assets, on the main thread: what it was given at the start, and what the spans in order have
 * taught, each with the first ledger that knows it (ledger/known-assets.ts). It outlives the stream: a session hands it on
 * from one to the next, and the streams of clients that catch up read it.
 */
import type { AssetRecord } from "../workers/records.ts";

/**
 * Assets as SEP-11 writes them (`native`, `CODE:ISSUER`), each with the first ledger from which rows may use it. The
 * table never forgets an asset and has no limit of its own.
 */
export class AssetTable {
  /** Only ever appended to. An asset that is there twice counts from the earlier ledger on. */
  readonly records: readonly AssetRecord[];
  private readonly log: AssetRecord[] = [];
  private readonly from = new Map<string, number>();

  /**
   * @param given known from the first ledger on, as SEP-11 writes them
   * @param learned by earlier streams
   */
  constructor(given: Iterable<string> = [], learned: Iterable<AssetRecord> = []) {
    this.records = this.log;
    for (const asset of given) this.add({ asset, ledgerFrom: 0 });
    for (const record of learned) this.add(record);
  }

  /** Returns whether it was news. */
  add({ asset, ledgerFrom }: AssetRecord): boolean {
    const known = this.from.get(asset);
    if (known !== undefined && known <= ledgerFrom) return false;
    this.from.set(asset, ledgerFrom);
    this.log.push({ asset, ledgerFrom });
    return true;
  }
}
