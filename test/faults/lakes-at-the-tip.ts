/** Lakes of many files for tests of sessions at the tip: one real file under many names. */
import { linkSync } from "node:fs";
import { Lake, type LakeOptions } from "../../src/sources/lake/lake.ts";
import { TemporaryLake } from "../sources/lake-fixture.ts";
import { type LogLine, localServer } from "../support/local-server.ts";

/** A lake of `files` ledgers from `first` on in one partition: the last one is whole, the others are links of one file. */
export function lakeOfLinks(first: number, files: number): TemporaryLake {
  const lake = new TemporaryLake({ ledgersPerBatch: 1, batchesPerPartition: 64_000, extension: "zst" });
  lake.put(first);
  for (let ledger = first + 1; ledger < first + files - 1; ledger++) linkSync(lake.pathOf(first), lake.pathOf(ledger));
  lake.put(first + files - 1);
  return lake;
}

/** A server over that lake, with the network of the lake's tiny ledgers. */
export async function serveLake(lake: TemporaryLake, options: LakeOptions = {}, flags: Record<string, string> = {}) {
  const lines: LogLine[] = [];
  const source = await Lake.open(lake.folder, options);
  const server = await localServer(source, { "network-passphrase": "test", ...flags }, lines);
  return { server, lines, source };
}
