/**
 * Tells what inflated XDR is, of the three ways in which ledgers are kept, and cuts the two that are held whole:
 *
 *     ledger   LedgerCloseMeta                                      first word 0, 1 or 2
 *     batch    startSequence, endSequence, LedgerCloseMeta<>        first word a sequence number (SEP-54)
 *     stream   mark, LedgerCloseMeta, mark, LedgerCloseMeta…        first word 0x80000000 + length (RFC 5531, section 11)
 *
 * The first words tell a batch and a stream, but where the first word is 0, 1 or 2: a batch may begin with that ledger,
 * and a record's first fragment may have so many bytes. There the whole of the content decides: it is a ledger where one
 * accounts for every byte.
 */
import { CodedError } from "../../error.ts";
import { type BatchLedger, beginsBatch, splitBatch } from "../../ledger/batch.ts";
import { skipLedgerCloseMeta } from "../../xdr/generated/skip.ts";
import { explain, explainEnd } from "../../xdr/guard.ts";
import { LEDGER_BYTES_MAX } from "../limits.ts";
import { headerSequence } from "./header-offsets.ts";
import { beginsRecordStream, META_VERSION_MAX, STREAM_HEAD_BYTES } from "./record-stream.ts";

/** Bytes that `isRecordStream` and `ledgersOfXdr` look at to tell what content is. */
export const CONTENT_HEAD_BYTES = STREAM_HEAD_BYTES;

/** Whether content that begins with `head` is a record-marked stream for certain, so that it need not be held whole. */
export function isRecordStream(head: Uint8Array): boolean {
  return !canBeLedger(head) && !beginsBatch(head) && beginsRecordStream(head);
}

/** Whether content that turned out to be neither a ledger nor a batch may yet be a stream of tiny fragments. */
export function isFragmentedStream(content: Uint8Array): boolean {
  const head = content.subarray(0, CONTENT_HEAD_BYTES);
  return canBeLedger(head) && !beginsBatch(head) && beginsRecordStream(head);
}

/**
 * The ledgers of a LedgerCloseMeta or a LedgerCloseMetaBatch, in order. Every byte is accounted for before the first one
 * is handed out.
 * @param name of the file, for messages
 * @throws CodedError DATA_LOSS with the byte offset, and the XDR path where there is one; RESOURCE_EXHAUSTED /
 * LEDGER_TOO_LARGE for a ledger over LEDGER_BYTES_MAX
 */
export function ledgersOfXdr(name: string, content: Uint8Array): BatchLedger[] {
  if (content.length < 4) {
    throw new CodedError("DATA_LOSS", "LEDGER_FILE_EMPTY", `${name}: ${content.length} B of content: no ledger in it`);
  }
  if (!canBeLedger(content)) return ledgersOfBatch(name, content);
  try {
    return [ledgerOfXdr(name, content)];
  } catch (thrown) {
    if (!beginsBatch(content)) throw thrown;
    return ledgersOfBatch(name, content);
  }
}

/** The one ledger that `content` is. @throws as `ledgersOfXdr` does */
export function ledgerOfXdr(name: string, content: Uint8Array): BatchLedger {
  checkSize(name, { byteOffset: 0, bytes: content });
  checkEnd(name, "LedgerCloseMeta", content, 0);
  return { sequence: headerSequence(name, content), byteOffset: 0, bytes: content };
}

function ledgersOfBatch(name: string, content: Uint8Array): BatchLedger[] {
  let ledgers: BatchLedger[];
  try {
    ledgers = [...splitBatch(content)];
  } catch (thrown) {
    throw located(name, thrown);
  }
  for (const ledger of ledgers) checkSize(name, ledger);
  const last = ledgers.at(-1)!; // which splitBatch does not walk
  checkEnd(name, "LedgerCloseMetaBatch", content, last.byteOffset);
  return ledgers;
}

/** @throws CodedError where the LedgerCloseMeta at `byteOffset` of a value of `typeName` does not end where `content` does */
function checkEnd(name: string, typeName: string, content: Uint8Array, byteOffset: number): void {
  const d = view(content);
  try {
    const end = skipLedgerCloseMeta(d, byteOffset, 0);
    if (end !== content.length) throw explainEnd(end, typeName, d);
  } catch (thrown) {
    throw located(name, explain(thrown, typeName, d));
  }
}

function checkSize(name: string, { byteOffset, bytes }: { byteOffset: number; bytes: Uint8Array }): void {
  if (bytes.length <= LEDGER_BYTES_MAX) return;
  throw new CodedError(
    "RESOURCE_EXHAUSTED",
    "LEDGER_TOO_LARGE",
    `${name}: the ledger at byte ${byteOffset} has ${bytes.length} B, over max ${LEDGER_BYTES_MAX} B`,
  );
}

function canBeLedger(head: Uint8Array): boolean {
  return head.length >= 4 && view(head).getUint32(0) <= META_VERSION_MAX;
}

function view(content: Uint8Array): DataView {
  return new DataView(content.buffer, content.byteOffset, content.byteLength);
}

/** The same error with the file's name before it. */
function located(name: string, thrown: unknown): unknown {
  if (!(thrown instanceof CodedError)) return thrown;
  return CodedError.received(thrown.code, thrown.reason, `${name}: ${thrown.message}`, { cause: thrown });
}
