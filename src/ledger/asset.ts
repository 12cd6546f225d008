/**
 * Which contract instances are Stellar Asset Contracts, and of which asset, as upstream's AssetFromContractData has it:
 * the first storage entry under Vec[Sym "AssetInfo"] names an asset, and the contract's id is the one that this asset's
 * contract must have on this network. So a forged entry is not believed. The executable is not looked at.
 */
import { skipScVal } from "../xdr/generated/skip.ts";
import { formatStrkey, STRKEY_ACCOUNT } from "../xdr/strkey.ts";
import { type AssetContract, CODE_BYTES_MAX } from "./asset-contract.ts";
import { NONE } from "./row-set.ts";
import { sameId } from "./secret-hash.ts";
import { SymbolPattern } from "./symbol.ts";
import {
  ASSET_ALPHANUM4,
  ASSET_ALPHANUM12,
  ASSET_NATIVE,
  ASSET_NONE,
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

/** Reads assets out of instances; what it found last stands in its fields. */
export class AssetFinder {
  /** ASSET_… of terms.ts. */
  type = ASSET_NONE;
  /** Offset and length of the code as the contract stores it (it may hold NULs); NONE and 0 for the native asset. */
  codeAt = NONE;
  codeBytes = 0;
  /** Offset of the issuer's 32 bytes; NONE for the native asset. */
  issuerAt = NONE;

  /**
   * `isGo`: as upstream has it, which does not recognise the shape that the native asset's contract really has, and takes
   * a code of any bytes.
   */
  constructor(
    private readonly contracts: AssetContract,
    private readonly isGo: boolean,
  ) {}

  /**
   * Whether the instance storage at `p` (an optional map: flag, count, entries) names an asset whose contract is the one
   * with the 32-byte id at `contractAt`. Sets the fields either way.
   */
  find(d: DataView, p: number, contractAt: number): boolean {
    this.type = ASSET_NONE;
    this.codeAt = NONE;
    this.codeBytes = 0;
    this.issuerAt = NONE;
    if (d.getUint32(p) === 0) return false;
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
      if (isAssetInfo) return this.read(d, p, contractAt);
      p = skipScVal(d, p, 0);
    }
    return false;
  }

  /**
   * What was found, as SEP-11 writes it: `native`, `CODE:G…`. Undefined for an asset that no such text names, with NULs
   * within its code or with so many at its end that the code alone is another type's: no network has one.
   */
  text(d: DataView): string | undefined {
    if (this.type === ASSET_NATIVE) return "native";
    let length = this.codeBytes;
    while (length > 0 && d.getUint8(this.codeAt + length - 1) === 0) length--;
    const type = length <= 4 ? ASSET_ALPHANUM4 : ASSET_ALPHANUM12;
    if (length === 0 || type !== this.type) return undefined;
    let code = "";
    for (let i = 0; i < length; i++) {
      const byte = d.getUint8(this.codeAt + i);
      if (byte === 0) return undefined;
      code += String.fromCharCode(byte);
    }
    const issuer = new Uint8Array(d.buffer, d.byteOffset + this.issuerAt, 32);
    return `${code}:${formatStrkey(issuer, STRKEY_ACCOUNT)}`;
  }

  /** The value under AssetInfo: Vec[Sym kind, Map{asset_code: String, issuer: Bytes}], or Vec[Sym "Native"]. */
  private read(d: DataView, p: number, contractAt: number): boolean {
    if (d.getInt32(p) !== SCV_VEC || d.getUint32(p + 4) !== 1) return false;
    const elements = d.getUint32(p + 8);
    if (elements < 1 || elements > 2) return false;
    const kind = p + HEAD;
    if (d.getInt32(kind) !== SCV_SYMBOL) return false;
    const isNative = NATIVE.matches(d, kind);
    // Upstream knows Native only with a second element, which the real contract's entry does not have.
    if (isNative && (elements === 2 || !this.isGo) && sameId(d, contractAt, this.contracts.native, 0)) {
      this.type = ASSET_NATIVE;
      return true;
    }
    if (elements !== 2) return false;
    if (!isNative && !ALPHANUM4.matches(d, kind) && !ALPHANUM12.matches(d, kind)) return false;
    return this.readIssued(d, skipScVal(d, kind, 0), contractAt);
  }

  private readIssued(d: DataView, map: number, contractAt: number): boolean {
    if (d.getInt32(map) !== SCV_MAP || d.getUint32(map + 4) !== 1 || d.getUint32(map + 8) !== 2) return false;
    let p = map + HEAD;
    if (!ASSET_CODE.matches(d, p)) return false;
    p += ASSET_CODE.bytes;
    if (d.getInt32(p) !== SCV_STRING) return false;
    const codeBytes = d.getUint32(p + 4);
    if (codeBytes < 1 || codeBytes > CODE_BYTES_MAX) return false;
    const codeAt = p + 8;
    if (!this.isGo && !isAssetCode(d, codeAt, codeBytes)) return false;
    p = skipScVal(d, p, 0);
    if (!ISSUER.matches(d, p)) return false;
    p += ISSUER.bytes;
    if (d.getInt32(p) !== SCV_BYTES || d.getUint32(p + 4) !== 32) return false;
    const issuerAt = p + 8;
    // The code's length decides the asset's type, not the symbol beside it.
    if (!sameId(d, contractAt, this.contracts.of(d, codeAt, codeBytes, d, issuerAt), 0)) return false;
    this.type = codeBytes <= 4 ? ASSET_ALPHANUM4 : ASSET_ALPHANUM12;
    this.codeAt = codeAt;
    this.codeBytes = codeBytes;
    this.issuerAt = issuerAt;
    return true;
  }
}

/**
 * Letters and digits, or NUL: the network creates no asset contract for any other code, so a ledger that holds one is
 * forged, and its bytes must not reach a utf8 column.
 */
export function isAssetCode(d: DataView, at: number, bytes: number): boolean {
  for (let i = at; i < at + bytes; i++) {
    const byte = d.getUint8(i);
    const isDigit = byte >= 0x30 && byte <= 0x39;
    const isLetter = (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;
    if (byte !== 0 && !isDigit && !isLetter) return false;
  }
  return true;
}
