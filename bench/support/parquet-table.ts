/** A table of dense rows that do not just repeat themselves, as an Arrow IPC stream: what the Parquet writers write. */
import { BatchEncoder } from "../../src/columns/batch-encoder.ts";
import { encapsulate, STREAM_END, streamHead } from "../../src/columns/ipc.ts";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import { RowSet } from "../../src/ledger/row-set.ts";
import { denseLedgers, PUBNET } from "./ledgers.ts";

const BATCH_ROWS = 2000; // about a megabyte, as a server sends them
/** Columns whose text differs from copy to copy, and in how many copies it is the same again. */
const VARIED: Readonly<Record<string, number>> = {
  ledger_key_hash: 2,
  key_xdr: 2,
  key_json: 2,
  transaction_hash: 1,
  val_xdr: 1,
  val_json: 1,
};

/** `rows` rows at least. Each copy of the ledgers has other transactions and values, and every other one other keys. */
export function parquetTable(rows: number): Uint8Array {
  const encoder = new BatchEncoder({ schemaVersion: 2, networkPassphrase: PUBNET });
  const decoder = new LedgerDecoder({ ...encoder.decoderOptions, compat: "default", networkPassphrase: PUBNET });
  const set = new RowSet();
  for (const bytes of denseLedgers()) decoder.decode(bytes, set);
  const parts: Uint8Array[] = [streamHead(encoder)];
  let written = 0;
  for (let copy = 0; written < rows; copy++) {
    for (let first = 0; first < set.length; first += BATCH_ROWS) {
      const end = Math.min(set.length, first + BATCH_ROWS);
      const plan = encoder.plan(set, first, end);
      const body = new Uint8Array(plan.bodyBytes);
      encoder.write(set, plan, body);
      let region = 0;
      for (const column of encoder.columns) {
        const [offsetsAt, dataAt] = [plan.regions[region + 2]!, plan.regions[region + 4]!];
        region += column.width === 0 ? 6 : 4;
        const every = VARIED[column.spec.name];
        if (every !== undefined) vary(body, offsetsAt, dataAt, end - first, Math.floor(copy / every));
      }
      parts.push(encapsulate(encoder.header(plan)), body);
      written += end - first;
    }
  }
  parts.push(STREAM_END);
  return Buffer.concat(parts);
}

/** Writes a number over eight characters in the middle of each value: another one in each copy, the same for the same value. */
function vary(body: Uint8Array, offsetsAt: number, dataAt: number, rows: number, copy: number): void {
  if (copy === 0) return;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  for (let row = 0; row < rows; row++) {
    const start = view.getInt32(offsetsAt + 4 * row, true);
    const length = view.getInt32(offsetsAt + 4 * row + 4, true) - start;
    if (length < 24) continue;
    const at = dataAt + start + (length >> 1);
    const number = Math.imul(copy, 0x9e3779b1) ^ Math.imul(view.getInt32(at), 0x85ebca6b) ^ view.getInt32(at + 4);
    for (let digit = 0; digit < 8; digit++) {
      body[at + digit] = "0123456789abcdef".charCodeAt((number >>> (4 * digit)) & 15);
    }
  }
}
