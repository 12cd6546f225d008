/** Rows as text: the canonical tab-separated form, and one JSON object a line. */
import { NONE, type RowSet } from "../ledger/row-set.ts";
import {
  ASSET_TYPE_NAMES,
  CHANGE_EVICTED,
  CHANGE_REMOVED,
  DURABILITY_NAMES,
  INSTANCE_TYPE_NAMES,
  REASON_NAMES,
  SCVAL_TYPE_NAMES,
} from "../ledger/terms.ts";
import { STRKEY_ACCOUNT, STRKEY_CONTRACT } from "../xdr/strkey.ts";
import type { Column } from "./column.ts";
import {
  base64Length,
  wordViews,
  writeAddress,
  writeBase64,
  writeHex,
  writeStrkey,
  writeUint,
  writeUint128,
  writeWithoutNuls,
  writeWord,
} from "./encode.ts";

/** The 22 columns of the canonical form, in order. */
export const TSV_COLUMNS: readonly string[] = [
  ...["ledger_sequence", "closed_at", "tx_hash", "tx_index", "op_index", "reason"],
  ...["contract_id", "contract_key_type", "contract_durability", "asset_code", "asset_issuer", "asset_type"],
  ...["balance_holder", "balance", "last_modified_ledger", "ledger_entry_change", "deleted", "ledger_key_hash"],
  ...["key_xdr", "val_xdr", "contract_instance_type", "contract_instance_wasm_hash"],
];

const ROW_BYTES_MAX = 1024; // of a row's line but for its key and value
const TAB = 9;
const NEWLINE = 10;

const KEY_TYPES = wordViews(SCVAL_TYPE_NAMES);
const DURABILITIES = wordViews(DURABILITY_NAMES);
const ASSET_TYPES = wordViews(ASSET_TYPE_NAMES);
const INSTANCE_TYPES = wordViews(INSTANCE_TYPE_NAMES);
const REASONS = wordViews(REASON_NAMES);
const BOOLEANS = wordViews(["false", "true"]);

/** Writes canonical lines; keeps its buffer between calls. */
export class TsvWriter {
  private out = new DataView(new ArrayBuffer(1 << 20));

  /** The lines of the rows [first, end), "\n" after each. Valid until the next call. Absent values are empty. */
  write(rows: RowSet, first = 0, end = rows.length): Uint8Array {
    const hashes = new DataView(rows.keyHash.buffer);
    let q = 0;
    for (let row = first; row < end; row++) {
      this.reserve(q + ROW_BYTES_MAX + base64Length(rows.keyBytes[row]!) + base64Length(rows.valBytes[row]!));
      q = this.line(rows, row, hashes, q);
    }
    return new Uint8Array(this.out.buffer, 0, q);
  }

  private reserve(bytes: number): void {
    if (bytes <= this.out.byteLength) return;
    const grown = new Uint8Array(2 ** Math.ceil(Math.log2(bytes)));
    grown.set(new Uint8Array(this.out.buffer));
    this.out = new DataView(grown.buffer);
  }

  private line(rows: RowSet, row: number, hashes: DataView, q: number): number {
    const { out } = this;
    const { view: d, sequence, closedAtSeconds } = rows.ledgers[rows.ledger[row]!]!;
    const tab = (at: number): number => {
      out.setUint8(at, TAB);
      return at + 1;
    };
    const hex = (at: number, to: number): number => (at === NONE ? to : writeHex(d, at, 32, out, to));
    const strkey = (version: number, at: number, to: number): number =>
      at === NONE ? to : writeStrkey(version, d, at, out, to);
    q = tab(writeUint(sequence, out, q));
    q = tab(writeUint(closedAtSeconds, out, q));
    q = tab(hex(rows.txHashAt[row]!, q));
    q = tab(writeUint(rows.txIndex[row]!, out, q));
    q = tab(writeUint(rows.opIndex[row]!, out, q));
    q = tab(writeWord(REASONS[rows.reason[row]!]!, out, q));
    q = tab(strkey(STRKEY_CONTRACT, rows.contractAt[row]!, q));
    q = tab(writeWord(KEY_TYPES[rows.keyType[row]!]!, out, q));
    q = tab(writeWord(DURABILITIES[rows.durability[row]!]!, out, q));
    const codeAt = rows.assetCodeAt[row]!;
    q = tab(codeAt === NONE ? q : writeWithoutNuls(d, codeAt, rows.assetCodeBytes[row]!, out, q));
    q = tab(strkey(STRKEY_ACCOUNT, rows.assetIssuerAt[row]!, q));
    q = tab(writeWord(ASSET_TYPES[rows.assetType[row]!]!, out, q));
    const holderAt = rows.holderAt[row]!;
    q = tab(holderAt === NONE ? q : writeAddress(rows.holderKind[row]!, d, holderAt, out, q));
    const balanceAt = rows.balanceAt[row]!;
    q = tab(balanceAt === NONE ? q : writeUint128(d, balanceAt, out, q));
    q = tab(writeUint(rows.lastModified[row]!, out, q));
    q = tab(writeUint(rows.change[row]!, out, q));
    q = tab(
      writeWord(BOOLEANS[rows.change[row] === CHANGE_REMOVED || rows.change[row] === CHANGE_EVICTED ? 1 : 0]!, out, q),
    );
    q = tab(writeHex(hashes, row * 32, 32, out, q));
    q = tab(writeBase64(d, rows.keyAt[row]!, rows.keyBytes[row]!, out, q));
    q = tab(writeBase64(d, rows.valAt[row]!, rows.valBytes[row]!, out, q));
    q = tab(writeWord(INSTANCE_TYPES[rows.instanceType[row]!]!, out, q));
    q = hex(rows.wasmHashAt[row]!, q);
    out.setUint8(q, NEWLINE);
    return q + 1;
  }
}

/** The rows as lines of tab-separated cells in the form that `toNdjson` gives them, in column order; absent ones are empty. */
export function toTsv(columns: readonly Column[], rows: RowSet): string {
  let text = "";
  for (let row = 0; row < rows.length; row++) {
    text += `${columns.map((column) => String(column.cell(rows, row) ?? "")).join("\t")}\n`;
  }
  return text;
}

/**
 * The rows [first, end) as JSON objects, one a line, with the columns' names as keys in column order. 64-bit numbers
 * are strings (a JSON number keeps 53 bits in most readers), as are decimals; times are ISO 8601 text, bytes base64,
 * JSON columns stand as the values that they are, and absent values are null.
 */
export function toNdjson(columns: readonly Column[], rows: RowSet, first = 0, end = rows.length): string {
  let text = "";
  for (let row = first; row < end; row++) {
    let separator = "{";
    for (const column of columns) {
      const cell = column.cell(rows, row);
      const value =
        column.isJson && cell !== null ? cell : JSON.stringify(typeof cell === "bigint" ? String(cell) : cell);
      text += `${separator}${JSON.stringify(column.spec.name)}:${value}`;
      separator = ",";
    }
    text += "}\n";
  }
  return text;
}
