/**
 * The ledgers of a meta stream from the first whole one on. The stream may begin inside a record, where somebody else
 * has read the beginning; and a writer may have been stopped inside one, so that another's records follow in its middle.
 *
 *     in step ──record──▶ in step            a whole ledger, or one with a record right behind it: given
 *        │                                   (what this version cannot read is the decoder's to explain)
 *        └─no record here─▶ searching ──run of RUN_BYTES_MIN──▶ in step
 *
 * A stranger can put bytes into a ledger that look like ledgers. So what a search finds is believed only where records
 * follow each other for longer than any value in a ledger can be, each whole and chained to the one before.
 */
import { CodedError } from "../../error.ts";
import { ledgerHeader } from "../../ledger/header.ts";
import { skipLedgerCloseMeta } from "../../xdr/generated/skip.ts";
import { COMING_BYTES_MIN } from "../coming-bytes.ts";
import { headerSequence } from "../file/header-offsets.ts";
import { nextRecord } from "../file/record-stream.ts";
import { LEDGER_BYTES_MAX } from "../limits.ts";
import { ComingRecord } from "./coming-record.ts";
import type { MetaReader } from "./meta-reader.ts";
import { beginsRecord, findRecord, MARK_BYTES, RECORD_HEAD_BYTES, recordBytes } from "./record-search.ts";

/** A contract's code, the longest value that the network lets into a ledger, has 128 KiB. */
export const RUN_BYTES_MIN = 1 << 20;

/** A record of the largest size, and one that only looked like it: where no ledger begins in so much, none will. */
const SEARCH_BYTES_MAX = 2 * LEDGER_BYTES_MAX;

/** One ledger of a stream, in memory of its own. */
export interface MetaLedger {
  sequence: number;
  /** One LedgerCloseMeta. */
  bytes: Uint8Array;
}

/**
 * Ends where the reader does. A ledger that is cut there is dropped.
 * @param name of the stream, for messages
 * @param onComing told of each large ledger that begins, which is given once it is whole, in the same memory
 * @throws CodedError DATA_LOSS / RECORD_MARK, LEDGER_HEADER; RESOURCE_EXHAUSTED / LEDGER_TOO_LARGE
 */
export async function* wholeLedgers(
  name: string,
  reader: MetaReader,
  onComing?: (ledger: ComingRecord) => void,
): AsyncGenerator<MetaLedger, void, undefined> {
  for (;;) {
    if (!(await isAtRecord(reader))) {
      const run = await firstRun(name, reader);
      if (run === undefined) return;
      yield* run;
      continue;
    }
    const coming = onComing && (await largeRecord(name, reader));
    if (coming !== undefined) onComing?.(coming);
    try {
      const bytes = coming === undefined ? await recordOf(name, reader) : await filled(coming, reader);
      if (bytes === undefined) return;
      // a look at what has come behind it costs least, and a ledger is not to wait for the next one
      if (beginsRecord(reader.held.subarray(0, RECORD_HEAD_BYTES)) || isWhole(bytes) || (await isAtRecord(reader))) {
        coming?.complete();
        yield { sequence: headerSequence(name, bytes), bytes };
      } else reader.putBack(bytes);
    } finally {
      coming?.lose();
    }
  }
}

/** The record that the reader stands at, where it is a large ledger; it stands behind its mark then. */
async function largeRecord(name: string, reader: MetaReader): Promise<ComingRecord | undefined> {
  const head = reader.held.subarray(0, RECORD_HEAD_BYTES);
  const size = recordBytes(head);
  if (size < COMING_BYTES_MIN || size > LEDGER_BYTES_MAX) return undefined;
  const sequence = headerSequence(name, head.subarray(MARK_BYTES));
  reader.skip(MARK_BYTES);
  return new ComingRecord(sequence, await reader.room(size));
}

/** All of it; undefined where the reader ends before. */
async function filled(coming: ComingRecord, reader: MetaReader): Promise<Uint8Array | undefined> {
  const { bytes } = coming;
  return (await reader.fill(bytes, (taken) => coming.fill(taken))) === bytes.length ? bytes : undefined;
}

/** Whether the next bytes are the beginning of a record. Waits for no more of them than tell it. */
async function isAtRecord(reader: MetaReader): Promise<boolean> {
  while (!beginsRecord(reader.held.subarray(0, RECORD_HEAD_BYTES))) {
    if (reader.held.length >= RECORD_HEAD_BYTES || !(await reader.more())) return false;
  }
  return true;
}

/** The next record; undefined where there is none, or a part of one at the end. */
async function recordOf(name: string, reader: MetaReader): Promise<Uint8Array | undefined> {
  try {
    return await nextRecord(name, reader);
  } catch (thrown) {
    if (CodedError.from(thrown).reason === "RECORD_TRUNCATED") return undefined;
    throw thrown;
  }
}

/** Whether every byte of the ledger is accounted for. */
function isWhole(bytes: Uint8Array): boolean {
  try {
    return skipLedgerCloseMeta(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, 0) === bytes.length;
  } catch {
    return false;
  }
}

/** The first ledgers that can be believed, RUN_BYTES_MIN of them; undefined where the reader ends before. */
async function firstRun(name: string, reader: MetaReader): Promise<MetaLedger[] | undefined> {
  const begin = reader.offset;
  while (reader.offset - begin <= SEARCH_BYTES_MAX) {
    const at = findRecord(reader.held);
    reader.skip(at ?? Math.max(0, reader.held.length - RECORD_HEAD_BYTES + 1));
    if (at === undefined) {
      if (!(await reader.more())) return undefined;
      continue;
    }
    const run = await runOf(name, reader);
    if (run !== "broken") return run;
  }
  throw new CodedError(
    "DATA_LOSS",
    "RECORD_MARK",
    `${name}: no ledger begins in ${reader.offset - begin} B, over max ${SEARCH_BYTES_MAX} B: check that stellar-core writes it as its METADATA_OUTPUT_STREAM`,
  );
}

/** "broken" where the records are no chain of ledgers: the reader stands behind the one that is not. */
async function runOf(name: string, reader: MetaReader): Promise<MetaLedger[] | "broken" | undefined> {
  const run: MetaLedger[] = [];
  let hashBefore: Uint8Array | undefined;
  for (let length = 0; length < RUN_BYTES_MIN; ) {
    if (!(await isAtRecord(reader))) return "broken";
    const bytes = await recordOf(name, reader);
    if (bytes === undefined) return undefined;
    if (!isWhole(bytes)) return "broken";
    const { sequence, hash, previousLedgerHash } = ledgerHeader(bytes);
    if (run.length > 0 && sequence !== run.at(-1)!.sequence + 1) return "broken";
    if (hashBefore !== undefined && !Buffer.from(hashBefore).equals(previousLedgerHash)) return "broken";
    hashBefore = hash;
    run.push({ sequence, bytes });
    length += bytes.length;
  }
  return run;
}
