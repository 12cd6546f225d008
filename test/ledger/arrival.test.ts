/** A ledger that is decoded while its bytes come has the rows that it has when it is there at once. */
import { expect, test } from "bun:test";
import { TsvWriter } from "../../src/columns/text.ts";
import { Arrival, NOT_HERE } from "../../src/ledger/arrival.ts";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import type { DecoderOptions } from "../../src/ledger/decoder-options.ts";
import { RowSet } from "../../src/ledger/row-set.ts";
import { ComingObject } from "../../src/workers/coming-object.ts";
import { Dice } from "../fuzz/dice.ts";
import { loadTestLedgers } from "../fuzz/ledger-fixtures.ts";
import { LOAD_TEST } from "../support/networks.ts";
import { buildLedger, created, scBytes, scU32 } from "./build.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1e6);
const OPTIONS: DecoderOptions = { networkPassphrase: LOAD_TEST, compat: "default", schemaVersion: 2, assets: true };
const [first, second] = loadTestLedgers() as [Uint8Array, Uint8Array];

const text = (rows: RowSet) => Buffer.from(new TsvWriter().write(rows)).toString();

function coming(bytes: number, before: Uint8Array): ComingObject {
  const sequences = { ledgerFirst: 1, ledgerLast: 1 };
  const record = { stream: 1, span: 0, name: "", encoding: "none", container: "ledger" } as const;
  const memory = new Uint8Array(bytes);
  memory.set(before.subarray(0, bytes)); // what is not there yet is what was there before
  return new ComingObject({ ...record, ...sequences, named: sequences }, memory);
}

/** Hands the ledger over in pieces of that size; after `stopAfter` of them there is none. */
function decode(decoder: LedgerDecoder, ledger: Uint8Array, rows: RowSet, piece: () => number, stopAfter = 1e9) {
  const object = coming(ledger.length, second);
  let sent = 0;
  let pieces = 0;
  const more = () => {
    if (++pieces > stopAfter) return false;
    const part = ledger.subarray(sent, sent + piece());
    object.add(part);
    sent += part.length;
    return true;
  };
  more();
  return { summary: object.decode(decoder, [rows], more), object, finish: () => object.add(ledger.subarray(sent)) };
}

test("any pieces, over another ledger's bytes", () => {
  const whole = new RowSet();
  const expected = new LedgerDecoder(OPTIONS).decode(first, whole);
  const dice = new Dice(SEED);
  const decoder = new LedgerDecoder(OPTIONS);
  for (let run = 0; run < 40; run++) {
    const rows = new RowSet();
    const largest = [100, 5_000, 60_000, 300_000, 2_000_000][run % 5]!;
    const { summary } = decode(decoder, first, rows, () => 1 + dice.below(largest));
    if (summary === undefined) continue; // pieces so small that its tries were used up
    expect(summary, `SEED=${SEED}`).toEqual(expected);
    expect(text(rows) === text(whole), `SEED=${SEED}, run ${run}`).toBe(true);
  }
});

test("where it breaks off, nothing is left of it", () => {
  const decoder = new LedgerDecoder(OPTIONS);
  const rows = new RowSet();
  decoder.decode(second, rows);
  const before = text(rows);
  decoder.takeLearned();
  for (const stopAfter of [1, 2, 5, 9]) {
    const { summary, object, finish } = decode(decoder, first, rows, () => 100_000, stopAfter);
    expect(summary).toBeUndefined();
    expect(text(rows) === before && rows.ledgers.length === 1).toBe(true);
    expect(decoder.takeLearned()).toEqual([]);
    finish();
    expect(object.isWhole && Buffer.from(object.bytes).equals(first)).toBe(true);
  }
});

test("a transaction longer than what is waited for, and a tail that is", () => {
  const large = (rows: number) =>
    buildLedger({
      sequence: 1,
      transactions: [1, 2, 3].map(() => ({
        operations: [
          Array.from({ length: rows }, (_, row) => created({ key: scU32(row), val: scBytes(new Uint8Array(40_000)) })),
        ],
      })),
    });
  const ledger = large(20); // 800 kB a transaction
  const whole = new RowSet();
  new LedgerDecoder(OPTIONS).decode(ledger, whole);
  for (const piece of [50_000, 500_000, 1_000_000]) {
    const rows = new RowSet();
    const { summary } = decode(new LedgerDecoder(OPTIONS), ledger, rows, () => piece);
    expect(summary?.rows).toBe(60);
    expect(text(rows) === text(whole)).toBe(true);
  }
});

test("a ledger that is none says so only when it is there", () => {
  const bad = first.slice();
  bad.fill(0xff, bad.length - 50_000);
  const rows = new RowSet();
  const { summary } = decode(new LedgerDecoder(OPTIONS), bad, rows, () => 70_000);
  expect([summary, rows.length]).toEqual([undefined, 0]);
  const arrival = new Arrival(1000, bad.length, () => {
    throw NOT_HERE;
  });
  expect(() => new LedgerDecoder(OPTIONS).decodeComing(arrival, bad, rows)).toThrow(NOT_HERE);
});
