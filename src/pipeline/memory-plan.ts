/**
 * What MAX_MEMORY_MB is spent on. Everything that grows with the work has its part here, fixed at start:
 *
 * - a quarter at most for the rings, which every worker has two of;
 * - a quarter for ledgers in flight: dispatched to a worker, not yet in order in their stream, counted inflated. It
 *   covers what workers hold of them, too;
 * - the rest for streams: their retained batches and what their source reads ahead.
 *
 * Beside it stands what a process of this kind takes whatever it does: code, heaps and stacks of its threads, gRPC's
 * buffers. See docs of MAX_MEMORY_MB.
 */
import type { PoolSizes } from "../workers/pool.ts";

const RING_BYTES_MIN = 256 << 10; // a message is half of it at most; smaller would cut every batch into fragments
const RING_BYTES_MAX = 8 << 20; // two spans of compressed ledgers, four batches: more has no effect on speed
const WORKER_LEDGERS_BYTES_MAX = 16 << 20; // ledgers that a worker holds for rows of one batch: more makes it no larger
const PART_OF_RINGS = 4;
const PART_IN_FLIGHT = 4;

export interface MemoryPlan {
  pool: PoolSizes;
  /** Inflated bytes of ledgers in flight, of all streams together. One larger ledger is let in alone. */
  inFlightBytesMax: number;
  /** For all streams together. */
  streamsBytesMax: number;
}

/** @param memoryBytesMax MAX_MEMORY_MB in bytes */
export function planMemory(memoryBytesMax: number, workerCount: number): MemoryPlan {
  const ringShare = memoryBytesMax / PART_OF_RINGS / (2 * workerCount);
  let ringBytes = RING_BYTES_MIN;
  while (ringBytes < RING_BYTES_MAX && ringBytes * 2 <= ringShare) ringBytes *= 2;
  const inFlightBytesMax = Math.floor(memoryBytesMax / PART_IN_FLIGHT);
  const workerLedgersBytes = Math.min(WORKER_LEDGERS_BYTES_MAX, Math.floor(inFlightBytesMax / 2 / workerCount));
  return {
    pool: {
      inputRingBytes: ringBytes,
      outputRingBytes: ringBytes,
      retainedBytesMax: workerLedgersBytes,
      freeBytesMax: workerLedgersBytes,
    },
    inFlightBytesMax,
    streamsBytesMax: Math.max(0, memoryBytesMax - inFlightBytesMax - 2 * ringBytes * workerCount),
  };
}
