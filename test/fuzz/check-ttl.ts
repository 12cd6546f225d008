/** The dataset `ttl` of one case: as the plain decoder has it, alone and beside contract data, and as Arrow cells. */
import { RecordBatchReader } from "apache-arrow";
import { BatchEncoder } from "../../src/columns/batch-encoder.ts";
import type { Column } from "../../src/columns/column.ts";
import { encapsulate, STREAM_END, streamHead } from "../../src/columns/ipc.ts";
import { RowSet } from "../../src/ledger/row-set.ts";
import type { RowFilter } from "../../src/vocabulary/row-filter.ts";
import { codedError, Finding, type MakeDecoder } from "./finding.ts";
import { plainTtl } from "./plain-ttl.ts";
import { PlainFault } from "./tree.ts";

/**
 * @param isRead whether the plain decoder takes the ledger, of contract data
 * @param filter of contract data: it must change nothing here
 * @throws Finding
 */
export function checkTtl(
  bytes: Uint8Array,
  passphrase: string,
  isRead: boolean,
  makeDecoder: MakeDecoder,
  filter: RowFilter,
): void {
  const plain = isRead ? plainOf(bytes) : undefined;
  const encoder = new BatchEncoder({ dataset: "ttl", schemaVersion: 1, networkPassphrase: passphrase });
  const options = { networkPassphrase: passphrase, compat: "default" } as const;
  const alone = new RowSet();
  const beside = new RowSet();
  const both = { ...options, datasets: ["contract_data", "ttl"], schemaVersion: 2, filter } as const;
  const reads: [RowSet, () => unknown][] = [
    [alone, () => makeDecoder({ ...options, ...encoder.decoderOptions }).decode(bytes, alone)],
    [beside, () => makeDecoder(both).decode(bytes, new RowSet(), beside)],
  ];
  for (const [rows, decode] of reads) {
    try {
      decode();
    } catch (thrown) {
      if (rows.length > 0 || rows.ledgers.length > 0)
        throw new Finding(`${rows.length} TTL rows stayed after an error`);
      const { message } = codedError(thrown, bytes);
      if (plain === undefined || rows === beside) continue; // version 2 judges evicted keys too
      throw new Finding(`TTL rows refused, and the plain decoder finds ${plain.length}: ${message}`);
    }
    if (plain === undefined) throw new Finding(`${rows.length} TTL rows, although the plain decoder refuses`);
    compare(linesOf(encoder.columns, rows), plain);
  }
  if (plain !== undefined) compareArrow(encoder, alone);
}

function plainOf(bytes: Uint8Array): string[] | undefined {
  try {
    return plainTtl(bytes);
  } catch (thrown) {
    if (thrown instanceof PlainFault) return undefined;
    throw thrown;
  }
}

function compare(own: readonly string[], plain: readonly string[]): void {
  plain.forEach((line, i) => {
    if (own[i] !== line) throw new Finding(`TTL row ${i} differs\n  plain: ${line}\n  own:   ${own[i]}`);
  });
  if (own.length !== plain.length)
    throw new Finding(`${own.length} TTL rows, and the plain decoder finds ${plain.length}`);
}

function linesOf(columns: readonly Column[], rows: RowSet): string[] {
  const shown = columns.filter(({ spec }) => spec.name !== "closed_at");
  return Array.from({ length: rows.length }, (_, row) =>
    shown.map((column) => String(column.cell(rows, row) ?? "")).join("\t"),
  );
}

/** The record batch, read back by apache-arrow, holds the same cells. */
function compareArrow(encoder: BatchEncoder, rows: RowSet): void {
  const plan = encoder.plan(rows, 0, rows.length);
  const body = new Uint8Array(plan.bodyBytes).fill(0xaa); // memory is not always new
  encoder.write(rows, plan, body);
  const stream = Buffer.concat([streamHead(encoder), encapsulate(encoder.header(plan)), body, STREAM_END]);
  const [batch] = [...RecordBatchReader.from(stream)];
  if ((batch?.numRows ?? 0) !== rows.length) throw new Finding(`a batch of ${batch?.numRows} TTL rows`);
  for (const column of encoder.columns) {
    const { name } = column.spec;
    if (name === "closed_at") continue;
    const vector = batch?.getChild(name);
    for (let row = 0; row < rows.length; row++) {
      const value: unknown = vector?.get(row) ?? null;
      const text = value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;
      if (text === column.cell(rows, row)) continue;
      throw new Finding(`TTL row ${row}, ${name}: ${column.cell(rows, row)} is ${String(text)} in Arrow`);
    }
  }
}
