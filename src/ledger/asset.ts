/**
 * Which contract instances are Stellar Asset Contracts, and of which asset, as upstream's AssetFromContractData has it:
 * the first storage entry under Vec[Sym "AssetInfo"] names an asset, and the contract's id is the one that this asset's
 * contract must have on this network. So a forged entry is not believed. The executable is not looked at.
 */
import { skipScVal } from "../xdr/generated/skip.ts";
import { sha256, sha256Into } from "../xdr/sha256.ts";
import { NONE, type RowSet } from "./row-set.ts";
import { SymbolPattern } from "./symbol.ts";
import {
  ASSET_ALPHANUM4,
  ASSET_ALPHANUM12,
  ASSET_NATIVE,
  SCV_BYTES,
  SCV_MAP,
  SCV_STRING,
  SCV_SYMBOL,
  SCV_VEC,
} from "./terms.ts";

const ASSET_INFO = new SymbolPattern("AssetInfo");
const NATIVE = new SymbolPattern("Native");
const ALPHANUM4 = new SymbolPattern("AlphaNum4");
const ALPHANUM12 = new SymbolPattern("AlphaNum12");
const ASSET_CODE = new SymbolPattern("asset_code");
const ISSUER = new SymbolPattern("issuer");

const HEAD = 12; // discriminant, "present" flag, element count
const CODE_BYTES_MAX = 12;

// HashIDPreimage (Stellar-transaction.x): envelope type, network id, preimage type, Asset
const ENVELOPE_TYPE_CONTRACT_ID = 8;
const CONTRACT_ID_PREIMAGE_FROM_ASSET = 1;
const XDR_ASSET_TYPE_NATIVE = 0;
const PREIMAGE_NETWORK = 4;
const PREIMAGE_ASSET = 40;

/** Finds assets for one network. */
export class AssetFinder {
  private readonly preimage = new Uint8Array(96);
  private readonly preimageView = new DataView(this.preimage.buffer);
  /** The preimage up to its end for either code length: views made once. */
  private readonly preimage4 = this.preimage.subarray(0, PREIMAGE_ASSET + 4 + 4 + 36);
  private readonly preimage12 = this.preimage.subarray(0, PREIMAGE_ASSET + 4 + 12 + 36);
  private readonly contractId = new Uint8Array(32);
  private readonly contractIdView = new DataView(this.contractId.buffer);
  /** The native asset's contract on this network. */
  private readonly native: DataView;

  /** `findsNative`: whether the shape that the native asset's contract really has is recognised (upstream's is not). */
  constructor(
    networkId: Uint8Array,
    private readonly findsNative: boolean,
  ) {
    this.preimageView.setInt32(0, ENVELOPE_TYPE_CONTRACT_ID);
    this.preimage.set(networkId, PREIMAGE_NETWORK);
    this.preimageView.setInt32(PREIMAGE_NETWORK + 32, CONTRACT_ID_PREIMAGE_FROM_ASSET);
    this.preimageView.setInt32(PREIMAGE_ASSET, XDR_ASSET_TYPE_NATIVE);
    this.native = new DataView(sha256(this.preimage.subarray(0, PREIMAGE_ASSET + 4)).buffer);
  }

  /**
   * Sets the row's asset facts, if the instance storage at `p` (an optional map: flag, count, entries) names an asset
   * whose contract the row's contract is.
   */
  find(d: DataView, p: number, rows: RowSet, row: number): void {
    if (d.getUint32(p) === 0) return;
    p += 4;
    let entries = d.getUint32(p);
    p += 4;
    for (; entries > 0; entries--) {
      const isAssetInfo =
        d.getInt32(p) === SCV_VEC &&
        d.getUint32(p + 4) === 1 &&
        d.getUint32(p + 8) === 1 &&
        ASSET_INFO.matches(d, p + HEAD);
      p = skipScVal(d, p, 0);
      if (isAssetInfo) {
        this.read(d, p, rows, row);
        return;
      }
      p = skipScVal(d, p, 0);
    }
  }

  /** The value under AssetInfo: Vec[Sym kind, Map{asset_code: String, issuer: Bytes}], or Vec[Sym "Native"]. */
  private read(d: DataView, p: number, rows: RowSet, row: number): void {
    if (d.getInt32(p) !== SCV_VEC || d.getUint32(p + 4) !== 1) return;
    const elements = d.getUint32(p + 8);
    if (elements < 1 || elements > 2) return;
    const kind = p + HEAD;
    if (d.getInt32(kind) !== SCV_SYMBOL) return;
    const isNative = NATIVE.matches(d, kind);
    // Upstream knows Native only with a second element, which the real contract's entry does not have.
    if (isNative && (elements === 2 || this.findsNative) && this.isContract(d, rows, row, this.native)) {
      rows.assetType[row] = ASSET_NATIVE;
      return;
    }
    if (elements !== 2) return;
    if (!isNative && !ALPHANUM4.matches(d, kind) && !ALPHANUM12.matches(d, kind)) return;
    this.readIssued(d, skipScVal(d, kind, 0), rows, row);
  }

  private readIssued(d: DataView, map: number, rows: RowSet, row: number): void {
    if (d.getInt32(map) !== SCV_MAP || d.getUint32(map + 4) !== 1 || d.getUint32(map + 8) !== 2) return;
    let p = map + HEAD;
    if (!ASSET_CODE.matches(d, p)) return;
    p += ASSET_CODE.bytes;
    if (d.getInt32(p) !== SCV_STRING) return;
    const codeBytes = d.getUint32(p + 4);
    if (codeBytes < 1 || codeBytes > CODE_BYTES_MAX) return;
    const codeAt = p + 8;
    p = skipScVal(d, p, 0);
    if (!ISSUER.matches(d, p)) return;
    p += ISSUER.bytes;
    if (d.getInt32(p) !== SCV_BYTES || d.getUint32(p + 4) !== 32) return;
    const issuerAt = p + 8;
    // The code's length decides the asset's type, not the symbol beside it.
    const room = codeBytes <= 4 ? 4 : 12;
    const { preimage, preimageView } = this;
    preimageView.setInt32(PREIMAGE_ASSET, room === 4 ? 1 : 2);
    for (let i = 0; i < room; i++) preimage[PREIMAGE_ASSET + 4 + i] = i < codeBytes ? d.getUint8(codeAt + i) : 0;
    const issuer = PREIMAGE_ASSET + 4 + room;
    preimageView.setInt32(issuer, 0); // PublicKey: ed25519
    for (let i = 0; i < 32; i += 4) preimageView.setUint32(issuer + 4 + i, d.getUint32(issuerAt + i));
    sha256Into(room === 4 ? this.preimage4 : this.preimage12, this.contractId);
    if (!this.isContract(d, rows, row, this.contractIdView)) return;
    rows.assetType[row] = room === 4 ? ASSET_ALPHANUM4 : ASSET_ALPHANUM12;
    rows.assetCodeAt[row] = codeAt;
    rows.assetCodeBytes[row] = codeBytes;
    rows.assetIssuerAt[row] = issuerAt;
  }

  private isContract(d: DataView, rows: RowSet, row: number, id: DataView): boolean {
    const at = rows.contractAt[row]!;
    for (let i = 0; i < 32; i += 4) {
      if (d.getUint32(at + i) !== id.getUint32(i)) return false;
    }
    return true;
  }
}

/** Sets the facts of a row without an asset. */
export function clearAsset(rows: RowSet, row: number): void {
  rows.assetType[row] = 0;
  rows.assetCodeAt[row] = NONE;
  rows.assetCodeBytes[row] = 0;
  rows.assetIssuerAt[row] = NONE;
}
