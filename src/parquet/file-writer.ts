/**
 * Writes Parquet files (parquet-format 2.10) from Arrow buffers. The bytes depend on columns, rows and options alone,
 * not on how the rows were cut into batches:
 *
 *     PAR1 | row group: pages column by column, bloom filters | … | indexes of pages | metadata, its length | PAR1
 */

import { type ColumnSlice, type ParquetColumn, WIDTHS } from "./column.ts";
import { type PageSink, writeColumn } from "./column-writer.ts";
import { columnIndex, fileMetadata, offsetIndex, type WrittenColumn, type WrittenGroup } from "./metadata.ts";
import { encodeThrift, type ThriftFields } from "./thrift.ts";
import { ValueStore } from "./value-store.ts";

const MAGIC = new TextEncoder().encode("PAR1");
/** In the form that readers know; the version is that of the bytes, which changes whenever they may. */
const CREATED_BY = "contract-data-processor version 1.1.0 (build 1)";
const GROUP_ROWS_MAX = 1 << 20;

/** What a file is written with. */
interface ParquetFileOptions {
  columns: readonly ParquetColumn[];
  /** A row group is full with the row that makes its values so many bytes, or with its 1,048,576th. 1 GiB at most. */
  groupBytes: number;
  /** Pairs of the file's metadata. */
  metadata?: Readonly<Record<string, string>>;
}

/** The bytes of a file so far. */
class FileBytes implements PageSink {
  readonly parts: Uint8Array[] = [MAGIC];
  offset = MAGIC.length;

  write(bytes: Uint8Array): void {
    this.parts.push(bytes);
    this.offset += bytes.length;
  }
}

/**
 * Makes files one after the other, in memory: holds one row group as it came, and those before as they are in the file.
 * Its own memory is used again for the next file.
 */
export class ParquetWriter {
  /** Rows in the file. */
  rows = 0;
  private readonly stores: ValueStore[];
  private readonly rowBytes: number;
  private groups: WrittenGroup[] = [];
  private out = new FileBytes();
  private groupRows = 0;
  private groupBytes = 0;

  constructor(private readonly options: ParquetFileOptions) {
    this.stores = options.columns.map((column) => new ValueStore(column));
    this.rowBytes = options.columns.reduce((bytes, { type }) => bytes + WIDTHS[type], 0);
  }

  /** Bytes of the row groups that are written. */
  get bytesWritten(): number {
    return this.out.offset;
  }

  /**
   * Takes the rows [first, rows) of a batch, until a row group is full.
   * @param slices one for each column
   * @returns the first row that was not taken
   */
  append(slices: readonly ColumnSlice[], first: number, rows: number): number {
    const end = this.groupEnd(slices, first, rows);
    for (const [index, store] of this.stores.entries()) store.append(slices[index]!, first, end);
    this.groupBytes += this.bytesOf(slices, first, end);
    this.groupRows += end - first;
    this.rows += end - first;
    if (this.isFull(0, 0)) this.writeGroup();
    return end;
  }

  /** The whole file; rows that follow are of the next one. */
  finish(): Uint8Array {
    if (this.groupRows > 0) this.writeGroup();
    const columns = this.groups.flatMap((group) => group.columns);
    for (const column of columns) column.columnIndex = this.writeIndex(columnIndex(column));
    for (const column of columns) column.offsetIndex = this.writeIndex(offsetIndex(column));
    const { options, groups } = this;
    const metadata = encodeThrift(fileMetadata(options.columns, groups, options.metadata ?? {}, CREATED_BY));
    this.out.write(metadata);
    this.out.write(new Uint8Array(Uint32Array.of(metadata.length).buffer));
    this.out.write(MAGIC);
    const file = Buffer.concat(this.out.parts);
    this.groups = [];
    this.out = new FileBytes();
    this.rows = 0;
    return file;
  }

  private isFull(rows: number, bytes: number): boolean {
    return this.groupRows + rows >= GROUP_ROWS_MAX || this.groupBytes + bytes >= this.options.groupBytes;
  }

  /** Behind the row that fills the group, or behind the last one. */
  private groupEnd(slices: readonly ColumnSlice[], first: number, rows: number): number {
    const isFullAt = (end: number) => this.isFull(end - first, this.bytesOf(slices, first, end));
    if (!isFullAt(rows)) return rows;
    let least = first + 1;
    let most = rows;
    while (least < most) {
      const middle = (least + most) >> 1;
      if (isFullAt(middle)) most = middle;
      else least = middle + 1;
    }
    return least;
  }

  private bytesOf(slices: readonly ColumnSlice[], first: number, end: number): number {
    let bytes = (end - first) * this.rowBytes;
    for (const { offsets } of slices) if (offsets !== undefined) bytes += offsets[end]! - offsets[first]!;
    return bytes;
  }

  private writeGroup(): void {
    const columns: WrittenColumn[] = [];
    for (const store of this.stores) {
      columns.push(writeColumn(store, this.out));
      store.clear();
    }
    for (const column of columns) {
      if (column.bloomFilter === undefined) continue;
      column.bloomOffset = this.out.offset;
      this.out.write(column.bloomFilter);
    }
    this.groups.push({ rows: this.groupRows, columns });
    this.groupRows = this.groupBytes = 0;
  }

  private writeIndex(fields: ThriftFields | undefined): { offset: number; bytes: number } | undefined {
    if (fields === undefined) return undefined;
    const { offset } = this.out;
    const bytes = encodeThrift(fields);
    this.out.write(bytes);
    return { offset, bytes: bytes.length };
  }
}
