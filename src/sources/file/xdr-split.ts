/**
 * Cuts inflated bytes into single LedgerCloseMetas, whichever of the three ways of keeping them it is:
 *
 *     ledger   LedgerCloseMeta                                      first word 0, 1 or 2
 *     batch    startSequence, endSequence, count, LedgerCloseMeta…  first word a sequence number (SEP-54)
 *     stream   mark, LedgerCloseMeta, mark, LedgerCloseMeta…        first word 0x80000000 + length (RFC 5531, section 11)
 *
 * The first word alone leaves doubt: a batch may begin with ledger 0, 1 or 2, or (in 300 years) with one over 2^31, and
 * a record cut into fragments begins without the top bit. So the whole of the bytes decides: the kinds that the first
 * word allows are tried in the order of `kindsByFirstWord`, and the first that accounts for every byte is it. Where none does,
 * the error is the first kind's. (A ledger that is also a batch would need a header hash that spells out the batch's
 * numbers; it is taken as a ledger.)
 */

import { CodedError } from "../../error.ts";
import type { Reason } from "../../reasons/registry.ts";
import { LEDGER_CLOSE_META_BYTES_MIN, skipLedgerCloseMeta } from "../../xdr/generated/skip.ts";
import { explain, explainEnd } from "../../xdr/guard.ts";
import { LEDGER_BYTES_MAX } from "../limits.ts";
import { joined } from "./byte-reader.ts";

type LedgerContainer = "ledger" | "batch" | "stream";

/** Where one LedgerCloseMeta is. */
interface LedgerSlice {
  /** Offset of its first byte in the bytes that were split. */
  byteOffset: number;
  /** Its bytes: a view, or, for a record of several fragments, a copy made when it is asked for. */
  bytes(): Uint8Array;
}

export interface SplitLedgers {
  container: LedgerContainer;
  slices: LedgerSlice[];
  /** The first ledger that a batch says it holds. */
  batchFirst?: number;
}

/** startSequence, endSequence and the count. */
const BATCH_HEAD_BYTES = 12;

const RECORD_LAST_FRAGMENT = 0x8000_0000;

/**
 * Splits `content`. Every byte is accounted for; what is inside a record of a stream is left to the decoder.
 * @param name of the file, for messages
 * @param containers which kinds are allowed (default: any)
 * @throws CodedError DATA_LOSS with the byte offset, and the XDR path where there is one; RESOURCE_EXHAUSTED /
 * LEDGER_TOO_LARGE for a ledger over LEDGER_BYTES_MAX
 */
export function splitLedgers(
  name: string,
  content: Uint8Array,
  containers: readonly LedgerContainer[] = ["ledger", "batch", "stream"],
): SplitLedgers {
  if (content.length < 4) {
    throw new CodedError("DATA_LOSS", "LEDGER_FILE_EMPTY", `${name}: ${content.length} B of content: no ledger in it`);
  }
  let fault: unknown;
  for (const kind of kindsByFirstWord(view(content).getUint32(0))) {
    if (!containers.includes(kind)) continue;
    try {
      if (kind === "ledger") return splitLedger(name, content);
      if (kind === "batch") return splitBatch(name, content);
      return splitStream(name, content);
    } catch (thrown) {
      if (!(thrown instanceof CodedError)) throw thrown;
      fault ??= thrown;
    }
  }
  throw fault ?? new CodedError("DATA_LOSS", "LEDGER_FILE_UNKNOWN", `${name}: none of ${containers.join(", ")}`);
}

function kindsByFirstWord(word: number): LedgerContainer[] {
  if (word <= 2) return ["ledger", "batch", "stream"];
  return word < RECORD_LAST_FRAGMENT ? ["batch", "stream"] : ["stream", "batch"];
}

function splitLedger(name: string, content: Uint8Array): SplitLedgers {
  const end = ledgerEnd(name, content, 0, "LedgerCloseMeta");
  if (end < content.length) throw located(name, explainEnd(end, "LedgerCloseMeta", view(content)));
  return { container: "ledger", slices: [slice(content, 0, content.length)] };
}

function splitBatch(name: string, content: Uint8Array): SplitLedgers {
  const d = view(content);
  if (content.length < BATCH_HEAD_BYTES) {
    throw fault(name, "XDR_TRUNCATED", content.length, "a LedgerCloseMetaBatch ends before its ledgers");
  }
  const batchFirst = d.getUint32(0);
  const batchLast = d.getUint32(4);
  const count = d.getUint32(8);
  if (count === 0 || batchLast < batchFirst || count !== batchLast - batchFirst + 1) {
    throw fault(
      name,
      "BATCH_HEAD",
      0,
      `no ledger data, or a batch of ledgers ${batchFirst} to ${batchLast} that counts ${count}`,
    );
  }
  if (count * LEDGER_CLOSE_META_BYTES_MIN > content.length - BATCH_HEAD_BYTES) {
    throw fault(
      name,
      "XDR_LENGTH",
      8,
      `${count} ledgers cannot be in the ${content.length - BATCH_HEAD_BYTES} B that follow`,
    );
  }
  const slices: LedgerSlice[] = [];
  let at = BATCH_HEAD_BYTES;
  for (let i = 0; i < count; i++) {
    const end = ledgerEnd(name, content, at, "LedgerCloseMetaBatch");
    slices.push(slice(content, at, end));
    at = end;
  }
  if (at < content.length) throw located(name, explainEnd(at, "LedgerCloseMetaBatch", d));
  return { container: "batch", slices, batchFirst };
}

/** Records of one or more fragments; the marks must lead exactly to the end. */
function splitStream(name: string, content: Uint8Array): SplitLedgers {
  const d = view(content);
  const slices: LedgerSlice[] = [];
  let at = 0;
  while (at < content.length) {
    const record = at;
    const fragments: Uint8Array[] = [];
    let length = 0;
    for (let last = false; !last; ) {
      if (at + 4 > content.length) {
        throw fault(name, "RECORD_TRUNCATED", at, `the file ends at byte ${content.length}, inside a record mark`);
      }
      const mark = d.getUint32(at);
      last = mark >= RECORD_LAST_FRAGMENT;
      const size = last ? mark - RECORD_LAST_FRAGMENT : mark;
      if (size === 0) throw fault(name, "RECORD_MARK", at, "a record mark of length 0");
      if (at + 4 + size > content.length) {
        throw fault(
          name,
          "RECORD_TRUNCATED",
          at,
          `a record mark of ${size} B, and ${content.length - at - 4} B are left`,
        );
      }
      length += size;
      checkSize(name, at, length);
      fragments.push(content.subarray(at + 4, at + 4 + size));
      at += 4 + size;
    }
    if (length < LEDGER_CLOSE_META_BYTES_MIN) {
      throw fault(
        name,
        "RECORD_MARK",
        record,
        `a record of ${length} B, and a ledger has ${LEDGER_CLOSE_META_BYTES_MIN} B at least`,
      );
    }
    slices.push({ byteOffset: record + 4, bytes: () => join(fragments, length) });
  }
  return { container: "stream", slices };
}

/** Where the LedgerCloseMeta at byte `at` ends. */
function ledgerEnd(name: string, content: Uint8Array, at: number, typeName: string): number {
  let end: number;
  try {
    end = skipLedgerCloseMeta(view(content), at, 0);
  } catch (thrown) {
    throw located(name, explain(thrown, typeName, view(content)));
  }
  if (end > content.length) throw located(name, explainEnd(end, typeName, view(content)));
  checkSize(name, at, end - at);
  return end;
}

function checkSize(name: string, at: number, length: number): void {
  if (length <= LEDGER_BYTES_MAX) return;
  throw new CodedError(
    "RESOURCE_EXHAUSTED",
    "LEDGER_TOO_LARGE",
    `${name}: the ledger at byte ${at} has ${length} B, over max ${LEDGER_BYTES_MAX} B`,
  );
}

function slice(content: Uint8Array, from: number, to: number): LedgerSlice {
  return { byteOffset: from, bytes: () => content.subarray(from, to) };
}

function join(fragments: Uint8Array[], length: number): Uint8Array {
  return fragments.length === 1 ? fragments[0]! : joined(fragments, length);
}

function view(content: Uint8Array): DataView {
  return new DataView(content.buffer, content.byteOffset, content.byteLength);
}

/** The same error with the file's name before it. */
function located(name: string, thrown: unknown): unknown {
  if (!(thrown instanceof CodedError)) return thrown;
  return CodedError.received(thrown.code, thrown.reason, `${name}: ${thrown.message}`, { cause: thrown });
}

function fault(name: string, reason: Reason, at: number, detail: string): CodedError {
  return new CodedError("DATA_LOSS", reason, `${name}: at byte ${at}: ${detail}`);
}
