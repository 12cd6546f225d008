/** Ledgers out of files given by hand: whatever a ledger is commonly kept in, told apart by content, not by name. */
import { promises as fs } from "node:fs";
import { CodedError } from "../../error.ts";
import { fileFault } from "../lake/file-fault.ts";
import { LocalLake } from "../lake/local-lake.ts";
import { missingLedgers } from "../lake/missing-ledgers.ts";
import { BATCH_BYTES_MAX } from "../limits.ts";
import type { LedgerObject } from "../source.ts";
import { base64Lines, isBase64Text, wrapHint } from "./base64-lines.ts";
import { ByteReader, chunksOf, joined } from "./byte-reader.ts";
import { headerSequence } from "./header-offsets.ts";
import { detectEncoding, type Encoding, Inflater } from "./inflate.ts";
import { inflated } from "./inflate-stream.ts";
import { beginsRecordStream, ledgersOfRecords } from "./record-stream.ts";
import { isJsonText, rpcLedgers } from "./rpc-ledgers.ts";
import { type SplitLedgers, splitLedgers } from "./xdr-split.ts";

/** One file, as stored and inflated; but for record-marked streams, which are read a ledger at a time, it is held whole. */
const LEDGER_FILE_BYTES_MAX = 1 << 30;

/** One LedgerCloseMeta and where it was found. */
export interface FileLedger {
  /** The file; inside a lake folder, the lake file. */
  path: string;
  /** Place in that file, from 0. */
  ledgerIndex: number;
  /** Offset of the ledger's first byte in the inflated file; for base64, of its line in the text. */
  byteOffset: number;
  /** One LedgerCloseMeta, inflated. Valid until the next ledger is asked for. */
  bytes: Uint8Array;
}

interface LedgerInput {
  /** What a lake's manifest says; undefined for files and for lakes without one. */
  networkPassphrase: string | undefined;
  /** The ledgers in their order: of a file, that of the file; of a lake, by sequence number. To be iterated once. */
  ledgers: AsyncIterable<FileLedger>;
}

/**
 * Opens one path: a lake folder (SEP-54), or a file of LedgerCloseMeta, LedgerCloseMetaBatch or record-marked
 * LedgerCloseMetas, as it is, in zstd, in gzip, as base64 lines (of a LedgerCloseMeta or a batch each) or as a saved
 * answer of an RPC server's getLedgers; these too may be in zstd or gzip. Pipes such as /dev/stdin work. A record-marked stream is read a ledger at a time and may be of any
 * size; where it is cut off or repeats a ledger, every ledger before that is handed out, then the error. Any other file
 * is looked through to its end before its first ledger is handed out.
 * @throws CodedError NOT_FOUND, PERMISSION_DENIED, DATA_LOSS, RESOURCE_EXHAUSTED; while iterating too
 */
export async function openLedgerInput(path: string): Promise<LedgerInput> {
  const stat = await fs.stat(path).catch((thrown) => {
    throw fileFault(path, thrown);
  });
  if (!stat.isDirectory()) return { networkPassphrase: undefined, ledgers: ledgersOfFile(path) };
  const lake = await LocalLake.open(path);
  return { networkPassphrase: lake.manifest?.networkPassphrase, ledgers: ledgersOfLake(lake) };
}

async function* ledgersOfFile(path: string): AsyncGenerator<FileLedger, void, undefined> {
  const stored = new ByteReader(chunksOf(path));
  try {
    const encoding = detectEncoding(await stored.peek(ENCODING_BYTES));
    const head = encoding === "none" ? await stored.peek(8) : await firstInflated(stored, encoding);
    if (beginsRecordStream(head)) {
      const content = new ByteReader(inflated(path, stored.rest(), encoding));
      let ledgerIndex = 0;
      for await (const { byteOffset, bytes } of ledgersOfRecords(path, content)) {
        yield { path, ledgerIndex: ledgerIndex++, byteOffset, bytes };
      }
      return;
    }
    yield* ledgersOfWhole(path, await wholeOf(path, stored));
  } finally {
    await stored.close();
  }
}

/** Magic numbers are within so many bytes. */
const ENCODING_BYTES = 16;
/** So much of compressed data is inflated to see what it begins as: more than one block of zstd or gzip. */
const PEEK_BYTES = 256 << 10;

/** The first bytes of the content, none where they cannot be inflated: then the whole of it says why. */
async function firstInflated(stored: ByteReader, encoding: Encoding): Promise<Uint8Array> {
  const begin = (await stored.peek(PEEK_BYTES)).slice();
  const content = inflated(
    "",
    (async function* () {
      yield begin;
    })(),
    encoding,
  );
  try {
    return await new ByteReader(content).peek(8);
  } catch {
    return new Uint8Array(0);
  } finally {
    await content.return();
  }
}

async function* ledgersOfWhole(path: string, stored: Uint8Array): AsyncGenerator<FileLedger, void, undefined> {
  // A buffer of its own, and left to the garbage collector: the ledgers are views of its buffer.
  const inflater = new Inflater(LEDGER_FILE_BYTES_MAX);
  const content = inflater.inflate(path, stored, detectEncoding(stored));
  let ledgerIndex = 0;
  if (isJsonText(content)) {
    for (const { byteOffset, bytes } of rpcLedgers(path, content)) {
      const { slices } = splitLedgers(`${path}, ledger ${ledgerIndex} of the answer`, bytes, ["ledger"]);
      for (const slice of slices) yield { path, ledgerIndex: ledgerIndex++, byteOffset, bytes: slice.bytes() };
    }
    return;
  }
  if (!isBase64Text(content)) {
    for (const { byteOffset, bytes } of splitLedgers(path, content).slices) {
      yield { path, ledgerIndex: ledgerIndex++, byteOffset, bytes: bytes() };
    }
    return;
  }
  const lines: { byteOffset: number; split: SplitLedgers }[] = [];
  for (const { byteOffset, characters, bytes } of base64Lines(path, content)) {
    const name = `${path}, line at byte ${byteOffset}`;
    try {
      lines.push({ byteOffset, split: splitLedgers(name, bytes, ["ledger", "batch"]) });
    } catch (thrown) {
      const { code, reason, message } = CodedError.from(thrown);
      throw CodedError.received(code, reason, message + wrapHint(characters), { cause: thrown });
    }
  }
  if (lines.length === 0) {
    throw new CodedError(
      "DATA_LOSS",
      "LEDGER_FILE_EMPTY",
      `${path}: ${content.length} B of blank text: no ledger in it`,
    );
  }
  for (const { byteOffset, split } of lines) {
    for (const { bytes } of split.slices) yield { path, ledgerIndex: ledgerIndex++, byteOffset, bytes: bytes() };
  }
}

async function* ledgersOfLake(lake: LocalLake): AsyncGenerator<FileLedger, void, undefined> {
  const inflater = new Inflater(BATCH_BYTES_MAX);
  try {
    const range = await lake.ledgerRange();
    if (range === undefined) {
      throw new CodedError("NOT_FOUND", "LAKE_EMPTY", `${lake.folder}: the lake has no ledger yet`);
    }
    // A lake may begin with ledger 0 by its file names; there is no such ledger.
    const first = Math.max(1, range.ledgerFirst);
    for await (const object of lake.read(first, range.ledgerLast, new AbortController().signal)) {
      yield* ledgersOfObject(object, inflater);
    }
  } finally {
    inflater.close();
    await lake.close();
  }
}

/** The ledgers of one lake file, checked against its name. */
function* ledgersOfObject(object: LedgerObject, inflater: Inflater): Generator<FileLedger, void, undefined> {
  const { name, ledgerFirst, ledgerLast } = object;
  const content = inflater.inflate(name, object.bytes, object.encoding);
  const { slices, batchFirst = ledgerFirst } = splitLedgers(name, content, ["batch"]);
  if (batchFirst < ledgerFirst || batchFirst + slices.length - 1 > ledgerLast) {
    throw new CodedError(
      "DATA_LOSS",
      "LEDGER_OUT_OF_STEP",
      `${name}: it is named for ledgers ${ledgerFirst} to ${ledgerLast} and holds ${batchFirst} to ${batchFirst + slices.length - 1}`,
    );
  }
  const missingBefore = missingLedgers(name, ledgerFirst, batchFirst - 1);
  if (missingBefore !== undefined) throw missingBefore;
  for (const [ledgerIndex, slice] of slices.entries()) {
    const bytes = slice.bytes();
    const sequence = headerSequence(name, bytes);
    if (sequence !== batchFirst + ledgerIndex) {
      throw new CodedError(
        "DATA_LOSS",
        "LEDGER_OUT_OF_STEP",
        `${name}: ledger ${sequence} stands at byte ${slice.byteOffset}, where ${batchFirst + ledgerIndex} should`,
      );
    }
    yield { path: name, ledgerIndex, byteOffset: slice.byteOffset, bytes };
  }
  const missingBehind = missingLedgers(name, batchFirst + slices.length, ledgerLast);
  if (missingBehind !== undefined) throw missingBehind;
}

/** The whole of a file, or of a pipe until it ends. */
async function wholeOf(path: string, stored: ByteReader): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stored.rest()) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > LEDGER_FILE_BYTES_MAX) throw tooLarge(path, length);
  }
  return joined(chunks, length);
}

function tooLarge(path: string, size: number): CodedError {
  return new CodedError(
    "RESOURCE_EXHAUSTED",
    "LEDGER_FILE_TOO_LARGE",
    `${path}: ${size} B, over max ${LEDGER_FILE_BYTES_MAX} B for one file: split it`,
  );
}
