import { expect, test } from "bun:test";
import { appendFileSync, writeFileSync } from "node:fs";
import { openSource } from "../../../src/sources/open.ts";
import type { LedgerSource } from "../../../src/sources/source.ts";
import { failureOf } from "../../support/failure.ts";
import { until } from "../../support/until.ts";
import { Fifo, records, sequence } from "./meta-fixture.ts";

const never = new AbortController().signal;

async function read(source: LedgerSource, start: number, end: number, seen: number[] = []): Promise<number[]> {
  for await (const { ledgerFirst } of source.read(start, end, never)) seen.push(ledgerFirst);
  return seen;
}

test("a file is read from its beginning by each read, and waited for at its end", async () => {
  using folder = new Fifo({ make: false });
  const bytes = records(5, 40);
  writeFileSync(folder.path, bytes.subarray(0, 10_000));
  const source = await openSource({ kind: "meta", path: folder.path }, { peer: {} });
  expect(await read(source, 7, 20)).toEqual(sequence(7, 20));
  expect(await read(source, 5, 9)).toEqual(sequence(5, 9));
  const seen: number[] = [];
  const following = read(source, 10, 40, seen);
  await until(() => seen.at(-1)! >= 20, "it is at the end");
  appendFileSync(folder.path, bytes.subarray(10_000));
  expect(await following).toEqual(sequence(10, 40));
  expect(await source.ledgerLatest()).toBe(40);
  const before = await failureOf(read(source, 4, 9));
  expect([before.code, before.reason]).toEqual(["OUT_OF_RANGE", "LEDGER_BEFORE_SOURCE"]);
  expect(before.message).toContain("ledger 4 was asked for, and the oldest");
  const waiting = read(source, 41, 0);
  await Bun.sleep(20);
  await source.close();
  expect(await waiting).toEqual([]);
});

test("ledgers that it has again are left out, one that it has not is missing", async () => {
  using folder = new Fifo({ make: false });
  writeFileSync(folder.path, Buffer.concat([records(5, 9), records(7, 12), records(14, 15)]));
  const source = await openSource({ kind: "meta", path: folder.path }, { peer: {} });
  const seen: number[] = [];
  const error = await failureOf(read(source, 5, 15, seen));
  expect([error.code, error.reason]).toEqual(["NOT_FOUND", "LEDGER_MISSING"]);
  expect(seen).toEqual(sequence(5, 12));
  await source.close();
});

test("a file that is begun anew is read again", async () => {
  using folder = new Fifo({ make: false });
  writeFileSync(folder.path, records(5, 9));
  const source = await openSource({ kind: "meta", path: folder.path }, { peer: {} });
  const seen: number[] = [];
  const following = failureOf(read(source, 5, 0, seen));
  await until(() => seen.at(-1) === 9, "it is at the end");
  writeFileSync(folder.path, records(8, 10));
  const error = await following;
  expect([error.code, error.reason]).toEqual(["UNAVAILABLE", "SOURCE_UNAVAILABLE"]);
  expect(await read(source, 10, 10)).toEqual([10]);
  await source.close();
});
