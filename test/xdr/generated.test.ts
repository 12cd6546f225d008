/** What is committed under src/xdr/generated is what the generator writes. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { generateXdr } from "../../scripts/generate-xdr.ts";
import { SCVAL_TYPE_NAMES } from "../../src/ledger/terms.ts";
import { RECURSIVE_TYPES, XDR_TYPES } from "../../src/xdr/generated/types.ts";

const DIRECTORY = join(import.meta.dir, "../../src/xdr/generated");

test("the generated files are current (else: make generate)", () => {
  const files = generateXdr();
  expect(readdirSync(DIRECTORY).sort()).toEqual([...files.keys()].sort());
  for (const [name, content] of files) {
    expect(readFileSync(join(DIRECTORY, name), "utf8") === content).toBe(true);
  }
});

test("every type that recurses counts towards the depth limit", () => {
  expect([...RECURSIVE_TYPES]).toEqual(
    expect.arrayContaining(["ClaimPredicate", "ScVal", "SorobanAuthorizedInvocation"]),
  );
});

test("every ScVal arm has a name for contract_key_type", () => {
  const definition = XDR_TYPES.ScVal!;
  const arms = definition[0] === "union" ? definition[2] : [];
  expect(arms.map(([value]) => value)).toEqual(SCVAL_TYPE_NAMES.map((_, i) => i));
});
