/** Rows as a record batch in this process's memory. */
import { type RecordBatch, RecordBatchReader } from "apache-arrow";
import type { RowSet } from "../ledger/row-set.ts";
import type { BatchEncoder } from "./batch-encoder.ts";
import { encapsulate, STREAM_END, streamHead } from "./ipc.ts";

/** All rows of the set as one batch. @throws CodedError as `BatchEncoder.plan` */
export function recordBatchOf(encoder: BatchEncoder, rows: RowSet): RecordBatch {
  const plan = encoder.plan(rows, 0, rows.length);
  const head = [streamHead(encoder), encapsulate(encoder.header(plan))];
  const bodyAt = head.reduce((sum, part) => sum + part.length, 0);
  const stream = new Uint8Array(bodyAt + plan.bodyBytes + STREAM_END.length);
  let at = 0;
  for (const part of head) {
    stream.set(part, at);
    at += part.length;
  }
  encoder.write(rows, plan, stream, bodyAt);
  stream.set(STREAM_END, bodyAt + plan.bodyBytes);
  return RecordBatchReader.from(stream).next().value as RecordBatch;
}
