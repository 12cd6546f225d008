/** The rows of one chunk as Parquet files: which files there are follows from the rows and the settings alone. */
import type { RecordBatch } from "apache-arrow";
import type { ColumnSlice, ParquetColumn } from "../parquet/column.ts";
import { ParquetWriter } from "../parquet/file-writer.ts";
import type { LedgerRange } from "../vocabulary/ledger-range.ts";
import { EXPORT_COLUMNS, EXPORT_VERSIONS, slicesOf } from "./columns.ts";
import { BUCKETS, bucketOf } from "./contract-buckets.ts";
import { datasetOf, digestOf, type ExportSettings, rangeName } from "./settings.ts";

/** A file that is done. */
interface ChunkFile {
  /** Key in the export. */
  name: string;
  rows: number;
  bytes: Uint8Array;
}

/** A file that is being written, one for each part of the rows. */
interface OpenFile {
  folder: string;
  file: ParquetWriter;
  /** Counts the part's files from 0. */
  number: number;
}

/** Takes a chunk's rows in order; gives its files as they are done. */
export class ChunkFiles {
  private readonly open: OpenFile[];
  private readonly columns: readonly ParquetColumn[];
  private readonly contractAt: number;
  private readonly prefix: string;
  private readonly metadata: Readonly<Record<string, string>>;

  constructor(
    private readonly settings: ExportSettings,
    chunk: LedgerRange,
  ) {
    const dataset = datasetOf(settings);
    this.columns = EXPORT_COLUMNS[dataset];
    this.contractAt = this.columns.findIndex(({ name }) => name === "contract_id");
    this.prefix = `${rangeName(chunk)}-${digestOf(settings)}`;
    this.metadata = {
      network_passphrase: settings.network_passphrase,
      schema_version: `${EXPORT_VERSIONS[dataset]}.0`,
      ...(settings.dataset === undefined ? {} : { dataset }),
      export: digestOf(settings),
      ledgers: `${chunk.ledgerFirst}-${chunk.ledgerLast}`,
    };
    const folders = settings.partition_by === "contract" ? BUCKETS.map((bucket) => `${bucket}/`) : [""];
    this.open = folders.map((folder) => ({ folder, file: this.newWriter(), number: 0 }));
  }

  /** Takes a batch. @returns the files that are done with it, at any time */
  *take(batch: RecordBatch): Generator<ChunkFile> {
    const slices = slicesOf(batch, this.columns);
    if (this.open.length === 1) {
      yield* this.append(this.open[0]!, slices, 0, batch.numRows);
      return;
    }
    const contracts = slices[this.contractAt]!;
    for (let first = 0; first < batch.numRows; ) {
      const bucket = bucketOf(contracts, first);
      let end = first + 1;
      while (end < batch.numRows && bucketOf(contracts, end) === bucket) end++;
      yield* this.append(this.open[bucket]!, slices, first, end);
      first = end;
    }
  }

  /** The files that are left. */
  *end(): Generator<ChunkFile> {
    for (const open of this.open) if (open.file.rows > 0) yield this.finish(open);
  }

  private *append(open: OpenFile, slices: readonly ColumnSlice[], first: number, end: number): Generator<ChunkFile> {
    while (first < end) {
      const written = open.file.bytesWritten;
      first = open.file.append(slices, first, end);
      if (open.file.bytesWritten > written && this.heldBytes() >= this.settings.file_bytes)
        yield this.finish(this.largest());
    }
  }

  private heldBytes(): number {
    return this.open.reduce((bytes, { file }) => bytes + file.bytesWritten, 0);
  }

  private largest(): OpenFile {
    return this.open.reduce((most, open) => (open.file.bytesWritten > most.file.bytesWritten ? open : most));
  }

  private finish(open: OpenFile): ChunkFile {
    const { file, folder } = open;
    const name = `${folder}${this.prefix}-${open.number}.parquet`;
    open.number += 1;
    const { rows } = file;
    return { name, rows, bytes: file.finish() };
  }

  private newWriter(): ParquetWriter {
    const { columns, metadata, settings } = this;
    return new ParquetWriter({ columns, groupBytes: settings.row_group_bytes, metadata });
  }
}
