/**
 * sha256 of a LedgerKey's XDR, of which the ledger entry holds all but the discriminant. HOT PATH.
 *
 * About half of a pubnet ledger's rows have the key of an earlier row of the ledger: a token's balance changes in many
 * transactions. Where the last key of the same place in a small table is the same, its hash is copied.
 */
import { sha256Into } from "../xdr/sha256.ts";
import { sameBytes } from "./bytes.ts";
import { LEDGER_ENTRY_CONTRACT_DATA } from "./terms.ts";

const PLACES_MIN = 1024; // a power of 2, as each number of places
const PLACES_MAX = 32_768; // 384 KiB: the places of a ledger stay in the core's own cache
const PLACES_PER_KEY = 4; // so that few keys put each other out
const VIEW_BYTES_MAX = 1024; // keys up to this length are hashed through a view kept from the last time

/** Hashes the LedgerKeys of contract data. */
export class KeyHasher {
  private scratch = new Uint8Array(4096);
  private view = new DataView(this.scratch.buffer);
  /** One view a length, so that hashing an ordinary key makes no object. */
  private views: (Uint8Array | undefined)[] = [];
  private readonly digest = new Uint8Array(32);
  /** By place: begin and end of the key in the ledger, and where its hash is in `out`; an end of 0 is none. */
  private keyFrom = new Int32Array(PLACES_MIN);
  private keyTo = new Int32Array(PLACES_MIN);
  private hashAt = new Int32Array(PLACES_MIN);
  /** Places in use, less one. */
  private mask = PLACES_MIN - 1;

  constructor() {
    this.view.setInt32(0, LEDGER_ENTRY_CONTRACT_DATA);
  }

  /** At most so many keys of another ledger follow, or of the same one into other memory. */
  begin(keysMax: number): void {
    let places = PLACES_MIN;
    while (places < keysMax * PLACES_PER_KEY && places < PLACES_MAX) places *= 2;
    this.mask = places - 1;
    if (places <= this.keyTo.length) this.keyTo.fill(0, 0, places);
    else {
      this.keyFrom = new Int32Array(places);
      this.keyTo = new Int32Array(places);
      this.hashAt = new Int32Array(places);
    }
  }

  /**
   * Writes the 32-byte hash to `out` at `at`. [from, to) is contract, key and durability, as they lie in the entry. `d`
   * and `out` are the same until `begin`, and hashes written stay where they are.
   * @returns where in `out` the hash of the same key is that was copied; -1 where it was worked out
   */
  hash(d: DataView, from: number, to: number, out: Uint8Array, at: number): number {
    // What tells keys of one contract apart mostly stands at their end, just before the durability.
    const mixed =
      d.getInt32(from + 16) ^ Math.imul(d.getInt32(to - 8), 0x9e37_79b1) ^ Math.imul(d.getInt32(to - 20), 0x85eb_ca6b);
    const place = (mixed ^ (mixed >>> 16)) & this.mask;
    if (this.keyTo[place] !== 0 && sameBytes(d, from, to, this.keyFrom[place]!, this.keyTo[place]!)) {
      const known = this.hashAt[place]!;
      out.copyWithin(at, known, known + 32);
      return known;
    }
    this.keyFrom[place] = from;
    this.keyTo[place] = to;
    this.hashAt[place] = at;
    const bytes = to - from;
    if (bytes + 4 > this.scratch.length) this.enlarge(bytes + 4);
    const view = this.view;
    for (let i = 0; i < bytes; i += 4) view.setInt32(4 + i, d.getInt32(from + i));
    sha256Into(this.input(bytes + 4), this.digest);
    out.set(this.digest, at);
    return -1;
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
