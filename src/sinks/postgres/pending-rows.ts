/** Rows that wait for a commit, as COPY takes them: each is encoded once, when it comes. */
import type { Table } from "apache-arrow";
import { vectorsOf } from "../columns.ts";
import { COPY_END, COPY_HEAD, CopyRows, Growing } from "./copy-encoder.ts";

const CHUNK_BYTES = 256 << 10; // of what is sent at a time

/** The newest row of an entry: where its bytes are, or what it is made from anew without its values. */
type Latest = { start: number; end: number } | { rows: CopyRows; row: number };

/** What was written since the last commit. */
export class PendingRows {
  count = 0;
  /** Undefined where there are no rows. */
  ledgers: { first: number; last: number } | undefined;
  private readonly encoded = new Growing();
  /** By the hash of the entry's key. */
  private readonly latest = new Map<string, Latest>();

  /** @param keepsState whether `state` will be asked for */
  constructor(private readonly keepsState: boolean) {}

  /** Takes a batch of one row or more. */
  add(table: Table): void {
    const rows = new CopyRows(vectorsOf(table));
    const hashes = table.getChild("ledger_key_hash")!;
    const gone = table.getChild("deleted")!;
    const ledgers = table.getChild("ledger_sequence")!;
    const { encoded, latest } = this;
    for (let row = 0; row < table.numRows; row++) {
      const start = encoded.length;
      rows.write(row, encoded);
      if (this.keepsState) latest.set(hashes.get(row), gone.get(row) ? { rows, row } : { start, end: encoded.length });
    }
    this.count += table.numRows;
    const [first, last] = [ledgers.get(0), ledgers.get(table.numRows - 1)];
    this.ledgers = { first: this.ledgers?.first ?? first, last };
  }

  /** Every row, in the order of the natural key. */
  entries(): Iterable<Buffer> {
    return piecesOf(this.encoded.bytes);
  }

  /** The last row of each entry; an entry that is gone has no values. */
  state(): Iterable<Buffer> {
    const out = new Growing();
    for (const last of this.latest.values()) {
      if ("rows" in last) last.rows.write(last.row, out, true);
      else out.append(this.encoded.bytes.subarray(last.start, last.end));
    }
    return piecesOf(out.bytes);
  }
}

function* piecesOf(rows: Buffer): Generator<Buffer> {
  yield COPY_HEAD;
  for (let at = 0; at < rows.length; at += CHUNK_BYTES) yield rows.subarray(at, at + CHUNK_BYTES);
  yield COPY_END;
}
