import { describe, expect, test } from "bun:test";
import { checkNetwork, detectNetwork } from "../../src/ledger/network.ts";
import { CORE_TESTS, LOAD_TEST, PUBNET, TESTNET } from "../support/networks.ts";
import { buildLedger } from "./build.ts";
import { filesUnder, hasShared, readLedgers, records } from "./shared-ledgers.ts";

test("a ledger without transactions tells nothing", () => {
  const bytes = buildLedger({});
  expect(detectNetwork(bytes)).toBeUndefined();
  expect(checkNetwork(bytes, PUBNET)).toBe(false);
});

describe.skipIf(!hasShared)("real ledgers", () => {
  const paths = [...filesUnder("pubnet", ".xdr.zst"), "classic/26154623.xdr", "edge/edge-v1.xdr", "edge/edge-v2.xdr"];
  test.each(paths)("%s is pubnet's", (path) => {
    expect(detectNetwork(readLedgers(path))).toBe(PUBNET);
    expect(checkNetwork(readLedgers(path), PUBNET)).toBe(true);
  });

  test("stellar-core's unit tests and load tests", () => {
    const ledgers = filesUnder("core", ".xdr.zst").flatMap((path) => records(readLedgers(path)));
    const found = new Set(ledgers.map((bytes) => detectNetwork(bytes, [PUBNET, CORE_TESTS])));
    expect([...found].sort()).toEqual([CORE_TESTS, undefined]);
    const load = records(readLedgers("loadgen/load-test-ledgers-v25.xdr.zstd")).map((bytes) => detectNetwork(bytes));
    expect(load).toContain(LOAD_TEST);
  });

  test("a wrong passphrase is named, with the one that matches", () => {
    const bytes = readLedgers("pubnet/53312000.xdr.zst");
    expect(() => checkNetwork(bytes, TESTNET)).toThrow(
      expect.objectContaining({
        code: "FAILED_PRECONDITION",
        reason: "NETWORK_MISMATCH",
        message: `the ledgers are not of the network with passphrase "${TESTNET}": they are of pubnet: set "${PUBNET}"`,
      }),
    );
  });

  test("a wrong passphrase where no known one matches", () => {
    const bytes = filesUnder("core", ".xdr.zst")
      .flatMap((path) => records(readLedgers(path)))
      .find((ledger) => detectNetwork(ledger, [CORE_TESTS]) !== undefined)!;
    expect(() => checkNetwork(bytes, PUBNET)).toThrow("none of the known ones matches");
  });
});
