/** Record batches in the form that every decoder's rows are compared in: see WriteText in bench/go/internal/rows. */
import { DataType, type RecordBatch } from "apache-arrow";

/** One line a row, cells parted by tabs, times in microseconds, `\N` for null. */
export function neutralText(batch: RecordBatch): string {
  const columns = batch.schema.fields.map((field, i) => ({ field, vector: batch.getChildAt(i)! }));
  let text = "";
  for (let row = 0; row < batch.numRows; row++) {
    const cells = columns.map(({ field, vector }) => {
      if (!vector.isValid(row)) return "\\N";
      if (DataType.isTimestamp(field.type)) return String(rawInt64(vector.data[0]!.values, row));
      return String(vector.get(row));
    });
    text += `${cells.join("\t")}\n`;
  }
  return text;
}

/** apache-arrow hands times out in milliseconds; the stored number says more. */
function rawInt64(values: unknown, row: number): bigint {
  if (values instanceof BigInt64Array) return values[row]!;
  const words = values as Int32Array;
  return (BigInt(words[2 * row + 1]!) << 32n) | BigInt(words[2 * row]! >>> 0);
}
