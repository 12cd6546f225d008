/** Rows as text or as an Arrow stream, on their way to standard output. */
import { counted } from "../base/text.ts";
import { BatchEncoder } from "../columns/batch-encoder.ts";
import type { Column } from "../columns/column.ts";
import { encapsulate, STREAM_END, streamHead } from "../columns/ipc.ts";
import { TsvWriter, toNdjson, toTsv } from "../columns/text.ts";
import { CodedError } from "../error.ts";
import type { RowSet } from "../ledger/row-set.ts";
import type { Dataset } from "../vocabulary/dataset.ts";
import type { SchemaVersion } from "../vocabulary/schema-version.ts";
import type { Output } from "./command.ts";
import { write } from "./output.ts";
import { tableHead, tableRow } from "./row-table.ts";

const ARROW_BATCH_BYTES = 1 << 20; // about what readers like best
/** What `--format` may say. */
export const FORMATS = ["table", "tsv", "ndjson", "arrow"] as const;

/** Where rows go. */
export interface RowSink {
  /** True where rows stay in the set after `take`, so that their ledgers must stay in memory too. */
  readonly keepsRows: boolean;
  /** Call before rows of this network are decoded. @throws CodedError NETWORK_MISMATCH where another has come before */
  begin(passphrase: string): Promise<void>;
  /** The rows of whole ledgers. */
  take(rows: RowSet): Promise<void>;
  /** Writes what it has kept. */
  flush(rows: RowSet): Promise<void>;
  /** After the last rows. @throws CodedError NETWORK_UNKNOWN */
  end(rows: RowSet): Promise<void>;
}

/** Which rows, and which columns. */
interface RowForm {
  dataset: Dataset;
  schemaVersion: SchemaVersion;
}

/** A sink that writes this format to the output. */
export function sinkOf(format: (typeof FORMATS)[number], form: RowForm, output: Output): RowSink {
  const { columns } = new BatchEncoder({ ...form, networkPassphrase: "" });
  switch (format) {
    case "tsv": {
      if (form.dataset !== "contract_data") return textSink((rows) => toTsv(columns, rows), output);
      const writer = new TsvWriter();
      return textSink((rows) => new Uint8Array(writer.write(rows)), output);
    }
    case "ndjson":
      return textSink((rows) => toNdjson(columns, rows), output);
    case "table":
      return tableSink(form.dataset, columns, output);
    case "arrow":
      return new ArrowSink(form, output);
  }
}

function textSink(format: (rows: RowSet) => string | Uint8Array, output: Output): RowSink {
  return {
    keepsRows: false,
    async begin() {},
    async take(rows) {
      if (rows.length > 0) await write(output, format(rows));
      rows.clear();
    },
    async flush() {},
    async end() {},
  };
}

function tableSink(dataset: Dataset, columns: readonly Column[], output: Output): RowSink {
  const byName = new Map(columns.map((column) => [column.spec.name, column]));
  let total = 0;
  return textSinkWithEnd(
    (rows) => {
      const lines = total === 0 ? [tableHead(dataset)] : [];
      for (let row = 0; row < rows.length; row++) {
        lines.push(tableRow((name) => byName.get(name)?.cell(rows, row), dataset));
      }
      total += rows.length;
      return `${lines.join("\n")}\n`;
    },
    () => `${counted(total, "row")}\n`,
    output,
  );
}

function textSinkWithEnd(format: (rows: RowSet) => string, last: () => string, output: Output): RowSink {
  return { ...textSink(format, output), end: () => write(output, last()) };
}

/** An IPC stream: schema, batches of about a megabyte, end mark. */
class ArrowSink implements RowSink {
  readonly keepsRows = true;
  private encoder: BatchEncoder | undefined;
  private passphrase = "";

  constructor(
    private readonly form: RowForm,
    private readonly output: Output,
  ) {}

  async begin(networkPassphrase: string): Promise<void> {
    if (this.encoder === undefined) {
      this.passphrase = networkPassphrase;
      this.encoder = new BatchEncoder({ ...this.form, networkPassphrase });
      await write(this.output, streamHead(this.encoder));
    }
    if (networkPassphrase === this.passphrase) return;
    throw new CodedError(
      "FAILED_PRECONDITION",
      "NETWORK_MISMATCH",
      `it is of the network "${networkPassphrase}", and the Arrow stream is of "${this.passphrase}": decode each network into a stream of its own`,
    );
  }

  async take(rows: RowSet): Promise<void> {
    let first = 0;
    for (;;) {
      const end = this.encoder!.fit(rows, first, rows.length - first, ARROW_BATCH_BYTES);
      if (end === rows.length) break;
      await this.batch(rows, first, Math.max(end, first + 1)); // a row larger than the target is a batch of its own
      first = Math.max(end, first + 1);
    }
    // what is left starts the next batch; moving it to the front is not worth it, so a little more goes out now
    if (first > 0) {
      if (first < rows.length) await this.batch(rows, first, rows.length);
      rows.clear();
    } else if (rows.length === 0) rows.clear();
  }

  async flush(rows: RowSet): Promise<void> {
    if (rows.length > 0) await this.batch(rows, 0, rows.length);
    rows.clear();
  }

  async end(rows: RowSet): Promise<void> {
    if (this.encoder === undefined) {
      throw new CodedError(
        "FAILED_PRECONDITION",
        "NETWORK_UNKNOWN",
        "no ledger has a transaction that tells the network, which the Arrow schema names: name it with --network-passphrase",
      );
    }
    await this.flush(rows);
    await write(this.output, STREAM_END);
  }

  private async batch(rows: RowSet, first: number, end: number): Promise<void> {
    const encoder = this.encoder!;
    const plan = encoder.plan(rows, first, end);
    const body = new Uint8Array(plan.bodyBytes);
    encoder.write(rows, plan, body);
    await write(this.output, encapsulate(encoder.header(plan)));
    await write(this.output, body);
  }
}
