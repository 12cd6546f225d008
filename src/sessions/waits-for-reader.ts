/** Why a running session stands still, where that is because nobody reads it. */
import type { EngineStream } from "../engine/engine-stream.ts";
import { partCount } from "../vocabulary/stream-part.ts";

const MIB = 1 << 20;

/** For people, with the limit that holds it; undefined where it does not wait, or has readers. */
export function waitsForReader({ cell, request }: EngineStream): string | undefined {
  const batches = cell.get("heldBatches");
  if (cell.open || batches === 0 || cell.get("clients") > 0) return undefined;
  const { slotsMax } = request;
  const held = `waits for a reader: ${batches} ${batches === 1 ? "batch is" : "batches are"} held`;
  if (batches >= slotsMax * partCount(request)) return `${held}, and CHANNEL_BUFFER_SIZE is ${slotsMax}`;
  return `${held}, with ${(cell.get("heldBytes") / MIB).toFixed(1)} MiB its share of MAX_MEMORY_MB`;
}
