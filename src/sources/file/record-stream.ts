/**
 * Record-marked LedgerCloseMetas (RFC 5531, section 11), as stellar-core writes METADATA_OUTPUT_STREAM: read a ledger at
 * a time, so that a stream may be of any size and a pipe gives its ledgers as they come.
 * Every ledger before a fault is given, then the error.
 */
import { CodedError } from "../../error.ts";
import type { Reason } from "../../reasons/registry.ts";
import { LEDGER_CLOSE_META_BYTES_MIN } from "../../xdr/generated/skip.ts";
import { LEDGER_BYTES_MAX } from "../limits.ts";
import type { ByteReader } from "./byte-reader.ts";

const MARK_BYTES = 4;
const LAST_FRAGMENT = 0x8000_0000;
/** The highest version of LedgerCloseMeta's union. */
export const META_VERSION_MAX = 2;
const META_VERSION_BYTES = 4;

/** Enough of a stream to tell it: a ledger's version, were each of its bytes a fragment of its own. */
export const STREAM_HEAD_BYTES = META_VERSION_BYTES * (MARK_BYTES + 1);

/** A record's ledger, and where it was found. */
interface StreamLedger {
  /** Offset of the ledger's first byte in the stream. */
  byteOffset: number;
  /** One LedgerCloseMeta. Valid until the next one is asked for. */
  bytes: Uint8Array;
}

/**
 * Whether content that begins with `head` can be a record-marked stream: marks, and between them a ledger's version. A
 * ledger itself can look so in its first bytes, when its version is taken for a mark: ask whether it is one first.
 * @param head STREAM_HEAD_BYTES of it, or all there are
 */
export function beginsRecordStream(head: Uint8Array): boolean {
  const d = new DataView(head.buffer, head.byteOffset, head.byteLength);
  let version = 0;
  let versionBytes = 0;
  for (let at = 0; versionBytes < META_VERSION_BYTES; ) {
    if (at + MARK_BYTES >= head.length) return false;
    const size = d.getUint32(at) % LAST_FRAGMENT;
    if (size === 0 || (d.getUint32(at) > LAST_FRAGMENT && size < META_VERSION_BYTES - versionBytes)) return false;
    at += MARK_BYTES;
    for (let i = 0; i < size && versionBytes < META_VERSION_BYTES; i++, versionBytes++) {
      if (at >= head.length) return false;
      version = version * 256 + head[at++]!;
    }
  }
  return version <= META_VERSION_MAX;
}

/**
 * The ledgers of a stream, in its order.
 *
 * @param name of the file, for messages
 * @throws CodedError DATA_LOSS / RECORD_TRUNCATED, RECORD_MARK; RESOURCE_EXHAUSTED / LEDGER_TOO_LARGE for a
 * record over LEDGER_BYTES_MAX
 */
export async function* ledgersOfRecords(
  name: string,
  reader: ByteReader,
): AsyncGenerator<StreamLedger, void, undefined> {
  for (;;) {
    const at = reader.offset;
    const bytes = await nextRecord(name, reader);
    if (bytes === undefined) return;
    yield { byteOffset: at + MARK_BYTES, bytes };
  }
}

/**
 * The next record, its fragments joined; undefined at the end.
 * @throws CodedError as ledgersOfRecords
 */
export async function nextRecord(
  name: string,
  reader: Pick<ByteReader, "offset" | "take">,
): Promise<Uint8Array | undefined> {
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
