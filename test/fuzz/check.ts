/**
 * The judge of one case. Three readers look at the same bytes: the decoder under test, the plain decoder, and the SDK's
 * own XDR reader, which validates what src/xdr/README.md says is stepped over unread. They must agree:
 *
 *   decoder     plain       SDK       verdict
 *   rows        same rows   reads     good
 *   rows        same rows   refuses   good only where the plain decoder saw a value that nothing validates
 *   error       fault       refuses   good
 *   error       fault       reads     good only where the fault is one of the rules' or the depth limit's, not XDR's
 *   anything else                     a finding
 *
 * So a difference between this project and the SDK is let pass for exactly the bytes that are written down as
 * unvalidated, and rows are never compared with any tolerance.
 */

import { xdr } from "@stellar/stellar-sdk";
import { DataType, type RecordBatch, RecordBatchReader, type Vector } from "apache-arrow";
import { neutralText } from "../../bench/support/neutral-text.ts";
import { arrowSchema } from "../../src/columns/arrow-schema.ts";
import { BatchEncoder } from "../../src/columns/batch-encoder.ts";
import { encapsulate, encapsulatedSchema, STREAM_END, streamHead } from "../../src/columns/ipc.ts";
import { TsvWriter } from "../../src/columns/text.ts";
import { CodedError } from "../../src/error.ts";
import { splitBatch } from "../../src/ledger/batch.ts";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import type { LedgerSummary } from "../../src/ledger/decoder-options.ts";
import { ledgerHeader } from "../../src/ledger/header.ts";
import { KnownAssets, knownFrom } from "../../src/ledger/known-assets.ts";
import { matchNetwork, networkId } from "../../src/ledger/network.ts";
import { RowSet } from "../../src/ledger/row-set.ts";
import type { Compat } from "../../src/vocabulary/compat.ts";
import type { RowFilter } from "../../src/vocabulary/row-filter.ts";
import type { SchemaVersion } from "../../src/vocabulary/schema-version.ts";
import { XdrError } from "../../src/xdr/error.ts";
import { concat, int } from "./bytes.ts";
import type { FuzzCase } from "./cases.ts";
import { checkTtl } from "./check-ttl.ts";
import { Dice } from "./dice.ts";
import { codedError, Finding, type MakeDecoder } from "./finding.ts";
import { learn, type PlainKnownAssets } from "./plain-assets.ts";
import { type PlainLedger, plainDecode } from "./plain-decoder.ts";
import { canonicalLine, type PlainRow, schemaV1Cells } from "./plain-rows.ts";
import { ANY_JSON, schemaV2Cells } from "./plain-version-2.ts";
import { randomFilter, selects } from "./random-filter.ts";
import { PlainFault } from "./tree.ts";

/** What became of a case that is good. */
export type Outcome = "rows" | "no rows" | "error";

// The SDK counts levels of every type; here its limit is out of the way, so that the plain decoder's alone counts.
const SDK_DEPTH_MAX = 1_000_000;
// `_maxDepth` is a static field of js-xdr, which the SDK's types leave out.
(xdr.LedgerCloseMeta as unknown as { _maxDepth: number })._maxDepth = SDK_DEPTH_MAX;

const writer = new TsvWriter();

export const makeLedgerDecoder: MakeDecoder = (options) => new LedgerDecoder(options);

/** A case, and what its stream knows of assets when its ledger comes: as the product and as the plain reader has it. */
interface Subject extends FuzzCase {
  known: { own: KnownAssets; plain: PlainKnownAssets };
}

/** Checks one case under both settings. @throws Finding */
export function check(givenCase: FuzzCase, makeDecoder = makeLedgerDecoder): Outcome {
  const fuzzCase = { ...givenCase, known: learnBefore(givenCase, makeDecoder) };
  const { bytes } = fuzzCase;
  let outcome: Outcome = "error";
  for (const compat of ["default", "go"] as const) {
    const own = decodeOwn(fuzzCase, compat, makeDecoder);
    const plain = decodePlain(fuzzCase, compat);
    outcome = compareRows(own, plain);
    if (compat === "default") {
      compareWithSdk(bytes, plain);
      if (!(plain instanceof PlainFault)) {
        compareArrow(fuzzCase, plain, makeDecoder);
        compareFiltered(fuzzCase, plain, makeDecoder, 1);
      }
    }
    compareVersion2(fuzzCase, compat, makeDecoder);
  }
  const plain = decodePlain(fuzzCase, "default");
  const filter = randomFilter(new Dice(bytes.length), plain instanceof PlainFault ? [] : plain.rows);
  checkTtl(bytes, fuzzCase.passphrase, !(plain instanceof PlainFault), makeDecoder, { ...filter, shard: undefined });
  checkOtherReaders(bytes);
  return outcome;
}

/** Reads the ledgers that come before the case's own, in order; one that cannot be read teaches nothing. */
function learnBefore({ before = [], passphrase }: FuzzCase, makeDecoder: MakeDecoder): Subject["known"] {
  const own = new KnownAssets(passphrase);
  const plain: PlainKnownAssets = new Map();
  const decoder = makeDecoder({ networkPassphrase: passphrase, compat: "default", assets: true, knownAssets: own });
  for (const bytes of before) {
    try {
      decoder.decode(bytes, new RowSet());
    } catch (thrown) {
      codedError(thrown, bytes);
    }
    for (const { asset, ledgerSequence } of decoder.takeLearned()) {
      try {
        own.add(asset, knownFrom(ledgerSequence));
      } catch (thrown) {
        throw new Finding(`learned ${JSON.stringify(asset)}, which is none: ${thrown}`);
      }
    }
    try {
      const { ledgerSequence, shownAssets } = plainDecode(bytes, { passphrase, compat: "default", schemaVersion: 1 });
      learn(plain, ledgerSequence, shownAssets, networkId(passphrase));
    } catch (thrown) {
      if (!(thrown instanceof PlainFault)) throw thrown;
    }
  }
  return { own, plain };
}

interface OwnLedger {
  lines: string[];
  summary: LedgerSummary;
}

/** @throws Finding where something other than a coded error comes out, or rows stay behind after one */
function decodeOwn(
  { bytes, passphrase, known }: Subject,
  compat: Compat,
  makeDecoder: MakeDecoder,
  schemaVersion: SchemaVersion = 1,
  filter?: RowFilter,
): OwnLedger | XdrError {
  const rows = new RowSet();
  let summary: LedgerSummary;
  try {
    const options = { networkPassphrase: passphrase, compat, schemaVersion, filter, knownAssets: known.own };
    summary = makeDecoder(options).decode(bytes, rows);
  } catch (thrown) {
    if (rows.length !== 0 || rows.ledgers.length !== 0) throw new Finding(`${rows.length} rows stayed after an error`);
    return codedError(thrown, bytes);
  }
  const text = Buffer.from(writer.write(rows)).toString("latin1");
  const lines = text === "" ? [] : text.slice(0, -1).split("\n");
  return { lines: lines.map((line, i) => `${line}\t${rows.liveUntil[i]}\t${rows.changeIndex[i]}`), summary };
}

function decodePlain(
  { bytes, passphrase, known }: Subject,
  compat: Compat,
  schemaVersion: SchemaVersion = 1,
): PlainLedger | PlainFault {
  try {
    return plainDecode(bytes, { passphrase, compat, schemaVersion, knownAssets: known.plain });
  } catch (thrown) {
    if (thrown instanceof PlainFault) return thrown;
    throw thrown;
  }
}

function compareRows(own: OwnLedger | XdrError, plain: PlainLedger | PlainFault): Outcome {
  if (own instanceof XdrError) {
    if (plain instanceof PlainFault) return "error";
    throw new Finding(`refused, although the plain decoder finds ${plain.rows.length} rows: ${own.message}`);
  }
  if (plain instanceof PlainFault) {
    throw new Finding(`${own.lines.length} rows, although the plain decoder refuses: ${plain.message}`);
  }
  compareLines(own.lines, plain.rows);
  return plain.rows.length > 0 ? "rows" : "no rows";
}

function compareLines(own: readonly string[], plain: readonly PlainRow[]): void {
  plain.forEach((row, i) => {
    const line = `${canonicalLine(row)}\t${row.liveUntil}\t${row.changeIndex}`;
    if (own[i] !== line) throw new Finding(`row ${i} differs\n  plain: ${line}\n  own:   ${own[i]}`);
  });
  if (own.length !== plain.length) throw new Finding(`${own.length} rows, and the plain decoder finds ${plain.length}`);
}

/** A random filter leaves exactly the rows that it names, and counts the others. */
function compareFiltered(
  fuzzCase: Subject,
  plain: PlainLedger,
  makeDecoder: MakeDecoder,
  schemaVersion: SchemaVersion,
): void {
  const filter = randomFilter(new Dice(fuzzCase.bytes.length), plain.rows);
  const own = decodeOwn(fuzzCase, "default", makeDecoder, schemaVersion, filter);
  const name = (): string => JSON.stringify(filter, (_, value) => (typeof value === "bigint" ? `${value}n` : value));
  if (own instanceof XdrError) throw new Finding(`refused with filter ${name()}: ${own.message}`);
  const selected = plain.rows.filter((row) => selects(filter, row));
  try {
    compareLines(own.lines, selected);
  } catch (thrown) {
    throw new Finding(`filter ${name()}: ${(thrown as Finding).message}`);
  }
  const left = plain.rows.length - selected.length;
  if (own.summary.rows !== selected.length || own.summary.rowsFiltered !== left) {
    throw new Finding(
      `filter ${name()}: ${own.summary.rows} rows and ${own.summary.rowsFiltered} left out are counted`,
    );
  }
}

function compareWithSdk(bytes: Uint8Array, plain: PlainLedger | PlainFault): void {
  let refusal: unknown;
  try {
    xdr.LedgerCloseMeta.fromXDR(Buffer.from(bytes));
  } catch (thrown) {
    refusal = thrown;
  }
  if (plain instanceof PlainFault) {
    if (plain.kind === "xdr" && refusal === undefined) {
      throw new Finding(`the SDK reads what the plain decoder refuses: ${plain.message}`);
    }
    return;
  }
  const { unvalidated } = plain;
  if (unvalidated.length === 0 && refusal !== undefined) {
    throw new Finding(`read, although the SDK refuses and nothing unvalidated explains it: ${refusal}`);
  }
  if (unvalidated.length > 0 && refusal === undefined) {
    throw new Finding(`the SDK reads, and so validates not, ${unvalidated[0]!.what} at byte ${unvalidated[0]!.at}`);
  }
}

/** The record batch, read back by apache-arrow, holds the plain decoder's cells. */
function compareArrow({ bytes, passphrase }: Subject, plain: PlainLedger, makeDecoder: MakeDecoder): void {
  const rows = new RowSet();
  makeDecoder({ networkPassphrase: passphrase, compat: "default" }).decode(bytes, rows);
  const encoder = new BatchEncoder({ schemaVersion: 1, networkPassphrase: passphrase });
  const plan = encoder.plan(rows, 0, rows.length);
  const body = new Uint8Array(plan.bodyBytes).fill(0xaa); // memory is not always new
  encoder.write(rows, plan, body);
  const message = encapsulate(encoder.header(plan));
  const stream = Buffer.concat([encapsulatedSchema(arrowSchema(encoder)), message, body, STREAM_END]);
  let found = "";
  for (const batch of RecordBatchReader.from(stream)) found += neutralText(batch);
  const expected = plain.rows.map((row) => `${schemaV1Cells(row)}\n`).join("");
  if (found === expected) return;
  const lines = expected.split("\n");
  const at = found.split("\n").findIndex((line, i) => line !== lines[i]);
  throw new Finding(`record batch: row ${at} differs\n  plain: ${lines[at]}\n  own:   ${found.split("\n")[at]}`);
}

/** Rows and cells of schema version 2, and those that a filter leaves of them. */
function compareVersion2(fuzzCase: Subject, compat: Compat, makeDecoder: MakeDecoder): void {
  const own = decodeOwn(fuzzCase, compat, makeDecoder, 2);
  const plain = decodePlain(fuzzCase, compat, 2);
  compareRows(own, plain);
  if (plain instanceof PlainFault) return;
  compareArrowVersion2(fuzzCase, compat, plain, makeDecoder);
  if (compat === "default") compareFiltered(fuzzCase, plain, makeDecoder, 2);
}

function compareArrowVersion2(
  { bytes, passphrase, known }: Subject,
  compat: Compat,
  plain: PlainLedger,
  makeDecoder: MakeDecoder,
): void {
  const encoder = new BatchEncoder({ schemaVersion: 2, networkPassphrase: passphrase });
  const rows = new RowSet();
  const options = { networkPassphrase: passphrase, compat, knownAssets: known.own, ...encoder.decoderOptions };
  makeDecoder(options).decode(bytes, rows);
  const plan = encoder.plan(rows, 0, rows.length);
  const body = new Uint8Array(plan.bodyBytes).fill(0xaa);
  encoder.write(rows, plan, body);
  const stream = Buffer.concat([streamHead(encoder), encapsulate(encoder.header(plan)), body, STREAM_END]);
  const found = [...RecordBatchReader.from(stream)].flatMap(cellsOf);
  // The reference reads a bool that is neither 0 nor 1 as false, and we as true: nothing validates it.
  const hasOddBool = plain.unvalidated.some(({ what }) => what === "bool");
  plain.rows.forEach((row, i) => {
    schemaV2Cells(row).forEach((cell, column) => {
      const own = found[i]?.[column];
      if (own === cell) return;
      const { name } = encoder.columns[column]!.spec;
      if (cell === ANY_JSON || (hasOddBool && name.endsWith("_json"))) if (isJson(own)) return;
      throw new Finding(`schema version 2: row ${i}, ${name}\n  plain: ${String(cell)}\n  own:   ${own}`);
    });
  });
  if (found.length !== plain.rows.length) throw new Finding(`${found.length} rows of schema version 2`);
}

function isJson(text: string | null | undefined): boolean {
  if (typeof text !== "string") return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Per row, what schemaV2Cells gives. */
function cellsOf(batch: RecordBatch): (string | null)[][] {
  const columns = batch.schema.fields.map((_, i) => batch.getChildAt(i)!);
  return Array.from({ length: batch.numRows }, (_, row) => columns.map((column) => cellText(column, row)));
}

function cellText(column: Vector, row: number): string | null {
  if (!column.isValid(row)) return null;
  if (DataType.isDecimal(column.type)) return String(leastFirst(column.get(row) as Uint32Array));
  if (DataType.isBinary(column.type)) return Buffer.from(column.get(row) as Uint8Array).toString("base64");
  if (DataType.isTimestamp(column.type)) return String((column.data[0]!.values as BigInt64Array)[row]);
  return String(column.get(row));
}

/** A number by its 32-bit words, the least significant first. */
function leastFirst(words: Uint32Array): bigint {
  return words.reduceRight((sum, word) => (sum << 32n) | BigInt(word), 0n);
}

/** Whatever else reads ledgers must fail in the same orderly way. */
function checkOtherReaders(bytes: Uint8Array): void {
  const batch = concat(int(7), int(8), int(2), bytes, bytes);
  const readers = [
    () => ledgerHeader(bytes),
    () => matchNetwork(bytes, ["a network"]),
    () => [...splitBatch(bytes)],
    () => [...splitBatch(batch)],
  ];
  for (const read of readers) {
    try {
      read();
    } catch (thrown) {
      if (thrown instanceof CodedError) continue;
      throw new Finding(`${read}: not a coded error: ${thrown instanceof Error ? thrown.stack : thrown}`);
    }
  }
}
