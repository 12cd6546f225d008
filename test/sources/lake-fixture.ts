/** Lakes made on the spot, of ledgers that are as small as ledgers can be. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { batchRange, type LakeLayout, lakeKey } from "../../src/sources/lake/lake-layout.ts";
import { chainOf, link } from "../support/chain.ts";

export const SINGLE: LakeLayout = { ledgersPerBatch: 1, batchesPerPartition: 10, extension: "zst" };

const tinyBefore = chainOf(unlinkedTiny);

/**
 * The smallest LedgerCloseMeta: V0 with an empty transaction set (412 bytes), with this sequence number. The chain of
 * those with the default close time holds.
 */
export function tinyLedger(sequence: number, closeTime?: number): Uint8Array {
  const bytes = unlinkedTiny(sequence, closeTime);
  link(bytes, tinyBefore(sequence));
  return bytes;
}

function unlinkedTiny(sequence: number, closeTime = 1_700_000_000 + sequence * 5): Uint8Array {
  const bytes = new Uint8Array(412);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(4 + 32 + 4 + 32 + 32, BigInt(closeTime));
  view.setUint32(4 + 32 + 4 + 32 + 32 + 8 + 4 + 4 + 64, sequence);
  return bytes;
}

export function batchOf(
  first: number,
  last: number,
  ledger: (sequence: number) => Uint8Array = tinyLedger,
): Uint8Array {
  const ledgers = Array.from({ length: last - first + 1 }, (_, i) => ledger(first + i));
  const head = new Uint8Array(12);
  const view = new DataView(head.buffer);
  view.setUint32(0, first);
  view.setUint32(4, last);
  view.setUint32(8, ledgers.length);
  return new Uint8Array(Buffer.concat([head, ...ledgers]));
}

export class TemporaryLake {
  readonly folder = mkdtempSync(path.join(tmpdir(), "lake-"));

  constructor(
    readonly layout: LakeLayout = SINGLE,
    manifest: Record<string, unknown> | "none" = {},
  ) {
    if (manifest === "none") return;
    const { ledgersPerBatch, batchesPerPartition, extension } = layout;
    const fields = {
      networkPassphrase: "test",
      version: "1.0",
      compression: extension,
      ledgersPerBatch,
      batchesPerPartition,
    };
    this.write(".config.json", new TextEncoder().encode(JSON.stringify({ ...fields, ...manifest })));
  }

  path(key: string): string {
    return path.join(this.folder, key);
  }

  pathOf(ledger: number): string {
    return this.path(lakeKey(this.layout, ledger));
  }

  /** Puts the file of `ledger` there in one step, as a careful writer does. Returns its stored bytes. */
  put(ledger: number, layout: LakeLayout = this.layout): Uint8Array {
    const { ledgerFirst, ledgerLast } = batchRange(layout, ledger);
    const bytes = new Uint8Array(Bun.zstdCompressSync(batchOf(ledgerFirst, ledgerLast)));
    this.write(lakeKey(layout, ledger), bytes);
    return bytes;
  }

  putAll(first: number, last: number): this {
    for (let ledger = first; ledger <= last; ledger += this.layout.ledgersPerBatch) this.put(ledger);
    return this;
  }

  write(key: string, bytes: Uint8Array): void {
    const target = this.path(key);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(`${target}.part`, bytes);
    renameSync(`${target}.part`, target);
  }

  remove(ledger: number): void {
    rmSync(this.pathOf(ledger));
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
