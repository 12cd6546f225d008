/** The committed ledgers are what their README files say. */
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { headerOffsets, headerSequence } from "../../src/sources/file/header-offsets.ts";
import { openLedgerInput } from "../../src/sources/file/ledger-file.ts";
import { Lake } from "../../src/sources/lake/lake.ts";
import { parseLakeKey } from "../../src/sources/lake/lake-layout.ts";
import { PUBNET } from "../support/networks.ts";

const root = path.join(import.meta.dir, "../..");
const fixtures = path.join(root, "test/fixtures/ledgers");
const lake = path.join(root, "sample/lake");
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const text = (file: string) => readFileSync(file, "utf8");

async function ledgersOf(file: string): Promise<Uint8Array[]> {
  const ledgers: Uint8Array[] = [];
  for await (const ledger of (await openLedgerInput(file)).ledgers) ledgers.push(ledger.bytes.slice());
  return ledgers;
}

describe("test/fixtures/ledgers", () => {
  test("the README's checksums are those of the files", () => {
    const readme = text(path.join(fixtures, "README.md"));
    const rows = [...readme.matchAll(/^\| `([^`]+)` \| `([0-9a-f]{64})` \| (?:`([0-9a-f]{64})`|the same) \|$/gm)];
    expect(rows.length).toBe(4);
    for (const [, file, original, stored] of rows) {
      expect(sha256(readFileSync(path.join(fixtures, file!))), file).toBe(stored ?? original!);
    }
  });

  test("each has the ledgers that the README says", async () => {
    const sequences = async (file: string) =>
      (await ledgersOf(path.join(fixtures, file))).map((bytes) => headerSequence(file, bytes));
    expect(await sequences("58752000.xdr.zst")).toEqual([58752000]);
    expect(await sequences("FCD285FF--53312000.xdr.zstd")).toEqual([53312000]);
    expect(await sequences("ledgers-base64.txt.gz")).toEqual([6154623, 16154623, 26154623, 46154623, 36154623]);
    expect(await sequences("load-test-ledgers.xdr.zstd")).toEqual([88, 92]);
  });

  test("a golden row is of a ledger of its file, and has its line of expiration", () => {
    const goldens = readdirSync(fixtures).filter((name) => name.endsWith(".expiration.tsv"));
    expect(goldens.length).toBe(3);
    for (const name of goldens) {
      const rows = text(path.join(fixtures, name.replace(".expiration", "")))
        .trimEnd()
        .split("\n");
      const expected = rows.map((row) => [row.split("\t")[0], row.split("\t")[17]].join("\t"));
      const found = text(path.join(fixtures, name)).trimEnd().split("\n");
      expect(found.map((line) => line.split("\t").slice(0, 2).join("\t"))).toEqual(expected);
    }
  });
});

describe("sample/lake", () => {
  test("is one chain of hashes over consecutive numbers, crossing a partition", async () => {
    const source = await Lake.open(lake);
    expect(await source.networkPassphrase()).toBe(PUBNET);
    expect(source.layout).toEqual({ ledgersPerBatch: 1, batchesPerPartition: 64000, extension: "zst" });
    expect(await source.ledgerRange()).toEqual({ ledgerFirst: 58751994, ledgerLast: 58752000 });
    expect(readdirSync(lake).filter((name) => name.includes("--")).length).toBe(2);

    let previousHash: Buffer | undefined;
    let sequence = 58751994;
    for (const bytes of await ledgersOf(lake)) {
      const { ledgerSequence, closeTime } = headerOffsets("sample", bytes);
      const start = closeTime - 100; // of LedgerHeaderHistoryEntry: hash, ledgerVersion, previousLedgerHash, txSetHash
      const view = new DataView(bytes.buffer);
      expect(view.getUint32(ledgerSequence)).toBe(sequence++);
      // After ledgerSeq: totalCoins, feePool, inflationSeq, idPool, baseFee, baseReserve, maxTxSetSize, skipList, ext.
      let end = ledgerSequence + 4 + 8 + 8 + 4 + 8 + 4 + 4 + 4 + 4 * 32 + 4;
      if (view.getUint32(end - 4) === 1) end += 4 + 4;
      const hash = createHash("sha256")
        .update(bytes.subarray(start + 32, end))
        .digest();
      expect(hash.equals(bytes.subarray(start, start + 32))).toBe(true);
      if (previousHash !== undefined) expect(previousHash.equals(bytes.subarray(start + 36, start + 68))).toBe(true);
      previousHash = hash;
    }
    expect(sequence).toBe(58752001);
  });

  test("nothing but number and hashes is changed", async () => {
    const originals = [
      ...(await ledgersOf(path.join(fixtures, "ledgers-base64.txt.gz"))),
      ...(await ledgersOf(path.join(fixtures, "FCD285FF--53312000.xdr.zstd"))),
      ...(await ledgersOf(path.join(fixtures, "58752000.xdr.zst"))),
    ].sort((a, b) => headerSequence("a", a) - headerSequence("b", b));
    const blank = (bytes: Uint8Array) => {
      const { ledgerSequence, closeTime } = headerOffsets("sample", bytes);
      const start = closeTime - 100;
      bytes.fill(0, start, start + 32); // hash
      bytes.fill(0, start + 36, start + 68); // previousLedgerHash
      bytes.fill(0, ledgerSequence, ledgerSequence + 4);
      return sha256(bytes);
    };
    expect((await ledgersOf(lake)).map(blank)).toEqual(originals.map(blank));
  });

  test("its golden rows are those of the original ledgers, renumbered", () => {
    const rows = text(path.join(fixtures, "FCD285FF--53312000.tsv")).replaceAll(/^53312000\t/gm, "58751999\t");
    expect(text(path.join(root, "sample/lake.tsv"))).toBe(rows + text(path.join(fixtures, "58752000.tsv")));
  });

  test("has nothing but lake files and the manifest, a megabyte at most", () => {
    let bytes = 0;
    for (const entry of readdirSync(lake, { recursive: true, withFileTypes: true })) {
      if (entry.isDirectory()) continue;
      const key = path.relative(lake, path.join(entry.parentPath, entry.name));
      expect(key === ".config.json" || parseLakeKey(key) !== undefined, key).toBe(true);
      bytes += readFileSync(path.join(lake, key)).length;
    }
    expect(bytes).toBeLessThan(1 << 20);
  });
});
