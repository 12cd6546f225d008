/** Rows dealt out to partitions are, byte for byte, what a decoder with that shard makes. */
import { describe, expect, test } from "bun:test";
import { BatchEncoder } from "../../src/columns/batch-encoder.ts";
import { splitBatch } from "../../src/ledger/batch.ts";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import { RowSet } from "../../src/ledger/row-set.ts";
import { Lake } from "../../src/sources/lake/lake.ts";
import { RowDealer } from "../../src/workers/row-dealer.ts";
import { NETWORK } from "../ledger/build.ts";
import { manyContractsLedger } from "../support/many-contracts.ts";
import { SAMPLE } from "../support/processor.ts";

async function sampleLedgers(): Promise<Uint8Array[]> {
  const source = await Lake.open(SAMPLE.folder);
  const ledgers: Uint8Array[] = [];
  for await (const { bytes } of source.read(SAMPLE.first, SAMPLE.last, new AbortController().signal)) {
    for (const ledger of splitBatch(Bun.zstdDecompressSync(bytes))) ledgers.push(ledger.bytes.slice());
  }
  await source.close();
  return ledgers;
}

/** The batch of all rows of a set. */
function batchOf(rows: RowSet, encoder: BatchEncoder): Buffer {
  const plan = encoder.plan(rows, 0, rows.length);
  const body = new Uint8Array(plan.bodyBytes);
  encoder.write(rows, plan, body);
  return Buffer.concat([encoder.header(plan), body]);
}

const ledgerSets: [string, () => Uint8Array[] | Promise<Uint8Array[]>][] = [
  ["the sample's ledgers", sampleLedgers],
  ["made ledgers of many contracts", () => Array.from({ length: 60 }, (_, at) => manyContractsLedger(1000 + at))],
];

describe("dealing", () => {
  for (const [name, make] of ledgerSets) {
    for (const schemaVersion of [1, 2] as const) {
      for (const count of [2, 3, 16]) {
        test(`${name}, schema version ${schemaVersion}, ${count} partitions`, async () => {
          const ledgers = await make();
          const encoder = () => new BatchEncoder({ schemaVersion, networkPassphrase: NETWORK });
          const options = { networkPassphrase: NETWORK, compat: "default", ...encoder().decoderOptions } as const;
          const partitions = Array.from({ length: count }, () => new RowSet());
          const dealer = new RowDealer("contract_data", partitions);
          const decoder = new LedgerDecoder(options);
          let rows = 0;
          for (const ledger of ledgers) {
            rows += decoder.decode(ledger, dealer.rows).rows;
            dealer.deal();
          }
          for (const [index, dealt] of partitions.entries()) {
            const alone = new RowSet();
            const sharded = new LedgerDecoder({ ...options, filter: { shard: { index, count } } });
            for (const ledger of ledgers) sharded.decode(ledger, alone);
            expect(dealt.length).toBe(alone.length);
            expect(dealt.ledgers.map(({ sequence }) => sequence)).toEqual(
              alone.ledgers.map(({ sequence }) => sequence),
            );
            expect(batchOf(dealt, encoder()).equals(batchOf(alone, encoder()))).toBe(true);
          }
          expect(partitions.reduce((all, { length }) => all + length, 0)).toBe(rows);
          expect(rows).toBeGreaterThan(300);
        });
      }
    }
  }
});
