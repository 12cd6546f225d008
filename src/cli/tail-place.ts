/** How far `tail` has come, and how a later one goes on from there. */
import { counted } from "../base/text.ts";
import type { ReceivedBatch } from "../flight-client/client.ts";

/** Printed rows, the cursor behind them, and what was asked for. */
export class TailPlace {
  rows = 0;
  /** Behind all that was printed but for the last `skip` rows; undefined where the server has not said where it began. */
  cursor: string | undefined;
  private skip = 0;

  /** @param selection the flags that name what is read, but for --from and --skip */
  constructor(public selection: readonly string[]) {}

  /** The rows from `first` to `end` of the batch are out, and those before were left out. */
  printed({ table, metadata, start }: ReceivedBatch, first: number, end: number): void {
    this.rows += end - first;
    const isWhole = end === table.numRows;
    this.cursor = isWhole ? metadata.cursor : (start ?? this.cursor);
    this.skip = isWhole ? 0 : end;
  }

  summary(): string {
    const { rows, cursor, skip } = this;
    const behind = skip === 0 ? "" : ` and ${counted(skip, "row")}`;
    return `${counted(rows, "row")}${cursor === undefined ? "" : `; cursor ${cursor}${behind}`}`;
  }

  /** What to call `tail` with for the rows behind. */
  wayOn(): string {
    const { selection, cursor = "start", skip } = this;
    const words = [...selection, "--from", cursor, ...(skip === 0 ? [] : ["--skip", String(skip)])];
    return `go on with ${words.map(typed).join(" ")}`;
  }
}

/** A word as a shell takes it. */
function typed(word: string): string {
  return /^[\w.,:=@/+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
