/** The sample's ledgers, repeated, under the test's control: when reading begins, how far it gets, and how it ends. */
import { RepeatingSource } from "../../src/sources/repeating.ts";
import type { LedgerObject, LedgerSource } from "../../src/sources/source.ts";
import { SAMPLE } from "./processor.ts";
import { sampleChain } from "./sample-chain.ts";

export class GatedSource implements LedgerSource {
  readonly description = "gated sample";
  readonly seekable = true;
  /** Reading waits while it is true: its sessions are STARTING. */
  closed = false;
  /** Last ledger that is there; reading waits behind it, as at the tip. */
  tip = Number.POSITIVE_INFINITY;
  /** Thrown instead of the next ledger. */
  failure: Error | undefined;
  /** Reads under way. */
  reading = 0;

  private constructor(
    private readonly sample: RepeatingSource,
    private readonly follow: (ledger: Uint8Array) => void,
  ) {}

  static async open(): Promise<GatedSource> {
    const sample = await RepeatingSource.open(SAMPLE.folder);
    return new GatedSource(sample, await sampleChain(sample));
  }

  async networkPassphrase(): Promise<string | undefined> {
    while (this.closed) await Bun.sleep(2);
    return this.sample.networkPassphrase();
  }

  async ledgerLatest(): Promise<number | undefined> {
    return Number.isFinite(this.tip) ? this.tip : undefined;
  }

  async *read(start: number, end: number, signal: AbortSignal): AsyncGenerator<LedgerObject> {
    this.reading += 1;
    try {
      for await (const object of this.sample.read(start, end, signal)) {
        while (object.ledgerLast > this.tip && !signal.aborted && this.failure === undefined) await Bun.sleep(2);
        if (this.failure !== undefined) throw this.failure;
        if (signal.aborted) break;
        this.follow(object.bytes);
        yield object;
      }
    } finally {
      this.reading -= 1;
    }
  }

  close(): Promise<void> {
    return this.sample.close();
  }
}
