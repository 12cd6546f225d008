/** Places with exports, for tests. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { COMMANDS } from "../../src/main.ts";
import { lakeKey } from "../../src/sources/lake/lake-layout.ts";
import { type CliRun, cli } from "../cli/harness.ts";
import { batchOf, SINGLE, TemporaryLake } from "../sources/lake-fixture.ts";
import { chainOf, link } from "../support/chain.ts";
import { manyContractsLedger } from "../support/many-contracts.ts";
import { SAMPLE } from "../support/processor.ts";

export const SAMPLE_RANGE = ["--start-ledger", String(SAMPLE.first), "--end-ledger", String(SAMPLE.last)];

/** A command inside the test. */
export function run(...argv: string[]): Promise<CliRun> {
  return cli(argv, COMMANDS);
}

/** The sample's range from its lake into a place. */
export function exportSample(place: string, ...flags: string[]): Promise<CliRun> {
  return run("export", "parquet", "--source", SAMPLE.folder, ...SAMPLE_RANGE, "--to", place, ...flags);
}

/** Every file below a folder, by its path there; what interrupted writes have left is none. */
export function contentOf(folder: string): Map<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && !entry.name.startsWith("."));
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  return new Map(paths.map((path) => [relative(folder, path), readFileSync(path, "base64")]));
}

/** A lake of made ledgers 1 … `last`, each with the changes of many contracts; their chain holds. */
export function madeLake(last: number): TemporaryLake {
  const lake = new TemporaryLake(SINGLE, { networkPassphrase: "Public Global Stellar Network ; September 2015" });
  const before = chainOf(manyContractsLedger);
  for (let sequence = 1; sequence <= last; sequence++) {
    const bytes = manyContractsLedger(sequence);
    link(bytes, before(sequence));
    lake.write(lakeKey(SINGLE, sequence), Bun.zstdCompressSync(batchOf(sequence, sequence, () => bytes)));
  }
  return lake;
}

/** All ledgers of such a lake, four a chunk. */
export function madeFlags(lake: TemporaryLake, last: number): string[] {
  return ["--source", lake.folder, "--start-ledger", "1", "--end-ledger", String(last), "--chunk-ledgers", "4"];
}
