/**
 * Where a client goes on: opaque on the wire (base64url), so that it can gain fields. Inside is the next position:
 * a ledger, and how many of its rows the client already has. A cursor of a session's partition names that too, since
 * it counts that one's rows alone.
 */
import { CodedError } from "../error.ts";
import type { Partition, Position } from "../workers/records.ts";

const CURSOR_PREFIX = "1."; // version of the form
const CURSOR_LENGTH_MAX = 64; // four 32-bit numbers and the prefix stay below
const FORM = /^1\.([0-9a-z]{1,7})\.([0-9a-z]{1,7})(?:\.([0-9a-z]{1,4})\.([0-9a-z]{1,4}))?$/;

export interface Cursor extends Position {
  /** Absent: of the whole. */
  partition?: Partition;
}

export function encodeCursor({ ledger, row }: Position, partition?: Partition): string {
  const numbers = partition === undefined ? [ledger, row] : [ledger, row, partition.index, partition.count];
  return Buffer.from(CURSOR_PREFIX + numbers.map((number) => number.toString(36)).join(".")).toString("base64url");
}

/** @throws CodedError INVALID_ARGUMENT / CURSOR_INVALID */
export function decodeCursor(cursor: string): Cursor {
  if (cursor.length <= CURSOR_LENGTH_MAX) {
    const match = FORM.exec(Buffer.from(cursor, "base64url").toString("latin1"));
    const ledger = match ? Number.parseInt(match[1]!, 36) : 0;
    const row = match ? Number.parseInt(match[2]!, 36) : 0;
    if (match && ledger >= 1 && ledger <= 0xffffffff && row <= 0xffffffff) {
      if (match[3] === undefined) return { ledger, row };
      const index = Number.parseInt(match[3], 36);
      const count = Number.parseInt(match[4]!, 36);
      if (index < count) return { ledger, row, partition: { index, count } };
    }
  }
  throw new CodedError(
    "INVALID_ARGUMENT",
    "CURSOR_INVALID",
    "the cursor is not one that this server made: pass the `cursor` of a batch's app_metadata as it came",
  );
}

/** Negative when `a` comes first, 0 when equal. */
export function comparePositions(a: Position, b: Position): number {
  return a.ledger - b.ledger || a.row - b.row;
}
