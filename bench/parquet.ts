/**
 * Our Parquet writer beside parquet-wasm and pyarrow: the same table of dense rows of schema version 2, zstd.
 *
 *     bun bench/parquet.ts [--rows 375000] [--rounds 3] [--times 4]
 *
 * Each writer is a process of its own, in turns, and writes the table several times from its Arrow IPC stream; pyarrow has the
 * table in memory before it begins. CPU is that of the whole process, of all its threads. Row groups are each writer's own
 * choice. Ends with MISSED and exit status 1 where a target is missed.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { analyticsPython } from "../test/clients/toolchain.ts";
import { ROOT } from "../test/support/processor.ts";
import { parquetTable } from "./support/parquet-table.ts";
import { Report } from "./support/report.ts";
import { median } from "./support/result.ts";

const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "375000" },
    rounds: { type: "string", default: "3" },
    times: { type: "string", default: "4" },
  },
});
const python = await analyticsPython();
if (python.command === undefined) throw new Error(python.missing);
const folder = mkdtempSync(join(tmpdir(), "bench-parquet-"));
const table = join(folder, "table.arrows");
writeFileSync(table, parquetTable(Number(values.rows)));
const script = join(ROOT, "bench/support/parquet-writer.ts");
const WRITERS = {
  "our writer": [process.execPath, script, "own"],
  "parquet-wasm": [process.execPath, script, "wasm"],
  pyarrow: [...python.command, join(ROOT, "bench/support/parquet_writer.py")],
} as const;
type Writer = keyof typeof WRITERS;

/** What a writer's process says. */
interface Written {
  cpuSeconds: number[];
  bytes: number;
  rows?: number;
}

async function write(writer: Writer): Promise<Written> {
  const command = [...WRITERS[writer], table, join(folder, `${writer}.parquet`), values.times];
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "inherit", cwd: ROOT });
  const text = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error(`${writer} failed`);
  return JSON.parse(text) as Written;
}

const report = new Report("parquet");
const cpu: Record<Writer, number[]> = { "our writer": [], "parquet-wasm": [], pyarrow: [] };
const bytes: Partial<Record<Writer, number>> = {};
let rows = 0;
for (let round = 0; round < Number(values.rounds); round++) {
  for (const writer of Object.keys(WRITERS) as Writer[]) {
    const written = await write(writer);
    cpu[writer].push(median(written.cpuSeconds));
    bytes[writer] = written.bytes;
    rows = written.rows ?? rows;
  }
}
rmSync(folder, { recursive: true });
for (const [writer, seconds] of Object.entries(cpu) as [Writer, number[]][]) {
  const rate = Math.round(rows / median(seconds) / 1000);
  console.log(`${writer}: ${rate} k rows a CPU second, ${(bytes[writer]! / 1e6).toFixed(1)} MB of ${rows} rows`);
  report.keep(`${writer}, CPU seconds`, seconds);
}
const ratios = (other: Writer) => cpu["our writer"].map((seconds, round) => cpu[other][round]! / seconds);
report.figure("rows a CPU second, to parquet-wasm", ratios("parquet-wasm"));
report.figure("rows a CPU second, to pyarrow", ratios("pyarrow"));
report.figure("size, to pyarrow", [bytes["our writer"]! / bytes.pyarrow!]);
process.exit(report.finish());
