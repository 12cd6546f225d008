/** The oracle's rows of the repeated sample. */
import { join } from "node:path";
import { readGolden } from "./goldens.ts";
import { ROOT, SAMPLE } from "./processor.ts";

export interface GoldenRow {
  contract: string;
  deleted: boolean;
  /** Ledger key hash: what a row is told by, beside its ledger. */
  hash: string;
}

const GOLDEN = new Map<number, GoldenRow[]>();
for (const row of readGolden(join(ROOT, "sample", "lake.tsv"))) {
  const ledger = Number(row[0]);
  const rows = GOLDEN.get(ledger) ?? [];
  rows.push({ contract: row[6]!, deleted: row[16] === "true", hash: row[17]! });
  GOLDEN.set(ledger, rows);
}
export const CONTRACTS = [...new Set([...GOLDEN.values()].flat().map(({ contract }) => contract))].sort();

/** The oracle's rows of a ledger of the repeated sample. */
export function goldenOf(ledger: number): GoldenRow[] {
  const count = SAMPLE.last - SAMPLE.first + 1;
  const steps = (((ledger - SAMPLE.first) % count) + count) % count;
  return GOLDEN.get(SAMPLE.first + steps) ?? [];
}
