import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { CodedError } from "../../src/error.ts";
import {
  batchRange,
  inferLayout,
  type LakeExtension,
  type LakeLayout,
  lakeKey,
  parseLakeKey,
  parsePartitionName,
  partitionRange,
} from "../../src/sources/lake/lake-layout.ts";
import { randomFrom, seedOf } from "../support/random.ts";

const vectors = readFileSync(new URL("../fixtures/lake-keys.tsv", import.meta.url), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => {
    const [ledgersPerBatch, batchesPerPartition, ledger, key] = line.split("\t") as [string, string, string, string];
    const extension = key.slice(key.lastIndexOf(".") + 1) as LakeExtension;
    const layout: LakeLayout = {
      ledgersPerBatch: Number(ledgersPerBatch),
      batchesPerPartition: Number(batchesPerPartition),
      extension,
    };
    return { layout, ledger: Number(ledger), key };
  });

describe("lakeKey", () => {
  test("gives the keys that Go's datastore gives", () => {
    expect(vectors.length).toBe(72);
    for (const { layout, ledger, key } of vectors) expect(lakeKey(layout, ledger)).toBe(key);
  });

  test("a last file of one ledger has no end in its name", () => {
    // 3 does not divide 2^32: the last file holds ledger 2^32-1 alone.
    const layout: LakeLayout = { ledgersPerBatch: 3, batchesPerPartition: 1, extension: "zst" };
    expect(lakeKey(layout, 0xffff_ffff)).toBe("00000000--4294967295.xdr.zst");
  });

  test("refuses numbers that cannot be", () => {
    const layout: LakeLayout = { ledgersPerBatch: 1, batchesPerPartition: 1, extension: "zst" };
    for (const ledger of [-1, 1.5, 2 ** 32, Number.NaN]) expect(() => lakeKey(layout, ledger)).toThrow(CodedError);
    for (const size of [0, -1, 0.5, 2 ** 32, Number.NaN]) {
      expect(() => lakeKey({ ...layout, ledgersPerBatch: size }, 5)).toThrow(`ledgersPerBatch is ${size}`);
      expect(() => lakeKey({ ...layout, batchesPerPartition: size }, 5)).toThrow(`batchesPerPartition is ${size}`);
    }
  });
});

describe("parseLakeKey", () => {
  test("reads back what lakeKey writes", () => {
    for (const { layout, ledger, key } of vectors) {
      const { extension } = layout;
      const partition = partitionRange(layout, ledger);
      const expected = { ...batchRange(layout, ledger), extension, ...(partition === undefined ? {} : { partition }) };
      expect(parseLakeKey(key)).toEqual(expected);
    }
  });

  test("a random layout and ledger", () => {
    const seed = seedOf();
    const random = randomFrom(seed);
    for (let i = 0; i < 2000; i++) {
      const layout: LakeLayout = {
        ledgersPerBatch: 1 + Math.floor(random() * 100),
        batchesPerPartition: 1 + Math.floor(random() * 1000),
        extension: random() < 0.5 ? "zst" : "zstd",
      };
      const ledger = Math.floor(random() * 2 ** 32);
      const parsed = parseLakeKey(lakeKey(layout, ledger));
      const context = `SEED=${seed} ${JSON.stringify(layout)} ledger ${ledger}`;
      expect(parsed, context).toBeDefined();
      expect(parsed!.ledgerFirst <= ledger && ledger <= parsed!.ledgerLast, context).toBe(true);
      const inferred = inferLayout(parsed!);
      if (inferred !== undefined) expect(inferred, context).toEqual(layout);
    }
  });

  test.each([
    ".config.json",
    "",
    "FC7F83FF--58752000.xdr",
    "FC7F83FF--58752000.xdr.gz",
    "FC7F83FF--58752000.xdr.zst.tmp",
    "fc7f83ff--58752000.xdr.zst",
    "FC7F83FE--58752000.xdr.zst",
    "FFFFFFFA--05.xdr.zst",
    "FFFFFFFA--5-5.xdr.zst",
    "FFFFFFFA--5-4.xdr.zst",
    "FFFFFFFF--0-4294967296.xdr.zst",
    "FFFFFFFF--0-63999",
    "FFFFFFFF--0-9/FFFFFFF5--10.xdr.zst",
    "FFFFFFFF--0/FFFFFFFA--5.xdr.zst",
    "a/FFFFFFFF--0-9/FFFFFFFA--5.xdr.zst",
    "FFFFFFFF--0-9/a/FFFFFFFA--5.xdr.zst",
  ])("refuses %p", (key) => {
    expect(parseLakeKey(key)).toBeUndefined();
  });

  test("partition names", () => {
    expect(parsePartitionName("FC807DFF--58688000-58751999")).toEqual({ ledgerFirst: 58688000, ledgerLast: 58751999 });
    expect(parsePartitionName("FC807DFE--58688000-58751999")).toBeUndefined();
    expect(parsePartitionName("FC807DFF--58688000")).toBeUndefined();
  });
});

describe("inferLayout", () => {
  test("sees the sizes in one key", () => {
    const key = parseLakeKey("FC3D1BFF--63104000-63104079/FC3D1BF7--63104008-63104015.xdr.zst")!;
    expect(inferLayout(key)).toEqual({ ledgersPerBatch: 8, batchesPerPartition: 10, extension: "zst" });
  });

  test("does not guess from a range that is cut off or out of step", () => {
    for (const key of [
      "0000D7FF--4294912000-4294967295/0000003F--4294967232-4294967295.xdr.zst",
      "FFFFFFFF--0-9/FFFFFFFF--0-3.xdr.zst",
      "FFFFFFFE--1-2.xdr.zst",
    ]) {
      expect(inferLayout(parseLakeKey(key)!)).toBeUndefined();
    }
  });
});
