/** Real members of joins, over the same ledgers: folders, RPC servers, raw-ledger services. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { JoinLimits } from "../../../src/sources/join/join-limits.ts";
import type { MemberSpec } from "../../../src/sources/join/join-member.ts";
import { JoinSource } from "../../../src/sources/join/join-source.ts";
import { Lake } from "../../../src/sources/lake/lake.ts";
import { type LakeLayout, lakeKey } from "../../../src/sources/lake/lake-layout.ts";
import { META_WINDOW_BYTES_MAX, MetaSource } from "../../../src/sources/meta/meta-source.ts";
import { PipeFeed } from "../../../src/sources/meta/pipe-feed.ts";
import { RawLedgerSource } from "../../../src/sources/raw-ledger/raw-ledger-grpc.ts";
import { RepeatingSource } from "../../../src/sources/repeating.ts";
import { RpcSource } from "../../../src/sources/rpc/rpc-source.ts";
import type { LedgerSource } from "../../../src/sources/source.ts";
import { PUBNET } from "../../support/networks.ts";
import { SAMPLE } from "../../support/processor.ts";
import { batchOf, TemporaryLake } from "../lake-fixture.ts";

/** Short waits, so that a test sees many of them. */
const QUICK: Partial<JoinLimits> = { silentMsMax: 300, retryMsMin: 20, retryMsMax: 100, steadyMs: 50 };

/** The first of `realLedgers`: where a file of 64 ledgers begins. */
export const REAL_FIRST = 58_752_000;

/** The sample's ledgers again and again under numbers from REAL_FIRST on. */
export async function realLedgers(count: number): Promise<Map<number, Uint8Array>> {
  const sample = await RepeatingSource.open(SAMPLE.folder);
  const ledgers = new Map<number, Uint8Array>();
  const { signal } = new AbortController();
  for await (const { ledgerFirst, bytes } of sample.read(REAL_FIRST, REAL_FIRST + count - 1, signal)) {
    ledgers.set(ledgerFirst, bytes);
  }
  return ledgers;
}

/** A lake of such ledgers, in files of some. */
export class LakeOf extends TemporaryLake {
  constructor(
    private readonly ledgers: ReadonlyMap<number, Uint8Array>,
    ledgersPerBatch = 1,
    network = PUBNET,
  ) {
    const layout: LakeLayout = { ledgersPerBatch, batchesPerPartition: 64, extension: "zst" };
    super(layout, { networkPassphrase: network });
  }

  /** The files of these ledgers; the last one is left out where it is not whole. */
  add(first: number, last: number): this {
    const size = this.layout.ledgersPerBatch;
    for (let from = first - (first % size); from + size - 1 <= last; from += size) {
      const batch = batchOf(from, from + size - 1, (sequence) => this.ledgers.get(sequence)!);
      this.write(lakeKey(this.layout, from), new Uint8Array(Bun.zstdCompressSync(batch)));
    }
    return this;
  }
}

/** A file of ledgers behind their lengths, as the Go source reads it. */
export class RecordFile implements Disposable {
  private readonly folder = mkdtempSync(path.join(tmpdir(), "records-"));
  readonly path = path.join(this.folder, "ledgers");

  constructor(ledgers: Iterable<Uint8Array>) {
    const parts: Uint8Array[] = [];
    for (const ledger of ledgers) {
      const length = new Uint8Array(4);
      new DataView(length.buffer).setUint32(0, ledger.length);
      parts.push(length, ledger);
    }
    writeFileSync(this.path, Buffer.concat(parts));
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A lake as a member. */
export const lakeMember = (folder: string): MemberSpec => ({
  name: `lake ${folder}`,
  isTip: false,
  open: () => Lake.open(folder, { followPollMs: 5, lateFileMsMax: 200 }),
});

/** An RPC server as a member. */
export const rpcMember = (url: string): MemberSpec => ({
  name: "RPC server",
  isTip: true,
  open: async () => new RpcSource(url, { lookMsMin: 5, retryMsMin: 5, waitMsMax: 500 }),
});

/** What core writes to a FIFO as a member. */
export const metaMember = (fifo: string): MemberSpec => ({
  name: `meta stream ${fifo}`,
  isTip: true,
  open: async () => new MetaSource(new PipeFeed(fifo), META_WINDOW_BYTES_MAX),
});

/** A raw-ledger service as a member. */
export const rawMember = (address: string): MemberSpec => ({
  name: `raw ledgers from ${address}`,
  isTip: true,
  open: async () => new RawLedgerSource(address, { reconnectMsMin: 5, reconnectMsMax: 20 }),
});

/** Opened with short waits. */
export function join(members: readonly MemberSpec[], limits: Partial<JoinLimits> = {}): Promise<JoinSource> {
  return JoinSource.open(members, { ...QUICK, ...limits });
}

/** A member that counts how often it is read, and by whom. */
export function counted(spec: MemberSpec): MemberSpec & { reads: number; given: number[] } {
  const counts = {
    ...spec,
    reads: 0,
    given: [] as number[],
    open: async (): Promise<LedgerSource> => {
      const source = await spec.open();
      const read = source.read.bind(source);
      source.read = async function* (...args) {
        counts.reads += 1;
        for await (const object of read(...args)) {
          counts.given.push(object.ledgerFirst);
          yield object;
        }
      };
      return source;
    },
  };
  return counts;
}
