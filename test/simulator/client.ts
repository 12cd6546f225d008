/** One client of a simulated session: its pace, its rows and its cursor. */
import type { Slot } from "../../src/delivery/slot.ts";
import type { StreamReader } from "../../src/delivery/stream-log.ts";
import type { StreamPart } from "../../src/delivery/stream-part.ts";
import { CodedError } from "../../src/error.ts";
import type { Position } from "../../src/vocabulary/position.ts";
import { rowsOfSlot } from "../support/pipeline.ts";
import type { World } from "./world.ts";

/** One client of a session, over all its restarts. */
export class Client {
  readonly rows: string[] = [];
  /** Taken so far. */
  batches = 0;
  position: Position;
  private readonly pace: number;

  constructor(
    private readonly world: World,
    private readonly random: () => number,
    ledgerFirst: number,
  ) {
    this.position = { ledger: ledgerFirst, row: 0 };
    this.pace = random();
  }

  /** Reads to the end, or to the error, which it answers with; or leaves and comes back now and then. */
  async read(stream: StreamPart, first: StreamReader, start: Position): Promise<CodedError | undefined> {
    let reader = first;
    let at = start;
    try {
      for (;;) {
        const slot = await reader.next(() => performance.now());
        if (slot === undefined) return undefined;
        this.batches += 1;
        try {
          this.take(slot);
          at = slot.record.next;
        } finally {
          slot.release();
        }
        if (this.random() < 0.3 * this.pace) await new Promise((resolve) => setTimeout(resolve, this.random() * 8));
        if (this.random() < 0.02 && stream.log.ending === undefined) {
          const back = stream.log.joinAt(at, 0); // before it leaves, so that its place is kept
          reader.leave();
          reader = back;
        }
      }
    } catch (thrown) {
      return CodedError.from(thrown);
    } finally {
      reader.leave();
    }
  }

  /** Rows of a batch, without those that came before. */
  private take(slot: Slot): void {
    const { next } = slot.record;
    if (!before(this.position, next)) return;
    const rows = rowsOfSlot(slot);
    if (rows.length !== slot.record.rows) throw new Error(`a batch of ${slot.record.rows} rows has ${rows.length}`);
    for (const row of rows) {
      const ledger = Number(row.slice(0, row.indexOf("|")));
      const { position } = this;
      const isBehind =
        ledger > position.ledger || (ledger === position.ledger && this.world.placeOf(ledger, row) >= position.row);
      if (isBehind) this.rows.push(row);
    }
    this.position = next;
  }
}

export function before(a: Position, b: Position): boolean {
  return a.ledger < b.ledger || (a.ledger === b.ledger && a.row < b.row);
}
