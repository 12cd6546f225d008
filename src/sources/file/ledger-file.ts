/** Ledgers out of files given by hand: whatever a ledger is commonly kept in, told apart by content, not by name. */
import { promises as fs } from "node:fs";
import { CodedError } from "../../error.ts";
import type { BatchLedger } from "../../ledger/batch.ts";
import type { LedgerRange } from "../../vocabulary/ledger-range.ts";
import { fileFault } from "../lake/file-fault.ts";
import { Lake } from "../lake/lake.ts";
import { LEDGER_SEQUENCE_MAX } from "../limits.ts";
import { isStoreAddress, openStoreLake } from "../object-store/open-store.ts";
import type { SourceAccess } from "../source-access.ts";
import { type FileLedger, heldBy, ledgersOfSource } from "../source-ledgers.ts";
import { base64Lines, isBase64Text, wrapHint } from "./base64-lines.ts";
import { ByteReader, chunkOf, chunksOf, joined } from "./byte-reader.ts";
import { headerSequence } from "./header-offsets.ts";
import { detectEncoding, type Encoding, Inflater } from "./inflate.ts";
import { firstInflated, inflated } from "./inflate-stream.ts";
import { LedgerOrder } from "./ledger-order.ts";
import { ledgersOfRecords } from "./record-stream.ts";
import { isJsonText, rpcLedgers } from "./rpc-ledgers.ts";
import { CONTENT_HEAD_BYTES, isFragmentedStream, isRecordStream, ledgerOfXdr, ledgersOfXdr } from "./xdr-content.ts";

/** One file that is no stream, as stored and inflated: it is held whole. */
const LEDGER_FILE_BYTES_MAX = 1 << 30;

interface LedgerInput {
  /** What a lake's manifest says; undefined for files and for lakes without one. */
  networkPassphrase: string | undefined;
  /** The ledgers in their order: of a file, that of the file; of a lake, by sequence number. To be iterated once. */
  ledgers: AsyncIterable<FileLedger>;
}

/**
 * Opens one path: a lake (SEP-54) in a folder, in a bucket or behind a web server, or a file of LedgerCloseMeta, LedgerCloseMetaBatch or record-marked
 * LedgerCloseMetas, as it is, in zstd, in gzip, as base64 lines (of a LedgerCloseMeta or a batch each) or as a saved
 * answer of an RPC server's getLedgers; these too may be in zstd or gzip. Pipes such as /dev/stdin work. A file's ledgers
 * come once each, and but for base64 lines in rising order: at one that does not the file ends with LEDGER_OUT_OF_STEP.
 *
 * A record-marked stream and lines of base64 are read a ledger at a time and may be of any size; where one is cut off,
 * every ledger before that is handed out, then the error. The bytes of any other file are looked through to the end
 * before its first ledger is handed out.
 * @param access for buckets and web servers; default: nothing is set
 * @throws CodedError NOT_FOUND, PERMISSION_DENIED, DATA_LOSS, RESOURCE_EXHAUSTED; while iterating too
 */
export async function openLedgerInput(path: string, access: SourceAccess = { peer: {} }): Promise<LedgerInput> {
  if (isStoreAddress(path)) return inputOfLake(await openStoreLake(path, access));
  const stat = await fs.stat(path).catch((thrown) => {
    throw fileFault(path, thrown);
  });
  if (!stat.isDirectory()) return { networkPassphrase: undefined, ledgers: ledgersOfFile(path) };
  return inputOfLake(await Lake.open(path));
}

async function inputOfLake(lake: Lake): Promise<LedgerInput> {
  return { networkPassphrase: lake.manifest?.networkPassphrase, ledgers: ledgersOfLake(lake) };
}

async function* ledgersOfLake(lake: Lake): AsyncGenerator<FileLedger, void, undefined> {
  yield* ledgersOfSource(lake, await heldBy(lake), new AbortController().signal);
}

/**
 * The ledgers of a file, as `openLedgerInput` has them; with a range those of its numbers, and it is read no further.
 * @throws CodedError as `openLedgerInput` does
 */
export async function* ledgersOfFile(
  path: string,
  { ledgerFirst, ledgerLast }: LedgerRange = { ledgerFirst: 0, ledgerLast: LEDGER_SEQUENCE_MAX },
): AsyncGenerator<FileLedger, void, undefined> {
  const stored = new ByteReader(chunksOf(path));
  try {
    const encoding = detectEncoding(await stored.peek(ENCODING_BYTES));
    const head =
      encoding === "none"
        ? await stored.peek(CONTENT_HEAD_BYTES)
        : await firstInflated(stored.ahead(), encoding, CONTENT_HEAD_BYTES, PEEK_BYTES);
    const { order, ledgers } = await ledgersOf(path, stored, encoding, head);
    const ordered = new LedgerOrder(path, order);
    let ledgerIndex = -1;
    for await (const { sequence, byteOffset, bytes } of ledgers) {
      ordered.check({ sequence, byteOffset });
      ledgerIndex++;
      if (sequence >= ledgerFirst && sequence <= ledgerLast) yield { path, ledgerIndex, byteOffset, bytes };
      if (sequence >= ledgerLast && order === "rising") return;
    }
  } finally {
    await stored.close();
  }
}

async function* recordsOf(
  path: string,
  chunks: AsyncIterator<Uint8Array>,
): AsyncGenerator<BatchLedger, void, undefined> {
  for await (const { byteOffset, bytes } of ledgersOfRecords(path, new ByteReader(chunks))) {
    yield { sequence: headerSequence(`${path}, ledger at byte ${byteOffset}`, bytes), byteOffset, bytes };
  }
}

/** A file's ledgers, and in which order they are to be. */
interface LedgersInOrder {
  order: "rising" | "any";
  ledgers: Iterable<BatchLedger> | AsyncIterable<BatchLedger>;
}

/** What is a stream is read as it comes; the rest is held whole. */
async function ledgersOf(
  path: string,
  stored: ByteReader,
  encoding: Encoding,
  head: Uint8Array,
): Promise<LedgersInOrder> {
  if (isRecordStream(head)) {
    return { order: "rising", ledgers: recordsOf(path, inflated(path, stored.rest(), encoding)) };
  }
  if (isBase64Text(head)) {
    return { order: "any", ledgers: ledgersOfLines(path, inflated(path, stored.rest(), encoding)) };
  }
  return ledgersOfWhole(path, await wholeOf(path, stored));
}

/** Magic numbers are within so many bytes. */
const ENCODING_BYTES = 16;
/** So much of compressed data is looked at, at most, to see what it begins as: more than one block of zstd or gzip. */
const PEEK_BYTES = 256 << 10;

/** A file that is held whole, by what it is. */
function ledgersOfWhole(path: string, stored: Uint8Array): LedgersInOrder {
  // A buffer of its own, and left to the garbage collector: the ledgers are views of its buffer.
  const inflater = new Inflater(LEDGER_FILE_BYTES_MAX);
  const content = inflater.inflate(path, stored, detectEncoding(stored));
  if (isJsonText(content)) return { order: "rising", ledgers: ledgersOfAnswer(path, content) };
  if (isBase64Text(content)) return { order: "any", ledgers: ledgersOfLines(path, chunkOf(content)) };
  try {
    return { order: "rising", ledgers: ledgersOfXdr(path, content) };
  } catch (thrown) {
    if (!isFragmentedStream(content)) throw thrown;
    return { order: "rising", ledgers: recordsOrFault(path, content, thrown) };
  }
}

/** The records of what could be a stream of tiny fragments; `fault` where not even the first one is a ledger. */
async function* recordsOrFault(path: string, content: Uint8Array, fault: unknown): AsyncGenerator<BatchLedger> {
  const records = recordsOf(path, chunkOf(content));
  const first = await records.next().catch(() => {
    throw fault;
  });
  if (!first.done) yield first.value;
  yield* records;
}

/** Looks through all of the answer before it hands out its first ledger. */
function ledgersOfAnswer(path: string, content: Uint8Array): BatchLedger[] {
  return rpcLedgers(path, content).map(({ sequence: said, byteOffset, bytes }, index) => {
    const name = `${path}, ledger ${index} of the answer`;
    const { sequence } = ledgerOfXdr(name, bytes);
    if (said !== undefined && said !== sequence) {
      const message = `${name}: it is said to be ledger ${said}, and its header says ${sequence}`;
      throw new CodedError("DATA_LOSS", "LEDGER_OUT_OF_STEP", message);
    }
    return { sequence, byteOffset, bytes };
  });
}

async function* ledgersOfLines(path: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<BatchLedger> {
  let isEmpty = true;
  for await (const { byteOffset, characters, bytes: line } of base64Lines(path, chunks)) {
    isEmpty = false;
    let ofLine: BatchLedger[];
    try {
      ofLine = ledgersOfXdr(`${path}, line at byte ${byteOffset}`, line);
    } catch (thrown) {
      const { code, reason, message } = CodedError.from(thrown);
      throw CodedError.received(code, reason, message + wrapHint(characters), { cause: thrown });
    }
    for (const { sequence, bytes } of ofLine) yield { sequence, byteOffset, bytes };
  }
  if (isEmpty) throw new CodedError("DATA_LOSS", "LEDGER_FILE_EMPTY", `${path}: blank text: no ledger in it`);
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
