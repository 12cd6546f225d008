/** Progress of long work on a terminal. */
import type { Output } from "./command.ts";

const REDRAW_MS = 100; // smooth enough for eyes

/** One line that is written over itself; nothing where the output is no terminal. */
export class Progress {
  private shownAtMs = 0;
  private visible = false;

  /** @param ledgers in all */
  constructor(
    private readonly output: Output,
    private readonly ledgers: number,
  ) {}

  /** @param beside what else is known: `311 rows` */
  show(done: number, beside: string): void {
    const now = performance.now();
    if (this.output.isTTY !== true || now - this.shownAtMs < REDRAW_MS) return;
    this.shownAtMs = now;
    this.visible = true;
    const percent = Math.floor((100 * done) / this.ledgers);
    this.output.write(`\r\x1b[2K${percent} %  ${done} of ${this.ledgers} ledgers, ${beside}`);
  }

  /** Takes the line away. */
  clear(): void {
    if (this.visible) this.output.write("\r\x1b[2K");
    this.visible = false;
  }
}
