/** Bugs that can be put in, to see that the simulation finds them. */
import { Sequencer } from "../../src/delivery/sequencer.ts";
import { Slot } from "../../src/delivery/slot.ts";
import { StreamAssets } from "../../src/engine/stream-assets.ts";
import { StreamCell } from "../../src/threads/stream-cell.ts";
import { slotCounts } from "./slot-counts.ts";

export const CANARIES = ["order", "gate", "slots", "cursor", "assets"] as const;
export type Canary = (typeof CANARIES)[number];

/** Puts a bug in; answers with how to take it out. */
export function infect(canary: Canary): () => void {
  switch (canary) {
    case "order": {
      // spans are let through as they come
      const { batch } = Sequencer.prototype;
      Sequencer.prototype.batch = function (this: Sequencer, slot: Slot) {
        // `emit` is private.
        (this as unknown as { emit(slot: Slot): void }).emit(slot);
      };
      return () => {
        Sequencer.prototype.batch = batch;
      };
    }
    case "gate": {
      // the source is never held back
      const getter = Object.getOwnPropertyDescriptor(StreamCell.prototype, "open")!;
      const { get } = StreamCell.prototype;
      Object.defineProperty(StreamCell.prototype, "open", { configurable: true, get: () => true });
      StreamCell.prototype.get = function (this: StreamCell, counter) {
        return counter === "heldBatches" || counter === "heldBytes" ? 0 : get.call(this, counter);
      };
      return () => {
        Object.defineProperty(StreamCell.prototype, "open", getter);
        StreamCell.prototype.get = get;
      };
    }
    case "slots": {
      // one reader in a while forgets to let a batch go
      const { release } = Slot.prototype;
      let count = 0;
      Slot.prototype.release = function (this: Slot) {
        count += 1;
        if (count % 50 !== 0) release.call(this);
      };
      return () => {
        Slot.prototype.release = release;
        slotCounts.live = 0;
      };
    }
    case "assets": {
      // what one worker has learned reaches no other
      const { learned } = StreamAssets.prototype;
      StreamAssets.prototype.learned = function (this: StreamAssets) {
        this.messages += 1;
      };
      return () => {
        StreamAssets.prototype.learned = learned;
      };
    }
    case "cursor": {
      // cursors are one row late
      const { batch } = Sequencer.prototype;
      Sequencer.prototype.batch = function (this: Sequencer, slot: Slot) {
        slot.record.next = { ...slot.record.next, row: slot.record.next.row + 1 };
        batch.call(this, slot);
      };
      return () => {
        Sequencer.prototype.batch = batch;
      };
    }
  }
}
