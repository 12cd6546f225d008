/** The parts of a stream, which are read by themselves: each has a log, clients, cursors and counters of its own. */
import { DATASET_DEFAULT, type Dataset } from "./dataset.ts";
import type { Partition } from "./partition.ts";

/** One partition of one dataset, or the whole of it. */
export interface StreamPartName {
  /** Absent: contract data. */
  dataset?: Dataset;
  /** Absent: the dataset has none. */
  partition?: Partition;
}

/** What decides about a stream's parts. */
interface PartedStream {
  /** Absent: contract data alone. */
  datasets?: readonly Dataset[];
  /** Absent: its datasets have none. */
  partitions?: number;
}

/** A stream's parts in their order, by which messages number them: each partition of each dataset. */
export function partNames({ datasets = [DATASET_DEFAULT], partitions: count }: PartedStream): StreamPartName[] {
  return datasets.flatMap((dataset) => {
    if (count === undefined) return [{ dataset }];
    return Array.from({ length: count }, (_, index) => ({ dataset, partition: { index, count } }));
  });
}

/** How many parts a stream has, at least 1. */
export function partCount({ datasets = [DATASET_DEFAULT], partitions = 1 }: PartedStream): number {
  return datasets.length * partitions;
}
