/** What proto/schemas/ says is what the code does, and no change to it may break a reader. */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { generateSchemas } from "../../scripts/generate-schemas.ts";
import { versionsOf } from "../../src/columns/datasets.ts";
import { describeSchema, type SchemaDescription, schemaCompatibility } from "../../src/columns/schema-description.ts";

const DIRECTORY = join(import.meta.dir, "../../proto/schemas");
const committed = (version: number): SchemaDescription =>
  JSON.parse(readFileSync(join(DIRECTORY, `contract_data_v${version}.json`), "utf8"));

test("the committed descriptions are current (else: make generate)", () => {
  const files = generateSchemas();
  expect(readdirSync(DIRECTORY).sort()).toEqual([...files.keys()].sort());
  for (const [name, content] of files) expect(readFileSync(join(DIRECTORY, name), "utf8")).toBe(content);
});

test.each([...versionsOf("contract_data")])("version %p breaks no reader of its committed description", (version) => {
  expect(schemaCompatibility(committed(version), describeSchema(version))).toEqual([]);
});

test("version 2 says that it is none of version 1", () => {
  expect(schemaCompatibility(committed(1), committed(2))).toContain("schema_version was 1.0 and is 2.0");
});

describe("schemaCompatibility", () => {
  const changed = (change: (schema: SchemaDescription) => void): string[] => {
    const after = structuredClone(committed(2));
    change(after);
    return schemaCompatibility(committed(2), after);
  };
  const field = (schema: SchemaDescription, name: string) => schema.fields.find((one) => one.name === name)!;

  test.each<[string, (schema: SchemaDescription) => void]>([
    ["a new field at the end", (s) => s.fields.push({ name: "n", type: "utf8", nullable: false, description: "" })],
    ["null where there was none", (s) => (field(s, "contract_id").nullable = true)],
    ["a new word", (s) => field(s, "change_type").dictionary!.values.push("merged")],
    ["another description", (s) => (field(s, "contract_id").description = "other")],
    ["more metadata", (s) => s.metadata_keys.push("more")],
  ])("allows %s", (_, change) => {
    expect(changed(change)).toEqual([]);
  });

  test.each<[string, (schema: SchemaDescription) => void, string]>([
    ["a field that is gone", (s) => s.fields.pop(), "field balance_kind is gone"],
    ["another name", (s) => (field(s, "balance").name = "amount"), "field balance is gone"],
    [
      "another type",
      (s) => (field(s, "balance").type = "int64"),
      "type of field balance was decimal128(38, 0) and is int64",
    ],
    ["no null any more", (s) => (field(s, "balance").nullable = false), "field balance was nullable and is not"],
    ["another order", (s) => s.fields.reverse(), "place of field contract_id was 0 and is 30"],
    [
      "a field in the middle",
      (s) => s.fields.splice(3, 0, { ...s.fields[3]!, name: "n" }),
      "place of field asset_code was 3 and is 4",
    ],
    [
      "no dictionary",
      (s) => delete field(s, "change_type").dictionary,
      "field change_type is a dictionary in one of the two only",
    ],
    [
      "words in another order",
      (s) => field(s, "change_type").dictionary!.values.reverse(),
      "word 0 of field change_type was created",
    ],
    [
      "another dictionary id",
      (s) => (field(s, "change_type").dictionary!.id = 9),
      "dictionary of field change_type has another id",
    ],
    ["metadata that is gone", (s) => s.metadata_keys.pop(), "metadata network_passphrase is gone"],
    ["another natural key", (s) => s.natural_key.pop(), "natural_key was"],
  ])("refuses %s", (_, change, message) => {
    expect(changed(change)).toContainEqual(expect.stringContaining(message));
  });
});
