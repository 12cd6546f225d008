/**
 * Ledgers with balances of asset contracts whose instances show up now and then, all following from a seed; and the
 * oracle: one decoder that reads them one after the other and keeps the rule of src/ledger/known-assets.ts.
 */
import { tableFromIPC } from "apache-arrow";
import { BatchEncoder } from "../../src/columns/batch-encoder.ts";
import { encapsulate, streamHead } from "../../src/columns/ipc.ts";
import type { Slot } from "../../src/delivery/slot.ts";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import { KnownAssets, knownFrom } from "../../src/ledger/known-assets.ts";
import { networkId } from "../../src/ledger/network.ts";
import { RowSet } from "../../src/ledger/row-set.ts";
import type { LedgerObject } from "../../src/sources/source.ts";
import type { SchemaVersion } from "../../src/vocabulary/schema-version.ts";
import type { FilterStep } from "../../src/workers/records.ts";
import { sha256 } from "../../src/xdr/sha256.ts";
import { formatStrkey, STRKEY_ACCOUNT } from "../../src/xdr/strkey.ts";
import {
  type Bytes,
  balance,
  buildLedger,
  concat,
  created,
  id,
  NETWORK,
  scBytes,
  scInstance,
  scInstanceKey,
  scMap,
  scString,
  scSymbol,
  scU32,
  scVec,
  u32,
} from "../ledger/build.ts";
import { randomFrom } from "./random.ts";

const issuer = id(0x33);
export const ASSET_ISSUER = formatStrkey(issuer, STRKEY_ACCOUNT);
export const ASSET_CODES = ["AST0", "AST1", "AST2", "AST3"] as const;

/** Of a code with four letters. */
export function assetContract(code: string): Bytes {
  return sha256(concat(u32(8), networkId(NETWORK), u32(1), u32(1), new TextEncoder().encode(code), u32(0), issuer));
}

/** The change that shows which asset a contract is of. */
export function assetInstance(code: string): Bytes {
  const info: [Bytes, Bytes][] = [
    [scSymbol("asset_code"), scString(code)],
    [scSymbol("issuer"), scBytes(issuer)],
  ];
  const storage: [Bytes, Bytes][] = [[scVec([scSymbol("AssetInfo")]), scVec([scSymbol("AlphaNum4"), scMap(info)])]];
  return created({ contract: assetContract(code), key: scInstanceKey, val: scInstance("asset", storage) });
}

export function assetBalance(contract: Bytes, holder: number): Bytes {
  return created({ contract, ...balance(id(holder), 5n) });
}

export interface OracleOptions {
  schemaVersion: SchemaVersion;
  columns?: string[];
  /** Default: every row. */
  filters?: FilterStep[];
  given?: string[];
  delayLedgers: number;
  /** Default true. */
  learns?: boolean;
}

export class AssetWorld {
  private readonly made = new Map<number, Bytes>();

  constructor(readonly seed: number) {}

  ledger(sequence: number): Bytes {
    let bytes = this.made.get(sequence);
    if (bytes === undefined) {
      bytes = this.make(sequence);
      this.made.set(sequence, bytes);
    }
    return bytes;
  }

  /** The lake file with that ledger, of `ledgers` ledgers each. */
  object(sequence: number, ledgers: number): LedgerObject {
    const first = sequence - ((sequence - 1) % ledgers);
    const all = Array.from({ length: ledgers }, (_, index) => this.ledger(first + index));
    const bytes = ledgers === 1 ? all[0]! : concat(u32(first), u32(first + ledgers - 1), u32(ledgers), ...all);
    return {
      name: `ledgers from ${first} on`,
      ledgerFirst: first,
      ledgerLast: first + ledgers - 1,
      encoding: "none",
      container: ledgers === 1 ? "ledger" : "batch",
      bytes,
    };
  }

  /** Rows of a stream of these ledgers. */
  rows(first: number, last: number, options: OracleOptions): string[] {
    const { schemaVersion, columns, delayLedgers, given, learns = true } = options;
    const filters = options.filters ?? [{ ledgerFrom: first, filter: {} }];
    const reader = new RowReader(schemaVersion, columns);
    const knownAssets = new KnownAssets(NETWORK, given);
    const decoders = filters.map(({ filter }) => {
      const base = { networkPassphrase: NETWORK, compat: "default", knownAssets } as const;
      return new LedgerDecoder({ ...base, filter: filter as never, ...reader.encoder.decoderOptions });
    });
    const rows = new RowSet();
    const found: string[] = [];
    for (let ledger = first; ledger <= last; ledger++) {
      const decoder = decoders[filters.findLastIndex(({ ledgerFrom }) => ledgerFrom <= ledger)]!;
      decoder.decode(this.ledger(ledger), rows);
      for (const { asset, ledgerSequence } of decoder.takeLearned()) {
        if (learns) knownAssets.add(asset, knownFrom(ledgerSequence, delayLedgers));
      }
      if (rows.length > 0) found.push(...reader.rowsOfSet(rows));
      rows.clear();
    }
    return found;
  }

  private make(sequence: number): Bytes {
    const random = randomFrom(this.seed * 1_000_003 + sequence);
    for (let warmUp = 0; warmUp < 8; warmUp++) random();
    const rows = random() < 0.1 ? 150 : Math.floor(random() * 5); // some take a worker much longer
    const operations = Array.from({ length: rows }, (_, row) => {
      const code = ASSET_CODES[Math.floor(random() * ASSET_CODES.length)]!;
      return [assetBalance(random() < 0.1 ? id(200) : assetContract(code), row)];
    });
    if (random() < 0.15) operations.push([assetInstance(ASSET_CODES[Math.floor(random() * ASSET_CODES.length)]!)]);
    if (random() < 0.3) operations.push([created({ contract: id(1), key: scU32(sequence) })]);
    return buildLedger({ sequence, transactions: [{ operations }] });
  }
}

/** Rows of batches as texts with the cells of all columns. */
export class RowReader {
  readonly encoder: BatchEncoder;
  private readonly head: Uint8Array;

  constructor(schemaVersion: SchemaVersion, columns?: string[]) {
    this.encoder = new BatchEncoder({ schemaVersion, networkPassphrase: NETWORK, columns });
    this.head = streamHead(this.encoder);
  }

  rowsOfSlot({ dataHeader, dataBody }: Slot): string[] {
    return this.rows(dataHeader, dataBody);
  }

  rowsOfSet(set: RowSet): string[] {
    const plan = this.encoder.plan(set, 0, set.length);
    const body = new Uint8Array(plan.bodyBytes);
    this.encoder.write(set, plan, body);
    return this.rows(this.encoder.header(plan), body);
  }

  private rows(header: Uint8Array, body: Uint8Array): string[] {
    const table = tableFromIPC(Buffer.concat([this.head, encapsulate(header), body]));
    const columns = table.schema.fields.map(({ name }) => table.getChild(name)!);
    return Array.from({ length: table.numRows }, (_, row) =>
      columns.map((column) => String(column.get(row))).join("|"),
    );
  }
}
