/** What a sink is: a place that keeps rows together with the cursor behind them. */
import type { ReceivedBatch } from "../flight-client/client.ts";

/** A batch on its way into a sink: an Arrow table, and what the server says of it. */
export type SinkBatch = Pick<ReceivedBatch, "table" | "metadata">;

/** How far the rows behind a cursor go. */
export interface SinkProgress {
  /** The last ledger whose rows are all before the cursor. */
  ledgerComplete: number;
  /** Its close time, in Unix seconds. */
  closedAtUnixSeconds: number;
}

/**
 * A place for rows, driven by `consume`: `open`, then any number of `write` and `commit`, then `close`. After an error of
 * any of them `close` is called, and then `open` again where the error says that time may mend it (UNAVAILABLE). The promise
 * of `consume` rests on two rules:
 *
 * - What `write` was given since the last `commit` becomes durable in `commit`, together with the cursor, or not at all.
 * - `open` gives the cursor of the last commit that has become durable, whatever has happened since.
 */
export interface Sink {
  /**
   * Makes everything ready for a reader.
   * @param reader the name under which the cursor is kept: one for each session, partition or range
   * @returns the reader's cursor; undefined where it has committed nothing yet
   */
  open(reader: string): Promise<string | undefined>;
  /** Takes a batch of one row or more. A promise that is pending holds the server back. */
  write(batch: SinkBatch): Promise<void> | void;
  /** Makes all that was written durable, with the cursor behind it. There may be no rows: ledgers without any have passed. */
  commit(cursor: string, progress: SinkProgress): Promise<void> | void;
  /** The stream has come to its end, with everything committed. It may go on later: a session that was stopped is resumed. */
  finish?(): Promise<void> | void;
  /** Lets go of everything, and forgets what is not committed. Also called where `open` has failed. */
  close(): Promise<void> | void;
}
