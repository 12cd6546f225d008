/**
 * Reads a meta stream into its window for as long as the source is open, whether or not somebody reads: core waits for
 * whoever reads its stream, and is never to wait for nobody. A writer that has gone is followed by the next one.
 */
import { backoffMs } from "../../base/backoff.ts";
import { pause } from "../../base/pause.ts";
import { CodedError } from "../../error.ts";
import type { ComingRecord } from "./coming-record.ts";
import type { LedgerWindow } from "./ledger-window.ts";
import type { MetaFeed } from "./meta-feed.ts";
import { ledgerMissing } from "./meta-object.ts";
import { MetaReader } from "./meta-reader.ts";
import { type MetaLedger, wholeLedgers } from "./whole-ledgers.ts";

/** First and longest wait before the stream is attached to again: well under what a ledger takes. */
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 1_000;

/** Ledgers had before that are dropped in a row; a stream that repeats more is another one. */
const DUPLICATES_MAX = 1_000;

/** Why nothing comes for the moment. */
interface MetaTrouble {
  error: CodedError;
  retryMs: number;
}

/** Moves the ledgers of one feed into one window. */
export class MetaPump {
  /** What has kept ledgers away since the last one; undefined where nothing has. */
  trouble: MetaTrouble | undefined;
  /** When the last ledger came that was not had before, or reading began. */
  movedAt = Date.now();
  private tries = 0;
  private duplicates = 0;

  constructor(
    /** For people. */
    readonly name: string,
    private readonly feed: MetaFeed,
    private readonly window: LedgerWindow,
    private readonly signal: AbortSignal,
  ) {}

  /** Runs until the signal aborts. Never rejects. */
  async run(): Promise<void> {
    const { signal, window } = this;
    while (!signal.aborted) {
      let error: CodedError;
      try {
        await this.follow();
        error = new CodedError("UNAVAILABLE", "SOURCE_UNAVAILABLE", `${this.name}: its writer has gone`);
      } catch (thrown) {
        error = CodedError.from(thrown);
      }
      if (signal.aborted) break;
      const retryMs = backoffMs(this.tries++, RETRY_MS_MIN, RETRY_MS_MAX);
      if (error.code === "DATA_LOSS" || error.code === "RESOURCE_EXHAUSTED") {
        await window.fail(error, Number.POSITIVE_INFINITY, signal);
      } else {
        this.trouble = { error, retryMs };
        window.notify();
      }
      await pause(retryMs, signal);
    }
    this.feed.close();
  }

  /** One writer, to its end. */
  private async follow(): Promise<void> {
    const { window, signal } = this;
    const bytes = await this.feed.attach(signal);
    try {
      const reader = new MetaReader(bytes, (length) => window.admit(length, signal));
      const onComing = (ledger: ComingRecord) => {
        if (ledger.sequence - 1 === window.newest) window.begin(ledger);
      };
      for await (const ledger of wholeLedgers(this.name, reader, onComing)) {
        if (signal.aborted) return;
        await this.take(ledger);
      }
    } finally {
      bytes.close();
      window.begin(undefined);
    }
  }

  /** @throws CodedError DATA_LOSS / LEDGER_OUT_OF_STEP for a stream that keeps repeating itself */
  private async take(ledger: MetaLedger): Promise<void> {
    const { window, signal } = this;
    const { newest } = window;
    this.trouble = undefined;
    if (newest !== undefined && ledger.sequence <= newest) {
      if (++this.duplicates <= DUPLICATES_MAX) return;
      throw new CodedError(
        "DATA_LOSS",
        "LEDGER_OUT_OF_STEP",
        `${this.name}: more than ${DUPLICATES_MAX} ledgers up to ${newest} came again, the last one ${ledger.sequence}`,
      );
    }
    if (newest !== undefined && ledger.sequence > newest + 1) {
      await window.fail(ledgerMissing(this.name, newest + 1, ledger.sequence), ledger.sequence, signal);
    }
    this.tries = 0;
    this.duplicates = 0;
    this.movedAt = Date.now();
    window.add(ledger);
  }
}
