/** Rows that wait for a commit, in the format of COPY: each is encoded once, when it comes. */
import type { Table } from "apache-arrow";
import { type SinkColumn, vectorsOf } from "../columns.ts";
import { CopyRows, Growing } from "./copy-encoder.ts";

/** The newest row of an entry: where its bytes are, or what it is made from anew without its values. */
type Latest = { start: number; end: number } | { rows: CopyRows; row: number };

/** What was written since the last commit. */
export class PendingRows {
  count = 0;
  /** Undefined where there are no rows. */
  ledgers: { first: number; last: number } | undefined;
  private readonly encoded = new Growing();
  private readonly stated = new Growing();
  private sent = 0;
  /** By the hash of the entry's key. */
  private readonly latest = new Map<string, Latest>();

  /** @param keepsState whether `state` will be asked for */
  constructor(
    private readonly columns: readonly SinkColumn[],
    private readonly keepsState: boolean,
  ) {}

  get bytes(): number {
    return this.encoded.length;
  }

  /** Takes a batch of one row or more. */
  add(table: Table): void {
    const rows = new CopyRows(this.columns, vectorsOf(table, this.columns));
    const hashes = table.getChild("ledger_key_hash")!;
    const gone = table.getChild("deleted"); // only contract_data has values that go
    const ledgers = table.getChild("ledger_sequence")!;
    const { encoded, latest } = this;
    for (let row = 0; row < table.numRows; row++) {
      const start = encoded.length;
      rows.write(row, encoded);
      if (this.keepsState) latest.set(hashes.get(row), gone?.get(row) ? { rows, row } : { start, end: encoded.length });
    }
    this.count += table.numRows;
    const [first, last] = [ledgers.get(0), ledgers.get(table.numRows - 1)];
    this.ledgers = { first: this.ledgers?.first ?? first, last };
  }

  /** The rows that came since it was asked last, in the order of the natural key. */
  unsent(): Buffer {
    const rows = this.encoded.bytes.subarray(this.sent);
    this.sent = this.encoded.length;
    return rows;
  }

  /** All rows are to be sent again. */
  rewind(): void {
    this.sent = 0;
  }

  /** The last row of each entry; an entry that is gone has no values. */
  state(): Buffer {
    const { latest, stated } = this;
    const { bytes } = this.encoded;
    stated.clear();
    for (const last of latest.values()) {
      if ("rows" in last) last.rows.write(last.row, stated, true);
      else stated.append(bytes, last.start, last.end);
    }
    return stated.bytes;
  }

  /** They are committed: others take their place, in the same memory. */
  clear(): void {
    this.count = 0;
    this.ledgers = undefined;
    this.sent = 0;
    this.encoded.clear();
    this.latest.clear();
  }
}
