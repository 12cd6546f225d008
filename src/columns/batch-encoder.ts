/**
 * Rows to Arrow record batches. A batch is planned (its size is known to the byte), then written once, to wherever the
 * caller wants the body: no value is formatted twice or copied.
 *
 * Rows of a ledger that is still being walked can be laid out already: such a plan is open. Their late columns
 * (`Column.isLate`) are left out, with room for what they will need, and `close` writes them when the ledger has been read.
 */
import { quoted } from "../base/text.ts";
import { CodedError } from "../error.ts";
import type { RowLedger, RowSet } from "../ledger/row-set.ts";
import type { Compression } from "../vocabulary/compression.ts";
import { DATASET_DEFAULT, type Dataset } from "../vocabulary/dataset.ts";
import type { SchemaVersion } from "../vocabulary/schema-version.ts";
import { BatchHeader } from "./batch-header.ts";
import type { Column, Measure, Placement } from "./column.ts";
import { DATASET_SCHEMAS, type SchemaDefinition, versionsOf } from "./datasets.ts";
import { DictionaryColumn } from "./dictionary-column.ts";

const ALIGNMENT = 8; // of every buffer, as the IPC format wants at least
const MEASURE_STEP_ROWS = 1024; // rows measured at once when looking for the batch's end
const BODY_BYTES_MAX = 0x7fff_ffff; // utf8 offsets are int32

/** The column names of a schema version, in order. @throws CodedError INVALID_ARGUMENT where the dataset has it not */
export function columnNames(schemaVersion: SchemaVersion, dataset: Dataset = DATASET_DEFAULT): string[] {
  return definitionOf(dataset, schemaVersion)
    .columns()
    .map((column) => column.spec.name);
}

/** Which columns an encoder writes. */
export interface BatchEncoderOptions {
  /** Default: contract data. */
  dataset?: Dataset;
  /** One of the dataset's. */
  schemaVersion: SchemaVersion;
  /** Names the network in the schema's metadata. */
  networkPassphrase: string;
  /** Which columns, in which order; absent: all of the schema version. */
  columns?: readonly string[];
  /** False: columns of words are text, and no dictionary is sent. Schema version 1 has none in any case. Default true. */
  dictionaries?: boolean;
}

/** One record batch decided on, not yet written. */
export interface BatchPlan {
  /** The rows of the row set: [first, end). */
  readonly first: number;
  readonly end: number;
  /** How many that is. */
  readonly rows: number;
  /** Late columns are not known yet: `nulls` and their buffers are a guess. */
  readonly isOpen: boolean;
  /** Exact size of the body. */
  readonly bodyBytes: number;
  /** Per column. */
  readonly nulls: readonly number[];
  /** Offset and length of each buffer in the body, in the order of the IPC message. */
  readonly regions: readonly number[];
}

/** Rows [first, end) and their sums per column, as long as the set's generation is the same. */
interface MeasuredRows {
  rows: RowSet;
  generation: number;
  isOpen: boolean;
  first: number;
  end: number;
  sums: Measure[];
}

function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** Writes rows as Arrow record batches of one schema. Keeps scratch memory between batches; belongs to one thread. */
export class BatchEncoder {
  /** Metadata of the schema. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly columns: readonly Column[];
  /** Whether some column needs the key hashes, which a decoder can leave out. */
  readonly needsKeyHash: boolean;
  /** The part of a decoder's options that this encoder decides: what rows there are, and what may be left out. */
  readonly decoderOptions: { datasets: Dataset[]; schemaVersion: SchemaVersion; keyHash: boolean; assets: boolean };
  private readonly dataset: Dataset;
  private readonly headers = new Map<Compression, BatchHeader>();
  /** What was measured last: looking for a batch's end goes on from there, and its plan needs nothing more. */
  private measured: MeasuredRows | undefined;
  /** Whether late columns are taken to have nulls, in open plans: what the last one turned out to have. */
  private hasLateNulls = true;

  /** @throws CodedError INVALID_ARGUMENT for a schema version or a column that does not exist, or a column twice */
  constructor(options: BatchEncoderOptions) {
    const { dataset = DATASET_DEFAULT } = options;
    this.dataset = dataset;
    const definition = definitionOf(dataset, options.schemaVersion);
    const columns = project(definition.columns(), options.columns, dataset);
    this.columns = options.dictionaries === false ? columns.map(withoutDictionary) : columns;
    this.needsKeyHash = this.columns.some((column) => column.needsKeyHash);
    this.decoderOptions = {
      datasets: [dataset],
      schemaVersion: options.schemaVersion,
      keyHash: this.needsKeyHash,
      assets: this.columns.some((column) => column.needsAssets),
    };
    this.metadata = new Map([
      ["schema_version", definition.name],
      ["schema_type", dataset],
      ["description", DATASET_SCHEMAS[dataset].description],
      ["network_passphrase", options.networkPassphrase],
    ]);
  }

  /**
   * The end of the longest run of rows from `first` that has at most `rowsMax` rows and a body of at most `bytesMax`
   * bytes; `first` itself where not even one row fits.
   * @param isOpen as of `plan`
   */
  fit(rows: RowSet, first: number, rowsMax: number, bytesMax: number, isOpen = false): number {
    const last = Math.min(rows.length, first + rowsMax);
    const limit = Math.min(bytesMax, BODY_BYTES_MAX);
    let { end, sums } = this.measuredFrom(rows, first, isOpen);
    if (end > last || this.bodyBytes(end - first, sums) > limit) {
      sums = this.nothingMeasured();
      end = first;
    }
    for (let step = MEASURE_STEP_ROWS; step >= 1 && end < last; ) {
      const to = Math.min(end + step, last);
      const tried = sums.map((sum): Measure => ({ ...sum }));
      this.measure(rows, end, to, tried, isOpen);
      if (this.bodyBytes(to - first, tried) > limit) {
        // The body only grows with its rows, so the end lies inside this step.
        step = Math.min(step, to - end) >> 1;
        continue;
      }
      sums = tried;
      end = to;
    }
    this.measured = { rows, generation: rows.generation, isOpen, first, end, sums };
    return end;
  }

  /**
   * The size and layout of one batch of the rows [first, end). Formats nothing (but JSON: see json-column.ts).
   * @param isOpen the rows' ledger is still being walked: what is written by the plan has to be closed
   */
  plan(rows: RowSet, first: number, end: number, isOpen = false): BatchPlan {
    if (end > first) this.checkRows(rows.ledgers[rows.ledger[first]!]!);
    const known = this.measuredFrom(rows, first, isOpen);
    const sums = known.end === end ? known.sums : this.nothingMeasured();
    if (known.end !== end) this.measure(rows, first, end, sums, isOpen);
    const count = end - first;
    const regions: number[] = [];
    let at = 0;
    const region = (bytes: number): void => {
      regions.push(at, bytes);
      at += align(bytes);
    };
    this.columns.forEach((column, i) => {
      const { dataBytes, nulls } = sums[i]!;
      region(nulls === 0 ? 0 : Math.ceil(count / 8));
      if (column.width === 0) region(4 * (count + 1));
      region(column.width === 0 ? dataBytes : Math.ceil((count * column.width) / 8));
    });
    if (at > BODY_BYTES_MAX) {
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "BATCH_TOO_LARGE",
        `a batch of ${count} rows has a body of ${at} bytes, over max ${BODY_BYTES_MAX}: put fewer rows into it`,
      );
    }
    return { first, end, rows: count, isOpen, bodyBytes: at, nulls: sums.map((sum) => sum.nulls), regions };
  }

  /**
   * Writes the body of `plan`, all of its `bodyBytes` but for what an open one leaves out, into `out` from byte `at` on.
   * `out` may be shared memory.
   */
  write(rows: RowSet, plan: BatchPlan, out: Uint8Array, at = 0): void {
    if (at + plan.bodyBytes > out.length) {
      throw new CodedError(
        "INTERNAL",
        "BATCH_BUFFER",
        `a body of ${plan.bodyBytes} bytes does not fit ${out.length} bytes from byte ${at} on`,
      );
    }
    const view = new DataView(out.buffer, out.byteOffset + at, plan.bodyBytes);
    const { regions } = plan;
    this.writeColumns(rows, plan, view, (column) => !(plan.isOpen && column.isLate));
    // The body may lie where something else lay before: the gaps between buffers are sent too.
    for (let i = 0; i < regions.length; i += 2) {
      const end = regions[i]! + regions[i + 1]!;
      for (let gap = end; gap < align(end); gap++) view.setUint8(gap, 0);
    }
  }

  /**
   * Completes what `write` has written by an open plan: all of the rows' ledger has been read. Answers with the plan as it
   * is now; undefined where late columns have nulls against the guess, and so other buffers: then nothing has changed.
   */
  close(rows: RowSet, open: BatchPlan, out: Uint8Array, at = 0): BatchPlan | undefined {
    const nulls = [...open.nulls];
    for (const [i, column] of this.columns.entries()) {
      if (!column.isLate) continue;
      const sum: Measure = { dataBytes: 0, nulls: 0 };
      column.measure(rows, open.first, open.end, sum);
      this.hasLateNulls = sum.nulls > 0;
      if (this.hasLateNulls !== nulls[i]! > 0) return undefined;
      nulls[i] = sum.nulls;
    }
    const plan = { ...open, isOpen: false, nulls };
    const view = new DataView(out.buffer, out.byteOffset + at, plan.bodyBytes);
    this.writeColumns(rows, plan, view, (column) => column.isLate);
    return plan;
  }

  private writeColumns(rows: RowSet, plan: BatchPlan, view: DataView, isWritten: (column: Column) => boolean): void {
    const { regions } = plan;
    const place: Placement = { nulls: 0, validityAt: -1, offsetsAt: -1, dataAt: 0 };
    let r = 0;
    for (const [i, column] of this.columns.entries()) {
      place.nulls = plan.nulls[i]!;
      place.validityAt = place.nulls === 0 ? -1 : regions[r]!;
      r += 2;
      if (column.width === 0) {
        place.offsetsAt = regions[r]!;
        r += 2;
      }
      place.dataAt = regions[r]!;
      const planned = regions[r + 1]!;
      r += 2;
      if (!isWritten(column)) continue;
      const written = column.write(rows, plan.first, plan.end, view, place) - place.dataAt;
      if (written !== planned) {
        const what = `column ${column.spec.name} was planned with ${planned} bytes and has ${written}`;
        throw new CodedError("INTERNAL", "BATCH_PLAN", `${what}: rows changed between plan and write`);
      }
    }
  }

  /** The RecordBatch message of a plan, or of what its body was compressed to: the bare flatbuffer, as data_header carries it. */
  header(plan: BatchPlan, compression: Compression = "none"): Uint8Array {
    let header = this.headers.get(compression);
    if (header === undefined) {
      header = new BatchHeader(plan.nulls.length, plan.regions.length / 2, compression);
      this.headers.set(compression, header);
    }
    return header.message(plan);
  }

  /** Rows of version 2 hold what version 1 has no words for; the other way round there is only less of it. */
  private checkRows({ dataset, schemaVersion }: RowLedger): void {
    const own = this.decoderOptions.schemaVersion;
    const isVersionFit = dataset !== "contract_data" || schemaVersion <= own;
    if (dataset === this.dataset && isVersionFit) return;
    throw new CodedError(
      "INTERNAL",
      "ROWS_SCHEMA",
      `rows decoded as ${dataset} for schema version ${schemaVersion} cannot be laid out as ${this.dataset} of version ${own}: decode with the encoder's decoderOptions`,
    );
  }

  private nothingMeasured(): Measure[] {
    return this.columns.map(() => ({ dataBytes: 0, nulls: 0 }));
  }

  /** How far rows from `first` on have been measured. */
  private measuredFrom(rows: RowSet, first: number, isOpen: boolean): { end: number; sums: Measure[] } {
    const { measured } = this;
    const isOfRows = measured?.rows === rows && measured.generation === rows.generation;
    const isKnown = isOfRows && measured.first === first && measured.isOpen === isOpen;
    return isKnown ? measured : { end: first, sums: this.nothingMeasured() };
  }

  private measure(rows: RowSet, first: number, end: number, sums: Measure[], isOpen: boolean): void {
    for (const [i, column] of this.columns.entries()) {
      if (isOpen && column.isLate) sums[i]!.nulls = this.hasLateNulls ? 1 : 0;
      else column.measure(rows, first, end, sums[i]!);
    }
  }

  private bodyBytes(count: number, sums: readonly Measure[]): number {
    let bytes = 0;
    for (let i = 0; i < sums.length; i++) {
      const { width } = this.columns[i]!;
      const { dataBytes, nulls } = sums[i]!;
      if (nulls > 0) bytes += align(Math.ceil(count / 8));
      bytes += width === 0 ? align(4 * (count + 1)) + align(dataBytes) : align(Math.ceil((count * width) / 8));
    }
    return bytes;
  }
}

function withoutDictionary(column: Column): Column {
  return column instanceof DictionaryColumn ? column.plain() : column;
}

function definitionOf(dataset: Dataset, schemaVersion: SchemaVersion): SchemaDefinition {
  const definition = DATASET_SCHEMAS[dataset].versions[schemaVersion];
  if (definition !== undefined) return definition;
  const of = dataset === DATASET_DEFAULT ? "" : ` of ${dataset}`;
  throw new CodedError(
    "INVALID_ARGUMENT",
    "UNKNOWN_SCHEMA_VERSION",
    `schema version ${schemaVersion}${of} is not one of ${versionsOf(dataset).join(", ")}`,
  );
}

function project(all: Column[], names: readonly string[] | undefined, dataset: Dataset): Column[] {
  if (names === undefined) return all;
  const byName = new Map(all.map((column) => [column.spec.name, column]));
  if (names.length === 0) {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "NO_COLUMNS",
      "no column is asked for: name at least one, or leave columns out",
    );
  }
  return names.map((name, i) => {
    const column = byName.get(name);
    if (column === undefined) {
      const known = [...byName.keys()].join(", ");
      const other = versionsOf(dataset).find((version) => columnNames(version, dataset).includes(name));
      const hint = other === undefined ? "" : `; schema version ${other} has it: ask for schema_version ${other} too`;
      throw new CodedError(
        "INVALID_ARGUMENT",
        "UNKNOWN_COLUMN",
        `column ${quoted(name)} is not one of ${known}${hint}`,
      );
    }
    if (names.indexOf(name) !== i) {
      throw new CodedError("INVALID_ARGUMENT", "DUPLICATE_COLUMN", `column ${quoted(name)} is asked for twice`);
    }
    return column;
  });
}
