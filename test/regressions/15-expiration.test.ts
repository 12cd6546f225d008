/** Defect 15: expiration_ledger_seq was always null. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { RepeatingSource } from "../../src/sources/repeating.ts";
import { LOAD_TEST } from "../support/networks.ts";
import { ROOT } from "../support/processor.ts";
import { type Reader, TestServer } from "./support.ts";

const FIXTURES = join(ROOT, "test", "fixtures", "ledgers");

async function read(file: string, first: number, last: number, settings: Record<string, string>): Promise<Reader> {
  await using server = await TestServer.start(await RepeatingSource.open(join(FIXTURES, file)), settings);
  const session = await server.startSession(first, last);
  return await server.read({ session }).rest();
}

/** Key hash and expiration of each row, as the oracle writes them: 0 for none. */
function expirations({ batches }: Reader): string[] {
  return batches.flatMap(({ table }) => {
    const [hash, expiration] = [table.getChild("ledger_key_hash")!, table.getChild("expiration_ledger_seq")!];
    return Array.from({ length: table.numRows }, (_, row) => `${hash.get(row)} ${expiration.get(row) ?? 0}`);
  });
}

describe("live-until ledgers come from the TTL entries of the same ledger", () => {
  for (const [file, first, last, settings] of [
    ["58752000.xdr.zst", 58752000, 58752000, {}],
    // two ledgers, which are given consecutive numbers here
    ["load-test-ledgers.xdr.zstd", 88, 89, { NETWORK_PASSPHRASE: LOAD_TEST }],
  ] as const) {
    test(file, async () => {
      const golden = readFileSync(join(FIXTURES, file.replace(/\.xdr\..*$/, ".expiration.tsv")), "utf8")
        .split("\n")
        .slice(0, -1)
        .map((line) => line.split("\t").slice(1).join(" "));
      const found = expirations(await read(file, first, last, settings));
      expect(found).toEqual(golden);
      expect(found.some((line) => !line.endsWith(" 0"))).toBe(true);
    });
  }

  test("COMPAT=go leaves them null, as they were", async () => {
    const found = expirations(await read("58752000.xdr.zst", 58752000, 58752000, { COMPAT: "go" }));
    expect(found.length).toBe(301);
    expect(found.every((line) => line.endsWith(" 0"))).toBe(true);
  });
});
