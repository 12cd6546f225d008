/** The first things that a stranger sees have an asset, a holder and a balance in them. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { columnsPage } from "../../scripts/columns-page.ts";
import { describeSchema } from "../../src/columns/schema-description.ts";
import { COMMANDS } from "../../src/main.ts";
import { cli } from "../cli/harness.ts";

const root = join(import.meta.dir, "../..");
const KALE_HOLDER = "CADEI2QDCVK6GX3BIVUYQJSEA6GNXUGZ4QNN62QJAWPJRSIBW6MLDYRZ";

async function rowsOf(lake: string, version: number): Promise<Array<Record<string, unknown>>> {
  const argv = ["decode", join(root, lake), "--format", "ndjson", "--schema-version", String(version)];
  const { code, out } = await cli(argv, COMMANDS);
  expect(code).toBe(0);
  return out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

test("demo prints the balance of a known asset first", async () => {
  const { code, out } = await cli(["demo"], COMMANDS);
  expect(code).toBe(0);
  const [, , first] = out.split("\n");
  expect(first?.trim().split(/\s+/)).toEqual([
    "58752000",
    "CB23W…OUOV",
    "Vec",
    "Persistent",
    "KALE",
    "CADEI…DYRZ",
    "4002027568",
    "asset_contract",
    "13161…14f3",
  ]);
  expect(out).toContain("… and 299 rows more");
});

test("the pubnet sample has a balance, with its asset in schema version 2", async () => {
  const balances = (await rowsOf("sample/lake", 2)).filter((row) => row.balance_holder !== null);
  expect(balances).toMatchObject([{ asset_code: "KALE", balance_holder: KALE_HOLDER, balance: "4002027568" }]);
  expect(balances[0]!.key_json).toEqual({ vec: [{ symbol: "Balance" }, { address: KALE_HOLDER }] });
});

test("sample/balances has 1,000 balances of the native asset, equal to the reference's rows of those ledgers", async () => {
  const rows = await rowsOf("sample/balances", 1);
  const golden = readFileSync(join(root, "test/fixtures/ledgers/load-test-ledgers.tsv"), "utf8").trimEnd().split("\n");
  expect(rows.length).toBe(1000);
  const fields = golden.map((line) => line.split("\t"));
  const ofGolden = fields.map((field) => [field[6], field[12], field[13], field[17]]);
  expect(rows.map((row) => [row.contract_id, row.balance_holder, row.balance, row.ledger_key_hash])).toEqual(ofGolden);
  const assets = new Set((await rowsOf("sample/balances", 2)).map((row) => row.asset_type));
  expect(assets).toEqual(new Set(["AssetTypeAssetTypeNative"]));
});

test("the table of schema version 2 names the asset", async () => {
  const { out } = await cli(
    ["decode", join(root, "sample/balances"), "--format", "table", "--schema-version", "2"],
    COMMANDS,
  );
  expect(out.split("\n")[2]).toContain("native");
});

test("docs/columns.md lists every column of both datasets and versions", () => {
  const page = readFileSync(join(root, "docs/columns.md"), "utf8");
  expect(page).toBe(columnsPage());
  const schemas = [describeSchema(1), describeSchema(2), describeSchema(1, "ttl")];
  const names = schemas.flatMap(({ fields }) => fields.map(({ name }) => name));
  expect([...page.matchAll(/^\| \d+ \| `(\w+)` \|/gm)].map(([, name]) => name!)).toEqual(names);
});
