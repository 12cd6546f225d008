/**
 * Where a client goes on: opaque on the wire (base64url), so that it can gain fields. Inside is the next position: a
 * ledger, and the place in it (RowSet.place), which is counted before filters and settings. So a cursor means the same
 * rows whatever has changed since. A cursor of a session's partition names that too, since it is behind that one's rows
 * alone, and so does a cursor of another dataset than contract data, whose places are its own.
 *
 * Form 1 counted rows after filters: where it stands between ledgers it means what form 2 means, and is taken; inside a
 * ledger nobody can tell what it means, and it is refused.
 */
import { CodedError } from "../error.ts";
import { DATASET_DEFAULT, type Dataset } from "../vocabulary/dataset.ts";
import type { Position } from "../vocabulary/position.ts";
import type { StreamPartName } from "../vocabulary/stream-part.ts";

const FORM_NOW = 2;
const CURSOR_LENGTH_MAX = 64; // four 32-bit numbers and the form stay below
const FORMS = /^([12])(t?)\.([0-9a-z]{1,7})\.([0-9a-z]{1,7})(?:\.([0-9a-z]{1,4})\.([0-9a-z]{1,4}))?$/;

/** What stands behind the form in cursors of a dataset. */
const MARKS: Readonly<Record<Dataset, string>> = { contract_data: "", ttl: "t" };

/** A position, and the part of a stream that it is in. */
export interface Cursor extends Position, StreamPartName {}

/** The text of a position in that part of a stream. */
export function encodeCursor({ ledger, row }: Position, { dataset, partition }: StreamPartName = {}): string {
  const numbers = partition === undefined ? [ledger, row] : [ledger, row, partition.index, partition.count];
  const form = `${FORM_NOW}${MARKS[dataset ?? DATASET_DEFAULT]}`;
  const text = [form, ...numbers.map((number) => number.toString(36))].join(".");
  return Buffer.from(text).toString("base64url");
}

/** @throws CodedError INVALID_ARGUMENT / CURSOR_OF_DATASET where the cursor is of another dataset than what it is to be used for */
export function checkCursorDataset({ dataset: of = DATASET_DEFAULT }: Cursor, dataset: Dataset): void {
  if (of === dataset) return;
  throw new CodedError(
    "INVALID_ARGUMENT",
    "CURSOR_OF_DATASET",
    `the cursor is of the dataset ${of}, and the request of ${dataset}: a cursor belongs to the dataset that it came from`,
  );
}

/** @throws CodedError INVALID_ARGUMENT / CURSOR_INVALID, CURSOR_OLD */
export function decodeCursor(cursor: string): Cursor {
  const decoded =
    cursor.length <= CURSOR_LENGTH_MAX ? parse(Buffer.from(cursor, "base64url").toString("latin1")) : undefined;
  if (decoded === undefined) {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "CURSOR_INVALID",
      "the cursor is not one that this server made: pass the `cursor` of a batch's app_metadata as it came",
    );
  }
  const { form, ...position } = decoded;
  if (form === FORM_NOW || position.row === 0) return position;
  const begin = encodeCursor({ ledger: position.ledger, row: 0 }, position);
  throw new CodedError(
    "INVALID_ARGUMENT",
    "CURSOR_OLD",
    `the cursor is from an older version of this server and lies behind ${position.row} rows of ledger ${position.ledger}, counted after filters that it does not name: go on from that ledger's beginning, ${begin}, and drop the rows of the ledger that you have`,
  );
}

/** Undefined where the text is no cursor. */
function parse(text: string): (Cursor & { form: number }) | undefined {
  const match = FORMS.exec(text);
  if (match === null) return undefined;
  const form = Number(match[1]);
  const dataset = match[2] === MARKS.ttl ? "ttl" : undefined;
  const ledger = Number.parseInt(match[3]!, 36);
  const row = Number.parseInt(match[4]!, 36);
  if (ledger < 1 || ledger > 0xffffffff || row > 0xffffffff) return undefined;
  if (dataset !== undefined && form !== FORM_NOW) return undefined;
  if (match[5] === undefined) return { form, ledger, row, dataset };
  const index = Number.parseInt(match[5], 36);
  const count = Number.parseInt(match[6]!, 36);
  return index < count ? { form, ledger, row, dataset, partition: { index, count } } : undefined;
}

/** Negative when `a` comes first, 0 when equal. */
export function comparePositions(a: Position, b: Position): number {
  return a.ledger - b.ledger || a.row - b.row;
}
