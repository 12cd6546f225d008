/** Made ledgers with the changes of many contracts, as lake files and as single ledgers, up to a tip that the test moves. */
import type { LedgerObject, LedgerSource } from "../../src/sources/source.ts";
import { buildLedger, concat, created, removed, scBytes, scU32, state, u32, updated } from "../ledger/build.ts";

const CONTRACTS = 40;
const FILE_LEDGERS = 4; // every other four ledgers are one compressed file
const VALUE_BYTES = [20, 400, 100, 900];

/** 32 bytes, different for each. */
function contractId(contract: number): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, at) => (contract * 37 + at * at * 11) & 0xff);
}

/** Every seventh ledger has no rows; the others some 12 to 29. */
export function manyContractsLedger(sequence: number): Uint8Array {
  const count = sequence % 7 === 0 ? 0 : 12 + (sequence % 18);
  const changes = Array.from({ length: count }, (_, row) => {
    const contract = contractId((sequence * 7 + row * row) % CONTRACTS);
    const val = scBytes(new Uint8Array(VALUE_BYTES[(sequence + row) % 4]!).fill(row));
    const data = { contract, key: scU32(row), val };
    if (row % 5 === 1) return [state(data), removed(data)];
    return row % 3 === 0 ? [created(data)] : [state(data), updated(data)];
  });
  const half = changes.length >> 1;
  const transactions = [changes.slice(0, half), changes.slice(half)].map((each) => ({ operations: [each.flat()] }));
  return buildLedger({ sequence, transactions });
}

export class ManyContractsSource implements LedgerSource {
  readonly description = "made ledgers of many contracts";
  /** Last ledger that is there; reading waits behind it, as at the tip. */
  tip = Number.POSITIVE_INFINITY;
  private readonly objects = new Map<number, LedgerObject>();

  constructor(
    readonly seekable = true,
    private readonly make: (sequence: number) => Uint8Array = manyContractsLedger,
  ) {}

  networkPassphrase(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async ledgerLatest(): Promise<number | undefined> {
    return Number.isFinite(this.tip) ? this.tip : undefined;
  }

  async *read(start: number, end: number, signal: AbortSignal): AsyncGenerator<LedgerObject> {
    for (let next = start; (end === 0 || next <= end) && !signal.aborted; ) {
      const object = this.objectOf(next);
      while (object.ledgerLast > this.tip && !signal.aborted) await Bun.sleep(2);
      if (signal.aborted) return;
      yield object;
      next = object.ledgerLast + 1;
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private objectOf(sequence: number): LedgerObject {
    const inFile = Math.floor(sequence / FILE_LEDGERS) % 2 === 0;
    const first = inFile ? sequence - (sequence % FILE_LEDGERS) : sequence;
    let object = this.objects.get(first);
    if (object === undefined) {
      object = inFile ? fileOf(first, this.make) : ledgerOf(first, this.make);
      this.objects.set(first, object);
    }
    return object;
  }
}

function ledgerOf(sequence: number, make: (sequence: number) => Uint8Array): LedgerObject {
  const bytes = make(sequence);
  return {
    name: `made ledger ${sequence}`,
    ledgerFirst: sequence,
    ledgerLast: sequence,
    encoding: "none",
    container: "ledger",
    bytes,
  };
}

function fileOf(first: number, make: (sequence: number) => Uint8Array): LedgerObject {
  const last = first + FILE_LEDGERS - 1;
  const ledgers = Array.from({ length: FILE_LEDGERS }, (_, index) => make(first + index));
  const bytes = Bun.zstdCompressSync(concat(u32(first), u32(last), u32(FILE_LEDGERS), ...ledgers));
  return {
    name: `made ledgers ${first} to ${last}`,
    ledgerFirst: first,
    ledgerLast: last,
    encoding: "zstd",
    container: "batch",
    bytes,
  };
}
