/** Cursors between the rows of a received batch. */
import type { ReceivedBatch } from "../flight-client/client.ts";
import { decodeCursor, encodeCursor } from "../threads/cursor.ts";

/**
 * The cursor behind the first `rows` rows of a batch: their last ledger, and how many of its rows come before. Undefined
 * where that cannot be told, since the server has not said where the batch begins.
 */
export function cursorBehind({ table, metadata, start }: ReceivedBatch, rows: number): string | undefined {
  if (rows === table.numRows) return metadata.cursor;
  const sequences = table.getChild("ledger_sequence");
  if (start === undefined || sequences === null) return undefined;
  const ledger = Number(sequences.get(rows - 1));
  const begin = decodeCursor(start);
  let row = begin.ledger === ledger ? begin.row : 0;
  for (let index = rows - 1; index >= 0 && Number(sequences.get(index)) === ledger; index--) row += 1;
  return encodeCursor({ ledger, row }, metadata.partition);
}
