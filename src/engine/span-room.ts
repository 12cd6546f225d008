/** How many ledgers a stream's next span may have, by what its ledgers have become so far. */
import type { StreamCell } from "../threads/stream-cell.ts";

/** Enough for a full batch on quiet ledgers. */
export const SPAN_LEDGERS_MAX = 64;
const SPAN_DOUBLINGS = 6; // from one ledger in the first span to SPAN_LEDGERS_MAX
const OUTPUT_RATIO_MARGIN = 1.5; // what comes may become this much more, a ledger, than what the stream has had so far

/**
 * How many more ledgers' batches will find room in the stream's share of memory; under 1 for none. Spans begin small,
 * because nothing is known of the first ones, and because the first rows should not wait for many.
 *
 * @param cell the stream's counters
 * @param slotsMax batches that the stream may hold
 * @param spans begun so far
 * @param ledgersPending in spans that are not in order yet
 */
export function ledgersThatFit(cell: StreamCell, slotsMax: number, spans: number, ledgersPending: number): number {
  const begin = Math.min(SPAN_LEDGERS_MAX, 2 ** Math.min(spans, SPAN_DOUBLINGS));
  const ledgers = cell.get("ledgers");
  if (ledgers === 0) return 0;
  const batches = (cell.get("batches") / ledgers) * OUTPUT_RATIO_MARGIN;
  const bytes = (cell.get("batchBytes") / ledgers) * OUTPUT_RATIO_MARGIN;
  const batchesFree = slotsMax - cell.get("heldBatches");
  const bytesFree = cell.retainedBytesMax - cell.get("heldBytes");
  const fit = Math.floor(Math.min(batchesFree / batches, bytesFree / bytes)) - ledgersPending;
  return Number.isNaN(fit) ? begin : Math.min(begin, fit);
}
