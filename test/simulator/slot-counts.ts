/** Memory of slots taken and not given back, counted from the moment that this module is imported. */
import { SlotPool } from "../../src/delivery/slot.ts";

export const slotCounts = { live: 0 };
{
  const { take, give } = SlotPool.prototype;
  SlotPool.prototype.take = function (this: SlotPool, bytes: number) {
    slotCounts.live += 1;
    return take.call(this, bytes);
  };
  SlotPool.prototype.give = function (this: SlotPool, memory: Uint8Array) {
    slotCounts.live -= 1;
    give.call(this, memory);
  };
}
