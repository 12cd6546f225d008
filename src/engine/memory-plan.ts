/**
 * What MAX_MEMORY_MB is spent on, so that resident memory stays under it. First comes what a process of this kind takes
 * whatever it does (code, compiled code, heaps and stacks of its threads, gRPC's buffers); of the rest, everything that
 * grows with the work has its part here, fixed at start:
 *
 * - a quarter at most for the rings, which every worker has two of;
 * - a quarter for ledgers in flight: dispatched to a worker, not yet in order in their stream, counted inflated. It
 *   covers what workers hold of them, too;
 * - an eighth at most for the windows of core's meta streams, where there are such sources;
 * - an eighth at most for readers of rows over HTTP, of whom no more are let in;
 * - the rest for streams: their retained batches and what their source reads ahead.
 *
 * A ledger of tens of MiB stands in memory several times on its way through gRPC and a worker: what is dropped of it is
 * collected at once (src/base/dropped-memory.ts), and its batches have to find room in the streams' part before it is begun
 * (large-ledgers.ts).
 */
import { META_WINDOW_BYTES_MAX } from "../sources/meta/meta-source.ts";
import type { PoolSizes } from "../workers/pool.ts";

const PROCESS_BYTES = 224 << 20; // measured busy: main thread, data plane, the runtime's own threads …
const WORKER_BYTES = 32 << 20; // … and each decode worker's heap and compiled code
const DATA_BYTES_MIN = 64 << 20; // below it a stream's batches have no room beside the rings
const RING_BYTES_MIN = 256 << 10; // a message is half of it at most; smaller would cut every batch into fragments
const RING_BYTES_MAX = 8 << 20; // two spans of compressed ledgers, four batches: more has no effect on speed
const WORKER_LEDGERS_BYTES_MAX = 16 << 20; // ledgers that a worker holds for rows of one batch: more makes it no larger
const PART_OF_RINGS = 4;
const PART_IN_FLIGHT = 4;
const PART_OF_WINDOWS = 8;
const PART_OF_READERS = 8;
const READER_TEXT_BYTES = 1 << 20; // pieces of a batch as text: one that is made, one that is sent
const READER_ENCODER_BYTES = 1 << 20; // what compresses them for it
const READER_BYTES = READER_TEXT_BYTES + READER_ENCODER_BYTES;

/** How MAX_MEMORY_MB is divided. All sizes are bytes; the sizes in `pool` are those of one worker. */
export interface MemoryPlan {
  pool: PoolSizes;
  /** Inflated bytes of ledgers in flight, of all streams together. One larger ledger is let in alone. */
  inFlightBytesMax: number;
  /** For all streams together. */
  streamsBytesMax: number;
  /** For all readers of rows over HTTP together. */
  rowReadersBytesMax: number;
}

/** The least MAX_MEMORY_MB, in bytes, that can be held with so many workers; with less there is the least plan that works. */
export function memoryBytesLeast(workerCount: number): number {
  return PROCESS_BYTES + WORKER_BYTES * workerCount + DATA_BYTES_MIN;
}

/** What is left for data. */
function dataBytesOf(memoryBytesMax: number, workerCount: number): number {
  return Math.max(memoryBytesMax, memoryBytesLeast(workerCount)) - memoryBytesLeast(workerCount) + DATA_BYTES_MIN;
}

/** Bytes of each meta stream's window, where there are so many of them. */
export function planWindow(memoryBytesMax: number, workerCount: number, windows: number): number {
  const share = dataBytesOf(memoryBytesMax, workerCount) / PART_OF_WINDOWS / Math.max(1, windows);
  return Math.min(META_WINDOW_BYTES_MAX, Math.floor(share));
}

/**
 * How many readers of rows over HTTP have room, one at least.
 * @param batchBytesMax FLIGHT_MESSAGE_BYTES_MAX
 */
export function planRowReaders(memoryBytesMax: number, workerCount: number, batchBytesMax: number): number {
  const bytes = dataBytesOf(memoryBytesMax, workerCount) / PART_OF_READERS;
  return Math.max(1, Math.floor(bytes / (batchBytesMax + READER_BYTES)));
}

/** What else memory is for. */
interface OtherUses {
  /** Sources that are meta streams. */
  windows?: number;
  /** Readers of rows over HTTP at once, planRowReaders at most, and how large a batch of theirs may be. */
  rowReaders?: { readersMax: number; batchBytesMax: number };
}

/** @param memoryBytesMax MAX_MEMORY_MB in bytes */
export function planMemory(
  memoryBytesMax: number,
  workerCount: number,
  { windows = 0, rowReaders: { readersMax, batchBytesMax } = { readersMax: 0, batchBytesMax: 0 } }: OtherUses = {},
): MemoryPlan {
  const dataBytes = dataBytesOf(memoryBytesMax, workerCount);
  const windowsBytes = windows * planWindow(memoryBytesMax, workerCount, windows);
  const rowReadersBytesMax = Math.min(dataBytes / PART_OF_READERS, readersMax * (batchBytesMax + READER_BYTES));
  const ringShare = dataBytes / PART_OF_RINGS / (2 * workerCount);
  let ringBytes = RING_BYTES_MIN;
  while (ringBytes < RING_BYTES_MAX && ringBytes * 2 <= ringShare) ringBytes *= 2;
  const inFlightBytesMax = Math.floor(dataBytes / PART_IN_FLIGHT);
  const workerLedgersBytes = Math.min(WORKER_LEDGERS_BYTES_MAX, Math.floor(inFlightBytesMax / 2 / workerCount));
  return {
    pool: {
      inputRingBytes: ringBytes,
      outputRingBytes: ringBytes,
      retainedBytesMax: workerLedgersBytes,
      freeBytesMax: workerLedgersBytes,
    },
    inFlightBytesMax,
    rowReadersBytesMax,
    streamsBytesMax: Math.max(
      0,
      Math.floor(dataBytes - inFlightBytesMax - windowsBytes - rowReadersBytesMax - 2 * ringBytes * workerCount),
    ),
  };
}
