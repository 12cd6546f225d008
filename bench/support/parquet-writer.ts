/** Writes the table of an IPC file as Parquet, several times: bun parquet-writer.ts own|wasm TABLE OUT TIMES. A JSON line. */
import { readFileSync, writeFileSync } from "node:fs";
import { RecordBatchReader } from "apache-arrow";
import { EXPORT_COLUMNS, slicesOf } from "../../src/export/columns.ts";
import { ParquetWriter } from "../../src/parquet/file-writer.ts";

const GROUP_BYTES = 64 << 20; // as `export parquet`
const [kind, table, out, times] = process.argv.slice(2) as [string, string, string, string];
const bytes = readFileSync(table);

/** The file, from the stream's bytes. */
type Write = () => Promise<Uint8Array> | Uint8Array;

const file = new ParquetWriter({ columns: EXPORT_COLUMNS.contract_data, groupBytes: GROUP_BYTES });

/** As `export parquet` has batches: Arrow's buffers, read. */
function own(): Write {
  const batches = [...RecordBatchReader.from(bytes)].map((batch) => ({
    slices: slicesOf(batch, EXPORT_COLUMNS.contract_data),
    rows: batch.numRows,
  }));
  return () => {
    for (const { slices, rows } of batches) for (let row = 0; row < rows; ) row = file.append(slices, row, rows);
    return file.finish();
  };
}

async function wasm(): Promise<Write> {
  const { Compression, Table, WriterPropertiesBuilder, writeParquet } = await import("parquet-wasm/node");
  return () => {
    const properties = new WriterPropertiesBuilder().setCompression(Compression.ZSTD).build();
    return writeParquet(Table.fromIPCStream(bytes), properties);
  };
}

const write: Write = kind === "own" ? own() : await wasm();
const cpuSeconds: number[] = [];
let written: Uint8Array = new Uint8Array(0);
for (let time = 0; time < Number(times); time++) {
  const before = process.cpuUsage();
  written = await write();
  const { user, system } = process.cpuUsage(before);
  cpuSeconds.push((user + system) / 1e6);
}
writeFileSync(out, written);
console.log(JSON.stringify({ cpuSeconds, bytes: written.length }));
