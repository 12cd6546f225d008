/** Where the rows of one stream's ledgers go on one worker: a batch cutter for each of the stream's parts. HOT PATH. */
import type { BatchEncoder } from "../columns/batch-encoder.ts";
import type { RowSet } from "../ledger/row-set.ts";
import { DATASET_DEFAULT } from "../vocabulary/dataset.ts";
import { partNames } from "../vocabulary/stream-part.ts";
import { BatchCutter, type CutterParts } from "./batch-cutter.ts";
import { BodyCompressor } from "./body-compressor.ts";
import type { SpanDoneRecord, StreamSpec } from "./records.ts";
import { RowDealer } from "./row-dealer.ts";

/** The cutters of a stream, and the row sets that its ledgers are decoded to. */
export class PartCutters {
  /** One for each part, in their order. */
  readonly cutters: readonly BatchCutter[];
  /** What a ledger is decoded to, for each dataset. */
  readonly targets: readonly RowSet[];
  /** What the encoders of all datasets need; contract data's version counts where that is there. */
  readonly decoderOptions: BatchEncoder["decoderOptions"];
  /** One for each dataset, where there are partitions. */
  private readonly dealers: readonly RowDealer[];
  /** Whether a batch of one dataset takes what waits of the others along. */
  private readonly takesAlong: boolean;

  /** @param filterFrom as BatchCutter */
  constructor(spec: StreamSpec, filterFrom: (sequence: number) => number, parts: CutterParts) {
    const { compression, datasets = [DATASET_DEFAULT], partitions, batchRowsMax } = spec;
    this.takesAlong = datasets.length > 1 && partitions === undefined && batchRowsMax === 0;
    const compressor = compression === "none" ? undefined : new BodyCompressor(compression);
    const names = partNames(spec);
    this.cutters = names.map(({ dataset = DATASET_DEFAULT }, index) => {
      const part = names.length === 1 ? undefined : index;
      return new BatchCutter(spec, dataset, part, compressor, filterFrom, parts);
    });
    this.decoderOptions = { ...this.cutters[0]!.encoder.decoderOptions, datasets: [...datasets] };
    const sets = this.cutters.map(({ rows }) => rows);
    if (partitions === undefined) {
      this.dealers = [];
      this.targets = sets;
      return;
    }
    this.dealers = datasets.map(
      (dataset, i) => new RowDealer(dataset, sets.slice(i * partitions, (i + 1) * partitions)),
    );
    this.targets = this.dealers.map(({ rows }) => rows);
  }

  /**
   * A large ledger is decoded next, of so many bytes: what lays its rows out while they come, and is to be called now and
   * then. Undefined where rows are dealt out, or are of another dataset, which has them at a ledger's end alone.
   */
  ahead(ledgerBytes: number): (() => void) | undefined {
    const cutter = this.cutters.find(({ isContractData }) => isContractData);
    if (cutter === undefined || this.dealers.length > 0) return undefined;
    cutter.beginAhead(ledgerBytes);
    return () => cutter.layAhead(ledgerBytes);
  }

  /** Deals what the last ledger was decoded to out to the partitions. */
  deal(): void {
    for (const dealer of this.dealers) dealer.deal();
  }

  /**
   * Emits what is full. Where batches have no fixed number of rows, those of another dataset that wait in older ledgers go
   * out beside it: ledgers that wait for the rare rows of one dataset are in memory that is out of the caches by then.
   */
  emitFull(done: SpanDoneRecord): void {
    const { batches } = done;
    const { cutters } = this;
    for (const cutter of cutters) cutter.emitFull(done);
    if (!this.takesAlong || done.batches === batches) return;
    const newest = Math.max(...cutters.map(({ waitsSince }) => waitsSince ?? Number.POSITIVE_INFINITY));
    for (const cutter of cutters) if ((cutter.waitsSince ?? newest) < newest) cutter.flush(done);
  }
}
