/**
 * One stream's objects that come to a worker in parts. A ledger is decoded while it comes, as long as the worker has nothing
 * else to do; whatever happens to its object otherwise is as if it had come whole: its rows go on only when all of it is here.
 */
import type { LedgerDecoder } from "../ledger/decoder.ts";
import type { LedgerSummary } from "../ledger/decoder-options.ts";
import type { RowSet } from "../ledger/row-set.ts";
import { ComingObject } from "./coming-object.ts";
import type { LedgerMemory } from "./ledger-memory.ts";
import type { ObjectRecord, PartRecord } from "./records.ts";
import type { StageTimes } from "./stage-times.ts";

/** Rows so far: of each cutter, and of each set that ledgers are decoded to. */
export interface LedgerEnds {
  starts: number[];
  before: { length: number; ledgers: number }[];
}

/** A ledger whose rows are in the stream's sets already, behind `ends`. */
export interface AheadDecoded {
  summary: LedgerSummary;
  ends: LedgerEnds;
  /** What that took. */
  ms: number;
}

/** The stream's decoder of whole objects (span-decoder.ts). */
interface WholeDecoder {
  readonly failed: boolean;
  readonly out: { targets: readonly RowSet[] };
  /** Whether nothing but itself can be wrong with a ledger of that size. */
  trusts(ledgerBytes: number): boolean;
  ends(): LedgerEnds;
  decode<Summary>(decoder: LedgerDecoder, ledgerBytes: number, by: () => Summary): Summary;
  stepOf(sequence: number): { decoder: LedgerDecoder };
  object(record: ObjectRecord, stored: Uint8Array, ahead?: AheadDecoded): void;
}

/** Takes the parts of one object after the other. */
export class ComingDecoder {
  private coming: ComingObject | undefined;
  private isAhead = false;

  constructor(
    private readonly decoder: WholeDecoder,
    private readonly parts: { memory: LedgerMemory; times: StageTimes },
  ) {}

  /** The first bytes of an object, of which `record.bytes` come. */
  begin(record: ObjectRecord, first: Uint8Array): void {
    this.lose();
    if (this.decoder.failed) return;
    this.coming = new ComingObject(record, this.parts.memory.whole(record.bytes!));
    this.add(first);
  }

  /** More of it. */
  part({ isLost }: PartRecord, bytes: Uint8Array): void {
    if (isLost) this.lose();
    else this.add(bytes);
  }

  /** Whether there is an object that may be decoded while it comes. */
  get canDecodeAhead(): boolean {
    const { coming } = this;
    return coming?.isWalkable === true && this.decoder.trusts(coming.bytes.length);
  }

  /**
   * Decodes the object that comes, for as long as nothing else is to be done.
   * @param nextPart waits for a message and hands it to `part`; false where another one has come
   */
  decodeAhead(nextPart: () => boolean): void {
    const coming = this.coming!;
    const { decoder } = this;
    const ends = decoder.ends();
    const mark = this.parts.times.mark();
    let waitedMs = 0;
    this.isAhead = true;
    const more = () => {
      const begun = performance.now();
      const isPart = nextPart();
      waitedMs += performance.now() - begun;
      return isPart && this.coming === coming;
    };
    const ledgers = decoder.stepOf(coming.record.ledgerFirst).decoder;
    const summary = decoder.decode(ledgers, coming.bytes.length, () =>
      coming.decode(ledgers, decoder.out.targets, more),
    );
    this.isAhead = false;
    const ms = this.parts.times.add("decode", mark, waitedMs);
    if (this.coming?.isWhole) this.whole(summary && { summary, ends, ms });
  }

  /** No more of the object comes, or the stream is over. */
  lose(): void {
    if (this.coming !== undefined) this.parts.memory.giveWhole(this.coming.bytes);
    this.coming = undefined;
  }

  private add(bytes: Uint8Array): void {
    this.coming?.add(bytes);
    if (this.coming?.isWhole && !this.isAhead) this.whole();
  }

  private whole(ahead?: AheadDecoded): void {
    const { record, bytes } = this.coming!;
    this.decoder.object(record, bytes, ahead);
    this.lose();
  }
}
