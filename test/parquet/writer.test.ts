/** Random tables through the writer, read back by pyarrow, DuckDB and Polars. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ColumnSlice, ParquetColumn, ParquetType } from "../../src/parquet/column.ts";
import { ParquetWriter } from "../../src/parquet/file-writer.ts";
import { analyticsPython } from "../clients/toolchain.ts";
import { randomFrom, seedOf } from "../support/random.ts";

const SCRIPT = join(import.meta.dir, "..", "clients", "python", "parquet_check.py");
const TYPES: readonly ParquetType[] = ["utf8", "binary", "words", "uint32", "bool", "timestamp", "decimal"];
const WORDS = ["created", "updated", "removed", "é", "Z"];
const folder = mkdtempSync(join(tmpdir(), "parquet-writer-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const python = await analyticsPython();
if (python.missing !== undefined) console.warn(`skipping readers of Parquet: ${python.missing}`);

/** A value as the check has it: text, but for flags; bytes in base64. */
type Value = string | boolean | null;

interface RandomTable {
  columns: ParquetColumn[];
  rows: Value[][];
}

/** What kind of values a column has: few, many, long, … */
type Shape = (random: () => number, row: number) => number;
const SHAPES: readonly Shape[] = [
  (random) => Math.floor(random() * 3),
  (random) => Math.floor(random() * 40_000),
  (_, row) => row,
  (_, row) => Math.floor(row / 50),
  (random, row) => (random() < 0.02 ? row : 7),
];

function textOf(type: ParquetType, number: number, random: () => number): Value {
  switch (type) {
    case "utf8":
      return random() < 0.001 ? "long é".repeat(20_000) : `${number}${"-ü".repeat(number % 9)}`;
    case "binary":
      return Buffer.from(`${number}`.repeat(1 + (number % 5)), "latin1").toString("base64");
    case "words":
      return WORDS[number % WORDS.length]!;
    case "uint32":
      return String(number % 2 === 0 ? number : 0xffff_ffff - number);
    case "bool":
      return number % 2 === 0;
    case "timestamp":
      return String(BigInt(number) * 1_000_003n * (number % 2 === 0 ? 1n : 1_000_000n) - 5_000_000n);
    case "decimal":
      return String((number % 2 === 0 ? -1n : 1n) * 10n ** BigInt(number % 38) - BigInt(number));
  }
}

function randomTable(random: () => number, rowCount: number): RandomTable {
  const makers = TYPES.flatMap((type) => [false, true].map((nullable) => ({ type, nullable })));
  const columns = makers.map(({ type, nullable }) => ({
    ...{ name: `${type}${nullable ? "_or_null" : ""}`, type, nullable, words: type === "words" ? WORDS : undefined },
    hasBloomFilter: type === "utf8",
  }));
  const shapes = columns.map(() => SHAPES[Math.floor(random() * SHAPES.length)]!);
  const nulls = columns.map(() => [0, 0.1, 0.999, 1][Math.floor(random() * 4)]!);
  const rows = Array.from({ length: rowCount }, (_, row) =>
    columns.map(({ type, nullable }, at) =>
      nullable && random() < nulls[at]! ? null : textOf(type, shapes[at]!(random, row), random),
    ),
  );
  return { columns, rows };
}

/** As Arrow has the values. */
function sliceOf({ type, words }: ParquetColumn, values: readonly Value[]): ColumnSlice {
  const validity = new Uint8Array(Math.ceil(values.length / 8));
  values.forEach((value, row) => {
    if (value !== null) validity[row >> 3]! |= 1 << (row & 7);
  });
  const nulls = values.filter((value) => value === null).length;
  const common = { nulls, validity: nulls > 0 ? validity : undefined, offsets: undefined };
  const number = (value: Value) => BigInt((value as string | null) ?? 0);
  switch (type) {
    case "utf8":
    case "binary": {
      const parts = values.map((value) =>
        Buffer.from((value as string | null) ?? "", type === "utf8" ? "utf8" : "base64"),
      );
      const offsets = new Int32Array(values.length + 1);
      parts.forEach((part, row) => {
        offsets[row + 1] = offsets[row]! + part.length;
      });
      return { ...common, offsets, values: Buffer.concat(parts) };
    }
    case "words":
      return { ...common, values: new Uint8Array(values.map((value) => Math.max(0, words!.indexOf(value as string)))) };
    case "bool": {
      const bits = new Uint8Array(validity.length);
      values.forEach((value, row) => {
        if (value === true) bits[row >> 3]! |= 1 << (row & 7);
      });
      return { ...common, values: bits };
    }
    case "uint32":
      return { ...common, values: new Uint8Array(Uint32Array.from(values, (value) => Number(number(value))).buffer) };
    case "timestamp":
      return { ...common, values: new Uint8Array(BigInt64Array.from(values, number).buffer) };
    case "decimal": {
      const halves = values.flatMap((value) =>
        [number(value), number(value) >> 64n].map((half) => BigInt.asIntN(64, half)),
      );
      return { ...common, values: new Uint8Array(BigInt64Array.from(halves).buffer) };
    }
  }
}

/** @param cut rows of the next batch */
function fileOf({ columns, rows }: RandomTable, groupBytes: number, cut: () => number): Uint8Array {
  const file = new ParquetWriter({ columns, groupBytes, metadata: { made: "by a test" } });
  for (let first = 0; first < rows.length; ) {
    const batch = rows.slice(first, first + cut());
    const slices = columns.map((column, at) =>
      sliceOf(
        column,
        batch.map((row) => row[at]!),
      ),
    );
    for (let row = 0; row < batch.length; ) row = file.append(slices, row, batch.length);
    first += batch.length;
  }
  return file.finish();
}

const seedFirst = seedOf();
const ROUNDS = Number(process.env.PARQUET_ROUNDS ?? 1);

describe.each(Array.from({ length: ROUNDS }, (_, round) => seedFirst + round))("random tables, SEED=%d", (seed) => {
  const random = randomFrom(seed);
  const sizes = [0, 1, 8, 9, 100, 3000, 21_000];
  const groups = [100, 3000, 200_000, 1 << 30];
  const tables = sizes.map((size, index) => {
    const table = randomTable(random, size);
    // row groups of a row are slow to read: only where there are few
    const groupBytes = groups[size > 1000 ? 2 + (index % 2) : Math.floor(random() * groups.length)]!;
    return { table, groupBytes };
  });

  test("their bytes do not depend on how rows come in batches", () => {
    for (const { table, groupBytes } of tables) {
      const whole = fileOf(table, groupBytes, () => table.rows.length);
      const cut = fileOf(table, groupBytes, () => 1 + Math.floor(random() * 3000));
      expect(Buffer.compare(whole, cut), `${table.rows.length} rows`).toBe(0);
    }
  });

  test.skipIf(python.missing !== undefined)(
    "pyarrow, DuckDB and Polars read every value, and bounds and bloom filters are true",
    async () => {
      const files = tables.map(({ table, groupBytes }, index) => {
        const file = join(folder, `${seed}-${index}.parquet`);
        writeFileSync(
          file,
          fileOf(table, groupBytes, () => 1 + Math.floor(random() * 10_000)),
        );
        writeFileSync(join(folder, `${seed}-${index}.json`), JSON.stringify({ ...table, file }));
        return join(folder, `${seed}-${index}.json`);
      });
      const child = Bun.spawn([...python.command!, SCRIPT, "values", ...files], { stdout: "pipe", stderr: "pipe" });
      const [out, err] = [await new Response(child.stdout).text(), await new Response(child.stderr).text()];
      expect(await child.exited, err).toBe(0);
      expect(out.trim()).toBe("");
    },
    120_000,
  );
});
