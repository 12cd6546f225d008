import { describe, expect, test } from "bun:test";
import { LAKE_MANIFEST_BYTES_MAX, parseLakeManifest } from "../../src/sources/lake/lake-manifest.ts";
import { PUBNET } from "../support/networks.ts";

const good = {
  networkPassphrase: PUBNET,
  version: "1.0",
  compression: "zst",
  ledgersPerBatch: 1,
  batchesPerPartition: 64000,
};

const parse = (value: unknown) => parseLakeManifest(JSON.stringify(value), "lake/.config.json");

describe("parseLakeManifest", () => {
  test("reads what Galexie writes", () => {
    expect(parse(good) as unknown).toEqual(good);
  });

  test("a later 1.x with more keys, and no partitions written as 0", () => {
    expect(parse({ ...good, version: "1.7", extra: [1], batchesPerPartition: 0 }).batchesPerPartition).toBe(1);
  });

  test.each([
    [{ ...good, networkPassphrase: undefined }, "networkPassphrase must be a non-empty string, and is missing"],
    [{ ...good, networkPassphrase: "" }, 'networkPassphrase must be a non-empty string, and is ""'],
    [{ ...good, version: 1 }, "version must be a non-empty string, and is 1"],
    [{ ...good, version: "2.0" }, 'version is "2.0"'],
    [{ ...good, compression: "lz4" }, 'compression is "lz4": only "zst" can be read'],
    [{ ...good, ledgersPerBatch: 0 }, "ledgersPerBatch must be a whole number from 1 to 4294967295, and is 0"],
    [{ ...good, ledgersPerBatch: "1" }, 'ledgersPerBatch must be a whole number from 1 to 4294967295, and is "1"'],
    [
      { ...good, batchesPerPartition: 1.5 },
      "batchesPerPartition must be a whole number from 0 to 4294967295, and is 1.5",
    ],
    [
      { ...good, batchesPerPartition: null },
      "batchesPerPartition must be a whole number from 0 to 4294967295, and is null",
    ],
    [[good], "it must be a JSON object"],
    [null, "it must be a JSON object, and is null"],
  ])("refuses %j", (value, message) => {
    expect(() => parse(value)).toThrow(`the lake manifest lake/.config.json cannot be used: ${message}`);
  });

  test("refuses what is not JSON, and what is too long to be one", () => {
    expect(() => parseLakeManifest("{", "m")).toThrow("it is not JSON");
    expect(() => parseLakeManifest(" ".repeat(LAKE_MANIFEST_BYTES_MAX + 1), "m")).toThrow(
      `it has ${LAKE_MANIFEST_BYTES_MAX + 1} characters, over max ${LAKE_MANIFEST_BYTES_MAX}`,
    );
  });
});
