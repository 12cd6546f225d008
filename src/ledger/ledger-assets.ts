/**
 * The assets of the contracts that one ledger's rows are of, as far as the ledger itself or the table of known assets
 * tells: by the instances of asset contracts among its changes, and by its events. HOT PATH.
 *
 * Every event of a Stellar Asset Contract ends its topics with the asset as SEP-11 text (CAP-46-6, CAP-67). Any contract
 * may do the same, so a claim is believed only if the asset's contract is the one that made it. What is found is a fact
 * of the ledger alone: no other ledger, no filter, and no order of work has a part in it.
 */

import { type AssetFinder, isAssetCode } from "./asset.ts";
import type { AssetContract } from "./asset-contract.ts";
import type { KnownAssets } from "./known-assets.ts";
import { NONE, type RowSet } from "./row-set.ts";
import { sameId, secretHash } from "./secret-hash.ts";
import { ASSET_NATIVE } from "./terms.ts";

const ISSUER_TEXT_BYTES = 56; // a G… strkey
const CLAIM_BYTES_MIN = 1 + 1 + ISSUER_TEXT_BYTES;
const CLAIM_BYTES_MAX = 12 + 1 + ISSUER_TEXT_BYTES;
const COLON = 0x3a;
const ACCOUNT_VERSION = 6 << 3;

/** Value of a base32 character; 255 for any other. */
const BASE32_VALUES = new Uint8Array(256).fill(255);
for (let i = 0; i < 32; i++) BASE32_VALUES["ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".charCodeAt(i)] = i;

/** Several numbers an entry, in one growing array. */
class Tuples {
  length = 0;
  words = new Uint32Array(1024);

  constructor(private readonly width: number) {}

  /** Offset of a new entry's first number. */
  add(): number {
    const at = this.length * this.width;
    if (at + this.width > this.words.length) {
      const grown = new Uint32Array(this.words.length * 2);
      grown.set(this.words);
      this.words = grown;
    }
    this.length++;
    return at;
  }
}

const INSTANCE = 5; // contract, type, code, code bytes, issuer
const CLAIM = 3; // contract, text, text bytes

/** Finds the asset of each row's contract in one ledger. */
export class LedgerAssets {
  private readonly instances = new Tuples(INSTANCE);
  private readonly claims = new Tuples(CLAIM);
  private readonly issuer = new Uint8Array(32);
  private readonly issuerView = new DataView(this.issuer.buffer);

  /** The contracts of the rows: offset of the id, and number of the asset in the rows' store or NONE. */
  private contractAt = new Uint32Array(64);
  private asset = new Uint32Array(64);
  private contractCount = 0;
  /** Open addressing: 0 is empty, else 1 + index into the above. */
  private slots = new Uint32Array(128);

  constructor(
    private readonly contracts: AssetContract,
    private readonly known: KnownAssets,
  ) {}

  clear(): void {
    this.instances.length = 0;
    this.claims.length = 0;
  }

  /** The instance of the contract at `contractAt` names an asset: what `found` has found. */
  instance(contractAt: number, found: AssetFinder): void {
    const { instances } = this;
    const at = instances.add();
    instances.words[at] = contractAt;
    instances.words[at + 1] = found.type;
    instances.words[at + 2] = found.codeAt;
    instances.words[at + 3] = found.codeBytes;
    instances.words[at + 4] = found.issuerAt;
  }

  /** An event of the contract at `contractAt` ends its topics with the string at `textAt`. */
  claim(contractAt: number, textAt: number, textBytes: number): void {
    // The native asset's contract is in every table of known assets.
    if (textBytes < CLAIM_BYTES_MIN || textBytes > CLAIM_BYTES_MAX) return;
    const { claims } = this;
    const at = claims.add();
    claims.words[at] = contractAt;
    claims.words[at + 1] = textAt;
    claims.words[at + 2] = textBytes;
  }

  /** Sets `contractAsset` of the rows from `first` on, which are of one ledger. */
  resolve(d: DataView, rows: RowSet, first: number, ledgerSequence: number): void {
    this.collect(d, rows, first);
    const { asset, contractAt } = this;
    let unknown = 0;
    for (let i = 0; i < this.contractCount; i++) {
      const index = this.known.find(d, contractAt[i]!, ledgerSequence);
      asset[i] = index < 0 ? NONE : rows.assets.addFrom(this.known.store, index);
      if (index < 0) unknown++;
    }
    if (unknown > 0) {
      this.resolveInstances(d, rows);
      this.resolveClaims(d, rows);
    }
    for (let row = first; row < rows.length; row++) {
      rows.contractAsset[row] = this.asset[this.slots[this.slotOf(d, rows.contractAt[row]!)]! - 1]!;
    }
  }

  /** Fills the table with the rows' contracts. */
  private collect(d: DataView, rows: RowSet, first: number): void {
    const count = rows.length - first;
    let size = 128;
    while (size < count * 2) size *= 2;
    if (size > this.slots.length) {
      this.slots = new Uint32Array(size);
      this.contractAt = new Uint32Array(size / 2);
      this.asset = new Uint32Array(size / 2);
    } else this.slots.fill(0);
    this.contractCount = 0;
    for (let row = first; row < rows.length; row++) {
      const at = rows.contractAt[row]!;
      const slot = this.slotOf(d, at);
      if (this.slots[slot] !== 0) continue;
      this.contractAt[this.contractCount] = at;
      this.slots[slot] = ++this.contractCount;
    }
  }

  private slotOf(d: DataView, p: number): number {
    const { slots, contractAt } = this;
    const mask = slots.length - 1;
    let slot = secretHash(d, p) & mask;
    for (let entry = slots[slot]!; entry !== 0; entry = slots[slot]!) {
      if (sameId(d, p, d, contractAt[entry - 1]!)) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  /** Index of a contract that has rows and no asset yet; -1 for any other. */
  private unknown(d: DataView, p: number): number {
    const index = this.slots[this.slotOf(d, p)]! - 1;
    return index >= 0 && this.asset[index] === NONE ? index : -1;
  }

  private resolveInstances(d: DataView, rows: RowSet): void {
    const { words, length } = this.instances;
    for (let at = 0; at < length * INSTANCE; at += INSTANCE) {
      const index = this.unknown(d, words[at]!);
      if (index < 0) continue;
      this.asset[index] =
        words[at + 1] === ASSET_NATIVE
          ? rows.assets.addNative()
          : rows.assets.addIssued(d, words[at + 2]!, words[at + 3]!, d, words[at + 4]!);
    }
  }

  private resolveClaims(d: DataView, rows: RowSet): void {
    const { words, length } = this.claims;
    for (let at = 0; at < length * CLAIM; at += CLAIM) {
      const contract = words[at]!;
      const index = this.unknown(d, contract);
      if (index < 0) continue;
      const codeAt = words[at + 1]!;
      const codeBytes = words[at + 2]! - ISSUER_TEXT_BYTES - 1;
      if (d.getUint8(codeAt + codeBytes) !== COLON || !isAssetCode(d, codeAt, codeBytes)) continue;
      if (!this.readIssuer(d, codeAt + codeBytes + 1)) continue;
      const { issuerView } = this;
      if (!sameId(d, contract, this.contracts.of(d, codeAt, codeBytes, issuerView, 0), 0)) continue;
      this.asset[index] = rows.assets.addIssued(d, codeAt, codeBytes, issuerView, 0);
    }
  }

  /** Reads the strkey of an account into `issuer`. Its checksum proves less than the contract's id does: not looked at. */
  private readIssuer(d: DataView, p: number): boolean {
    const { issuer } = this;
    let held = 0;
    let bits = 0;
    let at = -1; // the version byte comes first
    for (const end = p + ISSUER_TEXT_BYTES; p < end && at < 32; p++) {
      const value = BASE32_VALUES[d.getUint8(p)]!;
      if (value === 255) return false;
      held = ((held << 5) | value) & 0xfff;
      bits += 5;
      if (bits < 8) continue;
      bits -= 8;
      const byte = (held >> bits) & 0xff;
      if (at >= 0) issuer[at] = byte;
      else if (byte !== ACCOUNT_VERSION) return false;
      at++;
    }
    return true;
  }
}
