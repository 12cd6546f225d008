/**
 * Record-marked LedgerCloseMetas (RFC 5531, section 11), as stellar-core writes METADATA_OUTPUT_STREAM: read a ledger at
 * a time, so that a stream may be of any size and a pipe gives its ledgers as they come.
 *
 * The rule for what is wrong in one: every ledger before the fault is given, then the error. A ledger that was given is
 * never given again: a sequence number that repeats or goes back is LEDGER_OUT_OF_STEP. A gap is no fault here, since a
 * stream kept in a file promises nothing about what is not in it; sources of a server do (docs/ledger-containers.md).
 */
import { CodedError } from "../../error.ts";
import type { Reason } from "../../reasons/registry.ts";
import { LEDGER_CLOSE_META_BYTES_MIN } from "../../xdr/generated/skip.ts";
import { LEDGER_BYTES_MAX } from "../limits.ts";
import type { ByteReader } from "./byte-reader.ts";
import { headerSequence } from "./header-offsets.ts";

const MARK_BYTES = 4;
const LAST_FRAGMENT = 0x8000_0000;
const META_VERSION_MAX = 2; // of LedgerCloseMeta's union

/** A record's ledger, and where it was found. */
interface StreamLedger {
  /** Offset of the ledger's first byte in the stream. */
  byteOffset: number;
  /** One LedgerCloseMeta. Valid until the next one is asked for. */
  bytes: Uint8Array;
}

/**
 * Whether content that begins with these 8 bytes is a record-marked stream: a mark, then a ledger's version. A batch has
 * two sequence numbers there, of which the second is no less than the first, and a ledger its version first.
 */
export function beginsRecordStream(head: Uint8Array): boolean {
  if (head.length < 8) return false;
  const d = new DataView(head.buffer, head.byteOffset, head.byteLength);
  return d.getUint32(0) > META_VERSION_MAX && d.getUint32(4) <= META_VERSION_MAX;
}

/**
 * The ledgers of a stream, in its order.
 *
 * @param name of the file, for messages
 * @throws CodedError DATA_LOSS / RECORD_TRUNCATED, RECORD_MARK, LEDGER_HEADER, LEDGER_OUT_OF_STEP; RESOURCE_EXHAUSTED /
 * LEDGER_TOO_LARGE for a record over LEDGER_BYTES_MAX
 */
export async function* ledgersOfRecords(
  name: string,
  reader: ByteReader,
): AsyncGenerator<StreamLedger, void, undefined> {
  let before: { sequence: number; byteOffset: number } | undefined;
  for (;;) {
    const at = reader.offset;
    const bytes = await nextRecord(name, reader);
    if (bytes === undefined) return;
    const byteOffset = at + MARK_BYTES;
    const sequence = headerSequence(`${name}, record at byte ${at}`, bytes);
    if (before !== undefined && sequence <= before.sequence) {
      throw new CodedError(
        "DATA_LOSS",
        "LEDGER_OUT_OF_STEP",
        `${name}: ledger ${sequence} at byte ${byteOffset} comes behind ledger ${before.sequence} at byte ${before.byteOffset}: a stream holds each ledger once, in rising order; cut the repeated part off`,
      );
    }
    before = { sequence, byteOffset };
    yield { byteOffset, bytes };
  }
}

/** The next record, its fragments joined; undefined at the end. */
async function nextRecord(name: string, reader: ByteReader): Promise<Uint8Array | undefined> {
  const at = reader.offset;
  let joined = new Uint8Array(0); // doubles as fragments come: one of a byte each would be copied once a fragment else
  let length = 0;
  for (;;) {
    const markAt = reader.offset;
    const mark = await reader.take(MARK_BYTES);
    if (mark.length === 0 && length === 0) return undefined;
    if (mark.length < MARK_BYTES) {
      throw fault(name, "RECORD_TRUNCATED", markAt, `the stream ends at byte ${reader.offset}, inside a record mark`);
    }
    const word = new DataView(mark.buffer, mark.byteOffset, MARK_BYTES).getUint32(0);
    const isLast = word >= LAST_FRAGMENT;
    const size = isLast ? word - LAST_FRAGMENT : word;
    if (size === 0) throw fault(name, "RECORD_MARK", markAt, "a record mark of length 0");
    const before = length;
    length += size;
    if (length > LEDGER_BYTES_MAX) {
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "LEDGER_TOO_LARGE",
        `${name}: the ledger at byte ${at} has ${length} B or more, over max ${LEDGER_BYTES_MAX} B`,
      );
    }
    const part = await reader.take(size);
    if (part.length < size) {
      throw fault(name, "RECORD_TRUNCATED", markAt, `a record mark of ${size} B, and ${part.length} B are left`);
    }
    if (isLast && before === 0) return checked(name, at, part);
    if (length > joined.length) {
      const larger = new Uint8Array(Math.max(length, 2 * joined.length));
      larger.set(joined.subarray(0, before));
      joined = larger;
    }
    joined.set(part, before);
    if (isLast) return checked(name, at, joined.subarray(0, length));
  }
}

function checked(name: string, at: number, record: Uint8Array): Uint8Array {
  if (record.length >= LEDGER_CLOSE_META_BYTES_MIN) return record;
  const what = `a record of ${record.length} B, and a ledger has ${LEDGER_CLOSE_META_BYTES_MIN} B at least`;
  throw fault(name, "RECORD_MARK", at, what);
}

function fault(name: string, reason: Reason, at: number, detail: string): CodedError {
  return new CodedError("DATA_LOSS", reason, `${name}: at byte ${at}: ${detail}`);
}
