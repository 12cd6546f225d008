/**
 * Assets of contracts that are known before a ledger is read. A contract's id is the hash of its asset, so an asset
 * alone is enough to know its contract, and nothing here can be wrong: the only question is from which ledger on it is
 * known, and that must not depend on how the work is spread.
 *
 * The rule: what is given at the start is known from the first ledger. What an instance row shows in ledger L is known
 * in ledger L itself (the decoder sees to that), and again from ledger L + ASSET_DELAY_LEDGERS on: `knownFrom(L)`. So
 * the rows of a ledger depend on ledgers before `settledBefore(ledger)` only, however many workers there are and
 * wherever spans are cut. For that, a stream that learns
 * - has every worker add what its own ledgers show to its own table at once (an entry may come early: it waits for its
 *   ledger), and report it with its span's end,
 * - gives it, in ledger order, to the tables of all other workers,
 * - hands no ledger M to a worker before all ledgers below `settledBefore(M)` are done, but for those of the same span,
 *   which that worker reads before (src/engine/span-pump.ts),
 * - keeps the table with its position, and starts from it again, since a stream that resumes must know what it knew.
 * A stream that does not learn has a table that never changes, and rows that depend on their ledger and that table alone.
 */
import { CodedError } from "../error.ts";
import { parseSep11, SEP11_NATIVE } from "../xdr/sep11.ts";
import { formatStrkey, STRKEY_CONTRACT } from "../xdr/strkey.ts";
import { AssetContract } from "./asset-contract.ts";
import { AssetStore } from "./asset-store.ts";
import { networkId } from "./network.ts";
import { sameId, secretHash } from "./secret-hash.ts";

/**
 * How long a fact travels: as short as can be without workers that wait for it. What is in flight of one stream is at most
 * two spans a worker, and a stream that learns cuts its spans so that together they are no longer than this: 64 ledgers
 * (the most there are) with 2 workers, 32 with 4 (the default), 1 with 128. With half of it, batches of quiet ledgers would
 * be half as large (6000 ledgers on 4 workers: 101 batches without learning, 193 with 256, 379 with 128, 753 with 64), and
 * of a lake with files of 64 ledgers, which cannot be cut, there would be two files in flight for 4 workers.
 * Files longer than the delay are decoded one after the other. Twice as much would come twice as late: 256 ledgers are
 * some 20 minutes at the tip.
 */
export const ASSET_DELAY_LEDGERS = 256;

const KNOWN_ASSETS_MAX = 1 << 20; // some hundred MB; pubnet has issued fewer with a contract

/** The first ledger that knows what ledger `ledgerSequence` showed (apart from itself). */
export function knownFrom(ledgerSequence: number, delayLedgers = ASSET_DELAY_LEDGERS): number {
  return ledgerSequence + delayLedgers;
}

/** Ledgers below this one must be done, and their learned assets added, before ledger `ledgerSequence` is decoded. */
export function settledBefore(ledgerSequence: number, delayLedgers = ASSET_DELAY_LEDGERS): number {
  return Math.max(0, ledgerSequence - delayLedgers + 1);
}

/** An asset as SEP-11 writes it (`native`, `CODE:G…`), its contract, and the first ledger that knows it. */
export interface KnownAsset {
  asset: string;
  /** C… strkey. */
  contractId: string;
  ledgerFrom: number;
}

/** The assets whose contracts are known, each from its ledger on. */
export class KnownAssets {
  /** Counts the changes of the table. */
  version = 0;
  /** The assets, by number. */
  readonly store = new AssetStore();
  private readonly contracts: AssetContract;
  private readonly from: number[] = [];
  private readonly texts: string[] = [];
  /** 32-byte contract ids, by number. */
  private ids = new DataView(new ArrayBuffer(16 * 32));
  /** Open addressing: 0 is empty, else 1 + number. */
  private slots = new Uint32Array(32);

  /**
   * A table with the native asset's contract and those of `assets` (SEP-11), known from the first ledger on.
   * @throws CodedError INVALID_ARGUMENT / INVALID_ASSET naming the one that is none
   */
  constructor(networkPassphrase: string, assets: Iterable<string> = []) {
    this.contracts = new AssetContract(networkId(networkPassphrase));
    this.add(SEP11_NATIVE);
    for (const asset of assets) this.add(asset);
  }

  get size(): number {
    return this.texts.length;
  }

  /**
   * Adds an asset (SEP-11), known from `ledgerFrom` on; of two such ledgers the earlier stays.
   * @returns whether that has changed anything
   * @throws CodedError INVALID_ARGUMENT / INVALID_ASSET, RESOURCE_EXHAUSTED / TOO_MANY_ASSETS
   */
  add(asset: string, ledgerFrom = 0): boolean {
    const index = this.texts.length;
    if (index >= KNOWN_ASSETS_MAX) {
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "TOO_MANY_ASSETS",
        `${index} assets are known, and a table of known assets holds ${KNOWN_ASSETS_MAX}: no more can be learned`,
      );
    }
    if ((index + 1) * 32 > this.ids.byteLength) this.enlarge();
    const id = this.append(asset);
    const slot = this.slotOf(id, 0);
    const known = this.slots[slot]!;
    if (known !== 0) {
      this.store.size--; // it was there
      if (ledgerFrom >= this.from[known - 1]!) return false;
      this.from[known - 1] = ledgerFrom;
    } else {
      this.slots[slot] = index + 1;
      this.texts.push(asset);
      this.from.push(ledgerFrom);
      for (let i = 0; i < 32; i += 4) this.ids.setUint32(index * 32 + i, id.getUint32(i));
    }
    this.version++;
    return true;
  }

  /** Number of the asset whose contract's id lies at `p`, if ledger `ledgerSequence` knows it; else -1. */
  find(d: DataView, p: number, ledgerSequence: number): number {
    const index = this.slots[this.slotOf(d, p)]! - 1;
    return index >= 0 && this.from[index]! <= ledgerSequence ? index : -1;
  }

  /** Everything in the table, in the order added. */
  list(): KnownAsset[] {
    return this.texts.map((asset, index) => ({
      asset,
      contractId: formatStrkey(new Uint8Array(this.ids.buffer, index * 32, 32), STRKEY_CONTRACT),
      ledgerFrom: this.from[index]!,
    }));
  }

  /** Puts the asset at the store's end; its contract's id. */
  private append(asset: string): DataView {
    if (asset === SEP11_NATIVE) {
      this.store.addNative();
      return this.contracts.native;
    }
    const { code, issuer: account } = parseSep11(asset);
    const issuer = new DataView(account.buffer);
    const bytes = new DataView(new TextEncoder().encode(code).buffer);
    this.store.addIssued(bytes, 0, code.length, issuer, 0);
    return this.contracts.of(bytes, 0, code.length, issuer, 0);
  }

  /** The slot of the 32-byte id at `p`, or the empty one where it belongs. */
  private slotOf(d: DataView, p: number): number {
    const mask = this.slots.length - 1;
    let slot = secretHash(d, p) & mask;
    for (let entry = this.slots[slot]!; entry !== 0; entry = this.slots[slot]!) {
      if (sameId(d, p, this.ids, (entry - 1) * 32)) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  private enlarge(): void {
    const ids = new Uint8Array(this.ids.byteLength * 2);
    ids.set(new Uint8Array(this.ids.buffer));
    this.ids = new DataView(ids.buffer);
    this.slots = new Uint32Array(this.slots.length * 2);
    for (let index = 0; index < this.texts.length; index++) this.slots[this.slotOf(this.ids, index * 32)] = index + 1;
  }
}
