/** A decoder stands for as long as its stream does: what it keeps of a ledger stays in memory once for each stream and worker. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BatchEncoder } from "../../src/columns/batch-encoder.ts";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import { RowSet } from "../../src/ledger/row-set.ts";
import type { Dataset } from "../../src/vocabulary/dataset.ts";
import { PUBNET } from "../support/networks.ts";

const FILE = join(import.meta.dir, "../fixtures/ledgers/58752000.xdr.zst");
const content = Bun.zstdDecompressSync(new Uint8Array(readFileSync(FILE)));

/** The way by which `from` refers to that memory; undefined where it does not. */
function wayTo(memory: ArrayBufferLike, from: unknown, seen = new Set<unknown>()): string | undefined {
  if (typeof from !== "object" || from === null || seen.has(from)) return undefined;
  seen.add(from);
  if (from === memory) return "";
  if (ArrayBuffer.isView(from)) return wayTo(memory, from.buffer, seen);
  const parts = from instanceof Map || from instanceof Set ? [...from].entries() : Object.entries(from);
  for (const [name, part] of parts) {
    const way = wayTo(memory, part, seen);
    if (way !== undefined) return `.${name}${way}`;
  }
  return undefined;
}

test.each([
  ["contract data", ["contract_data"]],
  ["TTLs", ["ttl"]],
  ["both", ["contract_data", "ttl"]],
] as [string, Dataset[]][])("of a ledger whose rows are cleared nothing is kept: %s", (_, datasets) => {
  const decoder = new LedgerDecoder({ networkPassphrase: PUBNET, compat: "default", schemaVersion: 2, datasets });
  const sets = datasets.map(() => new RowSet());
  const encoders = datasets.map(
    (dataset) => new BatchEncoder({ dataset, schemaVersion: dataset === "ttl" ? 1 : 2, networkPassphrase: PUBNET }),
  );
  const bytes = new Uint8Array(content);
  decoder.decode(bytes, ...sets);
  expect(wayTo(bytes.buffer, sets)).toBeDefined(); // rows refer to it until then
  for (const [index, rows] of sets.entries()) {
    const plan = encoders[index]!.plan(rows, 0, rows.length);
    encoders[index]!.write(rows, plan, new Uint8Array(plan.bodyBytes));
    rows.clear();
  }
  expect(wayTo(bytes.buffer, { decoder, encoders, sets })).toBeUndefined();
});
