/**
 * The main thread's side of ranges: opens a private stream for one DoGet (what a range ticket asks for, or the part of
 * a session that its client has missed) and ends it with the call. Both need a source that can seek.
 */

import { CodedError } from "../error.ts";
import { LEDGER_SEQUENCE_MAX } from "../ledger/terms.ts";
import type { LedgerSource } from "../sources/source.ts";
import type { Questions } from "../threads/data-plane-messages.ts";
import type { Partition } from "../vocabulary/partition.ts";
import type { Position } from "../vocabulary/position.ts";
import type { FilterRecord } from "../vocabulary/row-filter.ts";
import type { FilterStep } from "../workers/records.ts";
import { AssetTable } from "./asset-table.ts";
import type { EngineStream } from "./engine-stream.ts";
import type { StreamEngine } from "./stream-engine.ts";

const RANGE_SLOTS = 16; // one client reads it: enough that every worker decodes while it is sent
const CATCH_UP_WAIT_MS = 60_000; // clients that come back together queue; who waits longer does better to try again
const MEMORY_POLL_MS = 100; // memory may also come back from elsewhere, of which nobody tells

interface RangeOptions {
  /** RANGES_MAX: range streams at once. */
  rangesMax: number;
  /** Catch-up streams at once; more wait for a turn. */
  catchUpsMax: number;
  /** What new sessions get: holds for tickets that name none. */
  defaultFilter(): FilterRecord;
  /** KNOWN_ASSETS. */
  knownAssets: readonly string[];
  /** BATCH_SIZE; 0 = unset. */
  batchRows: number;
  /** Where else ranges are served: Flight's locations of the live nodes, this one first; absent or empty where it is alone. */
  locations?(): string[];
}

type Asked<N extends keyof Questions> = Questions[N]["asked"];

/**
 * Opens, counts and closes private streams. At most RANGES_MAX ranges are open, and one more is refused. At most
 * `catchUpsMax` catch-ups are open, and one more waits up to CATCH_UP_WAIT_MS.
 */
export class RangeDesk {
  private readonly open = new Map<number, { stream: EngineStream; kind: "range" | "catchUp" }>();
  private readonly queue: Array<() => void> = [];

  constructor(
    private readonly engine: StreamEngine,
    private readonly source: LedgerSource,
    private readonly options: RangeOptions,
  ) {}

  /** Range streams that are open. */
  count(kind: "range" | "catchUp"): number {
    let count = 0;
    for (const entry of this.open.values()) if (entry.kind === kind) count += 1;
    return count;
  }

  /** @throws CodedError FAILED_PRECONDITION / SOURCE_NOT_SEEKABLE */
  async rangeSource(): Promise<Questions["rangeSource"]["answer"]> {
    assertSeekable(this.source, "ranges");
    const ledgerLatest = await this.source.ledgerLatest();
    const { defaultFilter, locations = () => [] } = this.options;
    return {
      ...{ source: this.source.description, ledgerLatest },
      ...{ defaultFilter: defaultFilter(), locations: locations() },
    };
  }

  /** @throws CodedError FAILED_PRECONDITION / SOURCE_NOT_SEEKABLE, RESOURCE_EXHAUSTED / RANGES_MAX */
  openRange(asked: Asked<"openRange">): { stream: number } {
    assertSeekable(this.source, "ranges");
    const { rangesMax } = this.options;
    const count = this.count("range");
    if (count >= rangesMax) {
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "RANGES_MAX",
        `${count} ranges are being read, and RANGES_MAX is ${rangesMax}: read fewer at once, or raise the limit`,
      );
    }
    const filter = withDefaults(asked.filter, this.options.defaultFilter());
    const stream = this.engine.open({
      ...asked,
      kind: "range",
      source: this.source,
      datasets: [asked.dataset],
      filters: [{ ledgerFrom: asked.start.ledger, filter }],
      // Nothing is learned: a range gives the same rows from whatever ledger it is begun, with a cursor or in parts.
      assets: new AssetTable([...this.options.knownAssets, ...(asked.assets ?? [])]),
      batchRows: asked.batchRows || this.options.batchRows,
      slotsMax: RANGE_SLOTS,
    });
    return this.opened(stream, "range");
  }

  /**
   * Rows of one part of a session from `start` to `end`, by the session's own rules: its filters by ledger, schema, batch size.
   * @throws CodedError FAILED_PRECONDITION / SOURCE_NOT_SEEKABLE, NOT_FOUND, RESOURCE_EXHAUSTED / CATCH_UPS_MAX
   */
  async openCatchUp({ session, dataset, partition, start, end }: Asked<"openCatchUp">): Promise<{ stream: number }> {
    const of = this.engine.stream(session);
    if (of === undefined) throw new CodedError("NOT_FOUND", "SESSION_GONE", "the session has been removed");
    assertSeekable(of.request.source, "what a session no longer retains");
    const { id, source, assets, schemaVersion, columns, dictionaries, compression, batchRows } = of.request;
    const until = performance.now() + CATCH_UP_WAIT_MS;
    for (;;) {
      await this.turn(until);
      try {
        const stream = this.engine.open({
          kind: "catchUp",
          id,
          source,
          start,
          ledgerEnd: end.row > 0 ? end.ledger : end.ledger - 1,
          end: end.row > 0 ? end : undefined,
          filters: stepsFrom(of, start, partition),
          partition,
          datasets: dataset && [dataset],
          assets, // all that the session had learned when it made these rows
          schemaVersion,
          columns,
          dictionaries,
          compression,
          batchRows,
          slotsMax: RANGE_SLOTS,
        });
        return this.opened(stream, "catchUp");
      } catch (thrown) {
        // Memory comes back as other catch-ups end, so this one waits for it as it waits for its turn.
        const full = thrown instanceof CodedError && thrown.reason === "MEMORY_EXHAUSTED";
        if (!full || performance.now() >= until) throw thrown;
        await this.wait(Math.min(MEMORY_POLL_MS, until - performance.now()));
      }
    }
  }

  closeRange({ stream }: Asked<"closeRange">): Record<string, never> {
    const entry = this.open.get(stream);
    if (entry === undefined) return {};
    this.open.delete(stream);
    entry.stream.stop();
    entry.stream.forget();
    this.queue[0]?.();
    return {};
  }

  private opened(stream: EngineStream, kind: "range" | "catchUp"): { stream: number } {
    this.open.set(stream.number, { stream, kind });
    return { stream: stream.number };
  }

  /** Waits until one more catch-up may begin. */
  private async turn(until: number): Promise<void> {
    while (this.count("catchUp") >= this.options.catchUpsMax) {
      const left = until - performance.now();
      if (left <= 0) {
        throw new CodedError(
          "RESOURCE_EXHAUSTED",
          "CATCH_UPS_MAX",
          `${this.options.catchUpsMax} clients are catching up, and none was done within ${CATCH_UP_WAIT_MS / 1000} s: try again with the cursor`,
        );
      }
      await this.wait(left);
    }
  }

  /** Until a private stream ends, or the time is up. */
  private async wait(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.queue.splice(this.queue.indexOf(wake), 1);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.queue.push(wake);
    });
  }
}

/** The filter that a range is read with: a filter that names nothing is the default, and so is an absent `includeDeleted`. */
export function withDefaults(filter: FilterRecord | undefined, defaults: FilterRecord): FilterRecord {
  const { includeDeleted } = defaults;
  return filter === undefined ? defaults : { ...filter, includeDeleted: filter.includeDeleted ?? includeDeleted };
}

/** The session's filters, the first of them in force at `start`; of a partition with its shard. */
function stepsFrom(of: EngineStream, start: Position, shard: Partition | undefined): FilterStep[] {
  const steps = [...of.filters];
  while (steps.length > 1 && steps[1]!.ledgerFrom <= start.ledger) steps.shift();
  if (shard === undefined) return steps;
  return steps.map(({ ledgerFrom, filter }) => ({ ledgerFrom, filter: { ...filter, shard } }));
}

function assertSeekable(source: LedgerSource, what: string): void {
  if (source.seekable) return;
  throw new CodedError(
    "FAILED_PRECONDITION",
    "SOURCE_NOT_SEEKABLE",
    `${what} cannot be read: ${source.description} is a live stream; set SOURCE_ENDPOINT to a lake to read any ledger at any time`,
  );
}

/** @throws CodedError INVALID_ARGUMENT */
export function checkLedgers(start: number, end: number): void {
  if (start < 1 || start > LEDGER_SEQUENCE_MAX || end > LEDGER_SEQUENCE_MAX || (end !== 0 && end < start)) {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "LEDGER_RANGE_INVALID",
      `ledgers ${start} to ${end} are no range: start at 1 or later, and end there or later (0: follow the source)`,
    );
  }
}
