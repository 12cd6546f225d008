/**
 * Where a client goes on: opaque on the wire (base64url), so that it can gain fields. Inside is the next position:
 * a ledger, and how many of its rows the client already has.
 */
import { CodedError } from "../error.ts";
import type { Position } from "../workers/records.ts";

const CURSOR_PREFIX = "1."; // version of the form
const CURSOR_LENGTH_MAX = 64; // two 32-bit numbers and the prefix stay far below
const FORM = /^1\.([0-9a-z]{1,7})\.([0-9a-z]{1,7})$/;

export function encodeCursor(next: Position): string {
  return Buffer.from(`${CURSOR_PREFIX}${next.ledger.toString(36)}.${next.row.toString(36)}`).toString("base64url");
}

/** @throws CodedError INVALID_ARGUMENT / CURSOR_INVALID */
export function decodeCursor(cursor: string): Position {
  if (cursor.length <= CURSOR_LENGTH_MAX) {
    const match = FORM.exec(Buffer.from(cursor, "base64url").toString("latin1"));
    const ledger = match ? Number.parseInt(match[1]!, 36) : 0;
    const row = match ? Number.parseInt(match[2]!, 36) : 0;
    if (match && ledger >= 1 && ledger <= 0xffffffff && row <= 0xffffffff) return { ledger, row };
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
