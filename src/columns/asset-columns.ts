/** The text columns of assets and balances. HOT PATH. */
import { NONE, type RowSet } from "../ledger/row-set.ts";
import { ASSET_NATIVE } from "../ledger/terms.ts";
import { STRKEY_ACCOUNT, STRKEY_LENGTH } from "../xdr/strkey.ts";
import { TextColumn } from "./column.ts";
import {
  addressLength,
  lengthWithoutNuls,
  uint128Length,
  writeAddress,
  writeStrkey,
  writeUint128,
  writeWithoutNuls,
} from "./encode.ts";

/** Asset codes: the ledger's bytes, but for NULs: letters and digits (in the setting `go`: whatever bytes its contract's id proves). */
export class AssetCodeColumn extends TextColumn {
  length(rows: RowSet, row: number): number {
    const { view } = rows.ledgers[rows.ledger[row]!]!;
    return lengthWithoutNuls(view, rows.assetCodeAt[row]!, rows.assetCodeBytes[row]!);
  }
  isNull(rows: RowSet, row: number): boolean {
    return rows.assetCodeAt[row] === NONE || this.length(rows, row) === 0; // a code of NULs alone is none
  }
  writeValue(rows: RowSet, row: number, d: DataView, out: DataView, q: number): number {
    return writeWithoutNuls(d, rows.assetCodeAt[row]!, rows.assetCodeBytes[row]!, out, q);
  }
}

/**
 * The number, in the rows' assets, of the asset that a row shows though its own entry does not name it: its contract's,
 * on balances. NONE for any other row.
 */
export function balanceAsset(rows: RowSet, row: number): number {
  return rows.holderAt[row] === NONE ? NONE : rows.contractAsset[row]!;
}

/** Asset codes: the entry's own, else that of the balance's contract. */
export class AnyAssetCodeColumn extends TextColumn {
  override readonly needsAssets = true;

  length(rows: RowSet, row: number): number {
    const own = rows.assetCodeAt[row]!;
    if (own !== NONE) {
      return lengthWithoutNuls(rows.ledgers[rows.ledger[row]!]!.view, own, rows.assetCodeBytes[row]!);
    }
    return rows.assets.codeBytes(balanceAsset(rows, row));
  }
  isNull(rows: RowSet, row: number): boolean {
    if (rows.assetCodeAt[row] !== NONE) return this.length(rows, row) === 0; // a code of NULs alone is none
    const asset = balanceAsset(rows, row);
    return asset === NONE || rows.assets.codeBytes(asset) === 0;
  }
  writeValue(rows: RowSet, row: number, d: DataView, out: DataView, q: number): number {
    const own = rows.assetCodeAt[row]!;
    if (own !== NONE) return writeWithoutNuls(d, own, rows.assetCodeBytes[row]!, out, q);
    const { assets } = rows;
    const asset = balanceAsset(rows, row);
    return writeWithoutNuls(assets.view, assets.codeAt(asset), assets.codeBytes(asset), out, q);
  }
}

/** Asset issuers: the entry's own, else that of the balance's contract. */
export class AnyAssetIssuerColumn extends TextColumn {
  override readonly needsAssets = true;

  length(): number {
    return STRKEY_LENGTH;
  }
  isNull(rows: RowSet, row: number): boolean {
    if (rows.assetIssuerAt[row] !== NONE) return false;
    const asset = balanceAsset(rows, row);
    return asset === NONE || rows.assets.type(asset) === ASSET_NATIVE;
  }
  writeValue(rows: RowSet, row: number, d: DataView, out: DataView, q: number): number {
    const own = rows.assetIssuerAt[row]!;
    if (own !== NONE) return writeStrkey(STRKEY_ACCOUNT, d, own, out, q);
    const { assets } = rows;
    return writeStrkey(STRKEY_ACCOUNT, assets.view, assets.issuerAt(balanceAsset(rows, row)), out, q);
  }
}

/** Balance holders of every kind, as strkeys. */
export class HolderColumn extends TextColumn {
  length(rows: RowSet, row: number): number {
    return addressLength(rows.holderKind[row]!);
  }
  isNull(rows: RowSet, row: number): boolean {
    return rows.holderAt[row] === NONE;
  }
  writeValue(rows: RowSet, row: number, d: DataView, out: DataView, q: number): number {
    return writeAddress(rows.holderKind[row]!, d, rows.holderAt[row]!, out, q);
  }
}

/** Balances as decimal text, all digits. */
export class BalanceTextColumn extends TextColumn {
  length(rows: RowSet, row: number): number {
    return uint128Length(rows.ledgers[rows.ledger[row]!]!.view, rows.balanceAt[row]!);
  }
  isNull(rows: RowSet, row: number): boolean {
    return rows.balanceAt[row] === NONE;
  }
  writeValue(rows: RowSet, row: number, d: DataView, out: DataView, q: number): number {
    return writeUint128(d, rows.balanceAt[row]!, out, q);
  }
}
