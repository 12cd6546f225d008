/**
 * Finds where a record begins in bytes that do not begin with one. A mark, a LedgerCloseMeta's version and a header with
 * numbers that can be true are found by chance nowhere, but a stranger can put bytes into a ledger that look so: who asks
 * has to look at what follows.
 */
import { LEDGER_CLOSE_META_BYTES_MIN } from "../../xdr/generated/skip.ts";
import { headerOffset, readHeader } from "../../xdr/ledger-header.ts";
import { META_VERSION_MAX } from "../file/record-stream.ts";
import { LEDGER_BYTES_MAX } from "../limits.ts";

const LAST_FRAGMENT = 0x8000_0000; // core writes no other
/** In front of each record. */
export const MARK_BYTES = 4;
const PROTOCOL_VERSION_MAX = 1_000; // 23 after ten years
const CLOSED_AT_UNIX_SECONDS_MAX = 2 ** 33; // the year 2242

/** Bytes from a mark on that tell whether a ledger begins behind it: as far as its number, behind six upgrades. */
export const RECORD_HEAD_BYTES = 2 << 10;

/** Offset of the first record in `bytes` whose head is there as far as RECORD_HEAD_BYTES; undefined where there is none. */
export function findRecord(bytes: Uint8Array): number | undefined {
  const last = bytes.length - RECORD_HEAD_BYTES;
  for (let at = 0; at <= last; at++) {
    // a mark within LEDGER_BYTES_MAX, and META_VERSION_MAX: these two sort out all but what was made to look so
    if ((bytes[at]! & 0xf8) !== 0x80 || bytes[at + 4] !== 0 || bytes[at + 5] !== 0 || bytes[at + 6] !== 0) continue;
    const head = bytes.subarray(at, at + RECORD_HEAD_BYTES);
    if (beginsRecord(head) && sizeOf(viewOf(head)) <= LEDGER_BYTES_MAX) return at;
  }
  return undefined;
}

/** Whether `head`, a record's beginning as far as RECORD_HEAD_BYTES, is one of a ledger, of whatever size. */
export function beginsRecord(head: Uint8Array): boolean {
  if (head.length < MARK_BYTES + LEDGER_CLOSE_META_BYTES_MIN) return false;
  if (sizeOf(viewOf(head)) < LEDGER_CLOSE_META_BYTES_MIN) return false;
  const ledger = viewOf(head.subarray(MARK_BYTES));
  if (ledger.getUint32(0) > META_VERSION_MAX) return false;
  try {
    const { sequence, protocolVersion, closeTimeAt } = readHeader(ledger, headerOffset(ledger));
    const closedAtUnixSeconds = Number(ledger.getBigUint64(closeTimeAt));
    return sequence > 0 && protocolVersion <= PROTOCOL_VERSION_MAX && closedAtUnixSeconds <= CLOSED_AT_UNIX_SECONDS_MAX;
  } catch {
    return false;
  }
}

/** Length of the record that begins there. @param head as `beginsRecord` has said yes to */
export function recordBytes(head: Uint8Array): number {
  return sizeOf(viewOf(head));
}

/** Length of the record behind the mark; negative where it is no mark of core's. */
function sizeOf(head: DataView): number {
  return head.getUint32(0) - LAST_FRAGMENT;
}

function viewOf({ buffer, byteOffset, length }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, length);
}
