/** sha256 of a LedgerKey's XDR, of which the ledger entry holds all but the discriminant. HOT PATH. */
import { sha256Into } from "../xdr/sha256.ts";
import { LEDGER_ENTRY_CONTRACT_DATA } from "./terms.ts";

const VIEW_BYTES_MAX = 1024; // keys up to this length are hashed through a view kept from the last time

export class KeyHasher {
  private scratch = new Uint8Array(4096);
  private view = new DataView(this.scratch.buffer);
  /** One view a length, so that hashing an ordinary key makes no object. */
  private views: (Uint8Array | undefined)[] = [];
  private readonly digest = new Uint8Array(32);

  constructor() {
    this.view.setInt32(0, LEDGER_ENTRY_CONTRACT_DATA);
  }

  /**
   * Writes the 32-byte hash to `out` at `at`. [from, to) is contract, key and durability, as they lie in the entry.
   */
  hash(d: DataView, from: number, to: number, out: Uint8Array, at: number): void {
    const bytes = to - from;
    if (bytes + 4 > this.scratch.length) this.enlarge(bytes + 4);
    const view = this.view;
    for (let i = 0; i < bytes; i += 4) view.setInt32(4 + i, d.getInt32(from + i));
    sha256Into(this.input(bytes + 4), this.digest);
    out.set(this.digest, at);
  }

  private input(bytes: number): Uint8Array {
    if (bytes > VIEW_BYTES_MAX) return this.scratch.subarray(0, bytes);
    const known = this.views[bytes >> 2];
    if (known !== undefined) return known;
    const made = this.scratch.subarray(0, bytes);
    this.views[bytes >> 2] = made;
    return made;
  }

  private enlarge(bytes: number): void {
    this.scratch = new Uint8Array(2 ** Math.ceil(Math.log2(bytes)));
    this.view = new DataView(this.scratch.buffer);
    this.view.setInt32(0, LEDGER_ENTRY_CONTRACT_DATA);
    this.views = [];
  }
}
