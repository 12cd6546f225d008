/**
 * A million rows, and what they leave on the heap: `bun bench/decode-heap.ts [--rows 1000000]`. Fails where the heap has
 * grown by more than a few objects.
 */
import { parseArgs } from "node:util";
import { ledger58752000 } from "../test/fuzz/ledger-fixtures.ts";
import { PUBNET } from "../test/support/networks.ts";
import { watchHeap } from "./support/heap.ts";
import { Report } from "./support/report.ts";

const { values: flags } = parseArgs({ options: { rows: { type: "string", default: "1000000" } } });
const WARM_UP_ROWS = 300_000; // until the last function is compiled
const SAMPLES = 10;

const report = new Report("decode-heap");
const samples = watchHeap(ledger58752000(), PUBNET, Number(flags.rows), WARM_UP_ROWS, SAMPLES);
const line = (cells: (string | number)[]): void =>
  console.log(cells.map((cell) => cell.toLocaleString("en-US").padStart(16)).join(""));
line(["rows", "heap bytes", "heap objects", "external bytes", "resident MB"]);
for (const s of samples) {
  line([s.rows, s.keptBytes, s.keptObjects, s.externalBytes, Math.round(s.residentBytes / 1e6)]);
}
report.figure("growth of the heap", [samples.at(-1)!.keptBytes - samples[0]!.keptBytes]);
process.exit(report.finish());
