/**
 * Says which peers have connections refused or ended, once for each peer and interval, and so many lines an interval at
 * most: strangers must not fill a disk.
 */

const LINES_MAX = 20; // in LINES_MS
const LINES_MS = 60_000;

/** Writes a line of the log. */
export type Warn = (message: string, fields: Record<string, string>) => void;

/** The log of one listener's connections. */
export class ConnectionLog {
  readonly #warn: Warn;
  readonly #nowMs: () => number;
  readonly #said = new Set<string>();
  #sinceMs = Number.NEGATIVE_INFINITY;
  #unwritten = 0;

  constructor(warn: Warn, nowMs: () => number = () => performance.now()) {
    this.#warn = warn;
    this.#nowMs = nowMs;
  }

  /** @param message the same for all peers */
  say(message: string, peer: string, why: { reason?: string; message: string }): void {
    const nowMs = this.#nowMs();
    if (nowMs - this.#sinceMs >= LINES_MS) {
      this.#sinceMs = nowMs;
      this.#said.clear();
    }
    const line = `${message} ${peer}`;
    if (this.#said.has(line) || this.#said.size >= LINES_MAX) {
      this.#unwritten++;
      return;
    }
    this.#said.add(line);
    const fields: Record<string, string> = { peer, why: why.message };
    if (why.reason !== undefined) fields.reason = why.reason;
    if (this.#unwritten > 0) fields.unwritten = String(this.#unwritten);
    this.#unwritten = 0;
    this.#warn(message, fields);
  }
}
