/** The fixed part of the fuzzing, what was once found, and proof that the judge can find. `make fuzz` runs more. */
import { describe, expect, test } from "bun:test";
import { formatStrkey, STRKEY_ACCOUNT } from "../../src/xdr/strkey.ts";
import {
  balance,
  buildLedger,
  concat,
  contractEvent,
  created,
  id,
  scBytes,
  scInstance,
  scInstanceKey,
  scString,
  scSymbol,
  scU32,
  scVec,
  u32,
} from "../ledger/build.ts";
import { PUBNET } from "../support/networks.ts";
import { ASSET_STEP_CANARY, CANARIES, STEP_CANARY } from "./canaries.ts";
import { type FuzzCase, makeCase } from "./cases.ts";
import { check } from "./check.ts";
import { Finding, type MakeDecoder } from "./finding.ts";
import { keptCases } from "./kept-cases.ts";
import { runCases } from "./run.ts";
import { checkSteps } from "./steps.ts";

const SEED = 20_251_124;
const CASES = 500;
const RUN_MS_MAX = 120_000; // a hang's end, not a speed: a run takes some 4 s
const CANARY_CASES = 60; // of the same run: enough that every canary meets a ledger that it gets wrong
const UNFOUND_CASES = 15; // where the judge is to find nothing

test(
  `${CASES} ledgers of seed ${SEED}`,
  () => {
    const findings: string[] = [];
    const totals = runCases(SEED, 0, CASES, (index, fuzzCase, thrown) => {
      findings.push(`case ${index} (${fuzzCase.description}): ${thrown}`);
    });
    expect(findings).toEqual([]);
    // the run is worth something only if it sees all three ends
    expect(totals.rows).toBeGreaterThan(CASES / 5);
    expect(totals["no rows"]).toBeGreaterThan(CASES / 50);
    expect(totals.error).toBeGreaterThan(CASES / 5);
  },
  RUN_MS_MAX,
);

describe("once found", () => {
  for (const kept of keptCases()) {
    test(`${kept.name}: ${kept.found}`, () => {
      check(kept);
      checkSteps(kept);
    });
  }
});

describe("the judge finds a decoder that", () => {
  const cases = Array.from({ length: CANARY_CASES }, (_, i) => makeCase(SEED, i));
  const finds = (judge: (fuzzCase: FuzzCase) => void, of = cases): boolean =>
    of.some((fuzzCase) => {
      try {
        judge(fuzzCase);
        return false;
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(Finding);
        return true;
      }
    });

  test.each(Object.entries(CANARIES))("%s", (_, makeDecoder: MakeDecoder) => {
    expect(finds((fuzzCase) => check(fuzzCase, makeDecoder))).toBe(true);
  });

  test.each([
    ["reads too often", STEP_CANARY],
    ["reads too often where assets are asked for", ASSET_STEP_CANARY],
  ])(
    "%s",
    (_, makeDecoder) => {
      expect(finds((fuzzCase) => check(fuzzCase, makeDecoder), cases.slice(0, UNFOUND_CASES))).toBe(false);
      expect(finds((fuzzCase) => checkSteps(fuzzCase, makeDecoder))).toBe(true);
    },
    RUN_MS_MAX,
  );
});

describe("work is bounded by the input's length", () => {
  const ledger = (...changes: Uint8Array[]): FuzzCase => {
    const bytes = buildLedger({ transactions: [{ operations: [changes] }] });
    return { description: "", passphrase: PUBNET, bytes };
  };
  const descending = (n: number, key: (i: number) => Uint8Array): FuzzCase =>
    ledger(...Array.from({ length: n }, (_, i) => created({ key: key(n - i) })));
  const deep = (levels: number): Uint8Array =>
    concat(...Array.from({ length: levels }, () => concat(u32(16), u32(1), u32(1))), scU32(1));
  const claims = (n: number): FuzzCase => {
    const asset = scString(`USD:${formatStrkey(id(3), STRKEY_ACCOUNT)}`);
    const contracts = Array.from({ length: n }, (_, i) => concat(new Uint8Array(28), u32(i)));
    const events = contracts.map((contract) => contractEvent(contract, [scSymbol("transfer"), asset]));
    const changes = contracts.map((contract) => created({ contract, ...balance(id(7), 1n) }));
    const bytes = buildLedger({ transactions: [{ operations: [changes], events, metaVersion: 3 }] });
    return { description: "", passphrase: PUBNET, bytes };
  };
  const assetInfo = scVec([scSymbol("AssetInfo")]);
  const ttl = (hash: Uint8Array): Uint8Array => concat(u32(0), u32(100), u32(9), hash, u32(1), u32(0));

  test.each([
    ["a long list in the opposite order", descending(2000, (i) => scU32(i))],
    ["long keys that differ at their ends", descending(40, (i) => scBytes(concat(new Uint8Array(4000), u32(i))))],
    ["keys nested to the limit", descending(40, () => deep(190))],
    ["nested far past the limit", descending(1, () => deep(8000))],
    [
      "storage that almost names an asset",
      ledger(
        created({
          key: scInstanceKey,
          val: scInstance(
            "asset",
            Array.from({ length: 2000 }, (): [Uint8Array, Uint8Array] => [scVec([scSymbol("AssetInfp")]), assetInfo]),
          ),
        }),
      ),
    ],
    ["one TTL over and over", ledger(created({ key: scU32(1) }), ...Array.from({ length: 2000 }, () => ttl(id(7))))],
    [
      "TTLs whose hashes differ at their ends",
      ledger(
        created({ key: scU32(1) }),
        ...Array.from({ length: 2000 }, (_, i) => ttl(concat(new Uint8Array(28), u32(i)))),
      ),
    ],
    [
      "a wide list of lists",
      ledger(created({ key: scU32(1), val: scVec(Array.from({ length: 3000 }, () => scVec([]))) })),
    ],
    ["an error at the very end", ledger(...Array.from({ length: 2000 }, () => created({ key: scU32(1) })), u32(9))],
  ])("%s", (_, fuzzCase) => {
    check(fuzzCase);
    checkSteps(fuzzCase);
  });

  // So many that a step for each pair of them would be over the budget; too large for the plain decoder.
  test.each([
    [
      "a very wide list of lists",
      ledger(created({ key: scU32(1), val: scVec(Array.from({ length: 40_000 }, () => scVec([]))) })),
    ],
    ["balances of as many contracts as there are false claims", claims(8000)],
  ])("%s", (_, fuzzCase) => {
    checkSteps(fuzzCase);
  });
});
