/** Defect 12: restored entries were dropped. (Evicted ones are rows of schema version 2.) */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { RepeatingSource } from "../../src/sources/repeating.ts";
import type { LedgerSource } from "../../src/sources/source.ts";
import { buildLedger, created, id, removed, restored, scU32, updated } from "../ledger/build.ts";
import { LOAD_TEST } from "../support/networks.ts";
import { sharedFolder } from "../support/shared.ts";
import { MadeSource, type Reader, TestServer } from "./support.ts";

async function readAll(source: LedgerSource, first: number, last: number, settings: Record<string, string>) {
  await using server = await TestServer.start(source, settings);
  const session = await server.startSession(first, last);
  return await server.read({ session }).rest();
}

/** Value (base64 of its XDR) and whether deleted, of each row. */
function facts(reader: Reader): [string, boolean][] {
  return reader.batches.flatMap(({ table }) =>
    Array.from({ length: table.numRows }, (_, row): [string, boolean] => [
      table.getChild("val_xdr")!.get(row) as string,
      table.getChild("deleted")!.get(row) as boolean,
    ]),
  );
}

const val = (n: number): string => Buffer.from(scU32(n)).toString("base64");

test("a restored entry is a row, also right before the update or removal of the same entry", async () => {
  const entry = (contract: number, value: number) => ({ contract: id(contract), key: scU32(1), val: scU32(value) });
  const source = new MadeSource((sequence) =>
    buildLedger({
      sequence,
      transactions: [
        { operations: [[created(entry(1, 10)), restored(entry(2, 20))]] },
        { operations: [[restored(entry(3, 30)), updated(entry(3, 31))]] },
        { operations: [[restored(entry(4, 40)), removed(entry(4, 40))]] },
      ],
    }),
  );
  const rows = await readAll(source, 5, 5, {});
  expect(facts(rows)).toEqual([
    [val(10), false],
    [val(20), false],
    [val(30), false],
    [val(31), false],
    [val(40), false],
    [val(40), true],
  ]);
  // the original's rows, for those who compare
  const compat = await readAll(source, 5, 5, { COMPAT: "go" });
  expect(facts(compat)).toEqual([
    [val(10), false],
    [val(31), false],
    [val(40), true],
  ]);
});

const LOADGEN = sharedFolder("ledgers/loadgen");

describe.skipIf(LOADGEN === undefined)("the load test's ledgers of protocol 25", () => {
  test("all 29,760 rows, 7,440 of them restored; without those with COMPAT=go", async () => {
    const network = { NETWORK_PASSPHRASE: LOAD_TEST };
    const source = await RepeatingSource.open(join(LOADGEN!, "load-test-ledgers-v25.xdr.zstd"));
    expect((await readAll(source, 10048, 10077, network)).rows).toBe(29_760);
    expect((await readAll(source, 10048, 10077, { ...network, COMPAT: "go" })).rows).toBe(29_760 - 7_440);
  });
});
