/** The oracle's rows of the repeated sample, of both datasets. */
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
const GOLDEN_TTL = new Map<number, Omit<GoldenRow, "contract">[]>();
for (const row of readGolden(join(ROOT, "test", "fixtures", "ledgers", "sample.ttl.tsv"))) {
  const ledger = Number(row[0]);
  const rows = GOLDEN_TTL.get(ledger) ?? [];
  rows.push({ hash: row[2]!, deleted: row[3] === "" });
  GOLDEN_TTL.set(ledger, rows);
}
export const CONTRACTS = [...new Set([...GOLDEN.values()].flat().map(({ contract }) => contract))].sort();

/** The oracle's rows of a ledger of the repeated sample. */
export function goldenOf(ledger: number): GoldenRow[] {
  return GOLDEN.get(inSample(ledger)) ?? [];
}

/** Its rows of ttl, of all contracts. */
export function goldenTtlOf(ledger: number): Omit<GoldenRow, "contract">[] {
  return GOLDEN_TTL.get(inSample(ledger)) ?? [];
}

function inSample(ledger: number): number {
  const count = SAMPLE.last - SAMPLE.first + 1;
  const steps = (((ledger - SAMPLE.first) % count) + count) % count;
  return SAMPLE.first + steps;
}
