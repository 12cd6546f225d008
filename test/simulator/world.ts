/** The simulated world: ledgers that follow from a seed, sources that stall and fail, and the oracle's rows. */
import { BatchEncoder } from "../../src/columns/batch-encoder.ts";
import { CodedError } from "../../src/error.ts";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import { KnownAssets, knownFrom } from "../../src/ledger/known-assets.ts";
import { RowSet } from "../../src/ledger/row-set.ts";
import type { ComingBytes, LedgerObject, LedgerSource, TroubleListener } from "../../src/sources/source.ts";
import type { FilterRecord } from "../../src/vocabulary/row-filter.ts";
import type { FilterStep } from "../../src/workers/records.ts";
import { formatStrkey, STRKEY_CONTRACT } from "../../src/xdr/strkey.ts";
import { buildLedger, concat, created, id, NETWORK, removed, scBytes, scU32, state, u32 } from "../ledger/build.ts";
import { ASSET_CODES, ASSET_ISSUER, assetBalance, assetContract, assetInstance } from "../support/asset-world.ts";
import { rowsOf } from "../support/pipeline.ts";
import { randomFrom } from "../support/random.ts";

const CONTRACTS = 4;
const VALUE_BYTES_MAX = 60_000; // a batch of one row stays under its limit

/** What sessions of a simulation may be filtered by. */
export const FILTERS: readonly FilterRecord[] = [
  { includeDeleted: true },
  { includeDeleted: false },
  { includeDeleted: true, contractIds: [formatStrkey(id(1), STRKEY_CONTRACT)] },
  { includeDeleted: true, contractIds: [2, 3].map((contract) => formatStrkey(id(contract), STRKEY_CONTRACT)) },
  { includeDeleted: true, contractIds: [formatStrkey(id(200), STRKEY_CONTRACT)] }, // none of them
  // Balances of these are selected once the ledgers have shown their contracts' instances.
  { includeDeleted: true, assetCodes: [ASSET_CODES[0], ASSET_CODES[2]] },
  { includeDeleted: true, assetIssuers: [ASSET_ISSUER] },
];

/** So much later a ledger's assets are known: sessions of a simulation are short. */
export const DELAYS_LEDGERS = [1, 3, 8, 20];

interface WorldOptions {
  /** Size of the largest ledgers. */
  ledgerBytesLarge: number;
  /** Whether some ledgers cannot be decoded. */
  bad: boolean;
}

/** Randomness that follows from all its parts; neighbouring numbers give nothing alike. */
export function seeded(...parts: (string | number)[]): () => number {
  return randomFrom(Number(BigInt(Bun.hash(parts.join(" "))) & 0xffffffffn));
}

/** Ledgers of one seed: the same number is always the same ledger. */
export class World {
  private readonly plain = new Map<number, Uint8Array>();
  private readonly expected = new Map<string, string[]>();
  private readonly places = new Map<number, Map<string, number>>();
  private readonly encoder = new BatchEncoder({ schemaVersion: 1, networkPassphrase: NETWORK });

  constructor(
    readonly seed: number,
    private readonly options: WorldOptions,
  ) {}

  ledger(sequence: number): Uint8Array {
    let bytes = this.plain.get(sequence);
    if (bytes === undefined) {
      bytes = this.make(sequence);
      this.plain.set(sequence, bytes);
    }
    return bytes;
  }

  get hasBad(): boolean {
    return this.options.bad;
  }

  /** Whether the ledger cannot be decoded. */
  isBad(sequence: number): boolean {
    return this.options.bad && seeded(this.seed, "bad", sequence)() < 0.02;
  }

  /** The oracle: rows of one ledger under a filter, decoded here and now. */
  rows(sequence: number, filter: FilterRecord): string[] {
    const key = `${sequence} ${JSON.stringify(filter)}`;
    let rows = this.expected.get(key);
    if (rows === undefined) {
      rows = this.decode(sequence, filter);
      this.expected.set(key, rows);
    }
    return rows;
  }

  /** The place of a ledger's row, given as text: no two rows of a ledger are alike here. */
  placeOf(sequence: number, row: string): number {
    let places = this.places.get(sequence);
    if (places === undefined) {
      const set = new RowSet();
      new LedgerDecoder({ networkPassphrase: NETWORK, compat: "default" }).decode(this.ledger(sequence), set);
      places = new Map(this.rows(sequence, { includeDeleted: true }).map((text, at) => [text, set.place[at]!]));
      this.places.set(sequence, places);
    }
    return places.get(row)!;
  }

  private decode(sequence: number, filter: FilterRecord, knownAssets?: KnownAssets, assetDelayLedgers = 0): string[] {
    const set = new RowSet();
    const base = { networkPassphrase: NETWORK, compat: "default", knownAssets } as const;
    const decoder = new LedgerDecoder({ ...base, filter: filter as never });
    decoder.decode(this.ledger(sequence), set);
    for (const { asset, ledgerSequence } of decoder.takeLearned()) {
      knownAssets?.add(asset, knownFrom(ledgerSequence, assetDelayLedgers));
    }
    const plan = this.encoder.plan(set, 0, set.length);
    const body = new Uint8Array(plan.bodyBytes);
    this.encoder.write(set, plan, body);
    return set.length === 0 ? [] : rowsOf(this.encoder.header(plan), body);
  }

  /** Rows from `first` to `last`, each ledger under the filter of its step; bad ledgers have none and teach nothing. */
  allRows(first: number, last: number, steps: readonly FilterStep[], assetDelayLedgers: number): string[] {
    const all: string[] = [];
    const known = new KnownAssets(NETWORK);
    for (let ledger = first; ledger <= last; ledger++) {
      const { filter } = steps.findLast(({ ledgerFrom }) => ledgerFrom <= ledger)!;
      if (this.isBad(ledger)) continue;
      const namesAssets = filter.assetCodes !== undefined || filter.assetIssuers !== undefined;
      const rows = namesAssets ? this.decode(ledger, filter, known, assetDelayLedgers) : this.rows(ledger, filter);
      for (const row of rows) all.push(row);
    }
    return all;
  }

  private make(sequence: number): Uint8Array {
    const random = seeded(this.seed, "ledger", sequence);
    const kind = random();
    const rows = kind < 0.4 ? 0 : kind < 0.9 ? Math.floor(random() * 40) : Math.floor(random() * 700);
    const valBytes =
      kind > 0.985 ? Math.floor(this.options.ledgerBytesLarge / Math.max(1, rows)) : Math.floor(random() * 300);
    const changes = Array.from({ length: rows }, (_, row) => {
      const data = {
        contract: id(1 + Math.floor(random() * CONTRACTS)),
        key: scU32(row),
        val: scBytes(new Uint8Array(Math.min(valBytes, VALUE_BYTES_MAX)).fill(row)),
      };
      return random() < 0.2 ? [state(data), removed(data)] : [created(data)];
    });
    const operations = [changes.flat()];
    const code = () => ASSET_CODES[Math.floor(random() * ASSET_CODES.length)]!;
    if (random() < 0.5) operations.push([0, 1, 2].map((row) => assetBalance(assetContract(code()), row)));
    if (random() < 0.15) operations.push([assetInstance(code())]);
    return buildLedger({ sequence, transactions: [{ operations }] });
  }
}

interface SourceOptions {
  /** Chance of a stall, of a failure, a ledger. */
  stalls: number;
  failures: number;
  /** Ledgers a lake file. */
  batch: number;
  zstd: boolean;
}

/** A source over the world: plain or compressed ledgers, alone or in files, with stalls and failures. */
export class SimulatedSource implements LedgerSource {
  readonly description = "simulated ledgers";
  readonly seekable = true;
  /** Reads under way. */
  reading = 0;

  constructor(
    private readonly world: World,
    private readonly options: SourceOptions,
    private readonly random: () => number,
  ) {}

  networkPassphrase(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  ledgerLatest(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async *read(
    start: number,
    end: number,
    signal: AbortSignal,
    _onTrouble?: TroubleListener,
    takesComing = false,
  ): AsyncGenerator<LedgerObject> {
    const { stalls, failures, batch, zstd } = this.options;
    this.reading += 1;
    try {
      let next = start;
      while (next <= end) {
        if (this.random() < stalls) await new Promise((resolve) => setTimeout(resolve, this.random() * 25));
        else if (this.random() < 0.3) await new Promise((resolve) => setImmediate(resolve));
        if (signal.aborted) return;
        if (this.random() < failures) throw CodedError.received("UNAVAILABLE", "SIMULATED", "the source went away");
        const first = batch === 1 ? next : next - ((next - 1) % batch);
        const last = first + batch - 1;
        const object = this.object(first, last, zstd);
        const coming = takesComing && this.random() < 0.5 ? this.coming(object.bytes) : undefined;
        yield { ...object, coming };
        if (coming?.isLost) yield object;
        next = last + 1;
      }
    } finally {
      this.reading -= 1;
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private object(first: number, last: number, zstd: boolean): LedgerObject {
    const ledgers: Uint8Array[] = [];
    for (let ledger = first; ledger <= last; ledger++) ledgers.push(this.bytes(ledger));
    const single = last === first;
    const bytes = single ? ledgers[0]! : concat(u32(first), u32(last), u32(ledgers.length), ...ledgers);
    return {
      name: `simulated ledgers ${first} to ${last}`,
      ledgerFirst: first,
      ledgerLast: last,
      encoding: zstd ? "zstd" : "none",
      container: single ? "ledger" : "batch",
      bytes: zstd ? Bun.zstdCompressSync(bytes as Uint8Array<ArrayBuffer>, { level: 1 }) : bytes,
    };
  }

  /** Bytes that come piece by piece, of which some never come. */
  private coming({ length }: Uint8Array): ComingBytes & { isLost: boolean } {
    const lastToCome = this.random() < 0.2 ? Math.floor(this.random() * length) : length;
    let filled = 0;
    const coming = {
      isLost: false,
      filled: () => filled,
      until: async (bytes: number) => {
        if (this.random() < 0.1) await new Promise((resolve) => setTimeout(resolve, this.random() * 5));
        else await new Promise((resolve) => setImmediate(resolve));
        filled = Math.min(lastToCome, bytes + Math.floor((this.random() * length) / 4));
        coming.isLost = filled < bytes;
        return !coming.isLost;
      },
    };
    return coming;
  }

  private bytes(ledger: number): Uint8Array {
    const bytes = this.world.ledger(ledger);
    return this.world.isBad(ledger) ? bytes.subarray(0, bytes.length - 4) : bytes;
  }
}
