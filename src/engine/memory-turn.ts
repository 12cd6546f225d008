/** When the process has memory for one more span of a stream. */
import { pause } from "../base/pause.ts";
import type { StreamCell } from "../threads/stream-cell.ts";
import type { PumpLimits } from "./pump-limits.ts";

const LOOK_MS = 10;

/**
 * Resolves when a span may be begun. Where memory is full, a large ledger waits until the stream's readers need nothing
 * more of what it retains, and half of what may be in flight is free: one is as much as the guard's margin. Everything
 * else has the guard's turns.
 * @param isLarge whether the stream's last object was many times an ordinary one
 */
export async function memoryTurn(
  { guard, inFlight }: Pick<PumpLimits, "guard" | "inFlight">,
  cell: StreamCell,
  isLarge: boolean,
  signal: AbortSignal,
): Promise<void> {
  if (guard === undefined || !guard.pressure.isFull) return;
  const mustWait = () => cell.get("heldBytes") > 0 || inFlight.usedBytes * 2 > inFlight.bytesMax;
  while (isLarge && guard.pressure.isFull && mustWait() && !signal.aborted) await pause(LOOK_MS, signal);
  await guard.admit(signal);
}
