/**
 * Knows both ends of one lake, and tells all its readers when a ledger comes. Readers that wait for the same ledger
 * share one watch:
 *
 *     reader ─┐                       as it is due (LookPace)  has(next object)?
 *     reader ─┼─ watch of a ledger ─▶ every LOOKS_TO_… looks   the other extension, the object after it, the root
 *     reader ─┘                       every LISTING_MS         the newest partition, for what names cannot tell
 *
 * A listing is shared by all watches, and tells of ledgers beyond a gap. The oldest end is kept, and looked at by name.
 * Where the storage cannot list, ends-by-name.ts stands for a listing.
 */
import type { LedgerRange } from "../../vocabulary/ledger-range.ts";
import { LEDGER_SEQUENCE_MAX } from "../limits.ts";
import { endByName, objectNear } from "./ends-by-name.ts";
import { type FoundObject, type LakeEnd, NEWEST, OLDEST, outermost } from "./lake-ends.ts";
import {
  batchRange,
  type LakeExtension,
  type LakeLayout,
  lakeKey,
  parseLakeKey,
  parsePartitionName,
} from "./lake-layout.ts";
import { canList, type LakeStorage, type StoredObject } from "./lake-storage.ts";
import { LookPace } from "./look-pace.ts";

/** Looks for the next object to one for what else may stand in its place: the other extension, the object after it. */
const LOOKS_TO_ALTERNATIVES = 25;

/** Between full listings while the next object is not there: one of 64,000 names costs some 50 ms of CPU. */
export const LISTING_MS = 30_000;

/** Objects asked for by name, one after the other, before a listing is the cheaper way to the newest. */
const STEPS_MAX = 256;

/** What one look found: the ledger has come, or what the lake holds instead (undefined: it is empty). */
export type Look = { come: true } | { come: false; range: LedgerRange | undefined };

type Outcome = { look: Look } | { thrown: unknown };

interface Waiter {
  settle: (outcome: Outcome) => void;
  /** What it knows already. */
  told: Look | undefined;
}

/** Readers that wait for one ledger. */
type Watch = Set<Waiter>;

/**
 * One for each lake, shared by all its readers. Ledgers and ranges come from the names of objects: nothing is opened
 * here.
 */
export class LakeFollower {
  #newest: LedgerRange | undefined;
  #oldest: LedgerRange | undefined;
  /** The newest object that was ever there: the ends are looked for from it where nothing can be listed. */
  #seen: LedgerRange | undefined;
  /** Where the last look by names began when nothing was known. */
  #near: number | undefined;
  #listedAt = Number.NEGATIVE_INFINITY;
  #listing: Promise<void> | undefined;
  #stranger: FoundObject | undefined;
  /** Full listings of a folder so far. */
  listings = 0;
  readonly #watches = new Map<number, Watch>();
  readonly #pace: LookPace;
  readonly #alternativesMs: number;

  constructor(
    readonly storage: LakeStorage,
    readonly layout: LakeLayout,
    followPollMs: number,
  ) {
    this.#pace = new LookPace(followPollMs);
    this.#alternativesMs = LOOKS_TO_ALTERNATIVES * followPollMs;
  }

  /** The newest ledger known, without a look at the storage. */
  get newestKnown(): number | undefined {
    return this.#newest?.ledgerLast;
  }

  /** The newest object of the last listing where its name fits another layout than the lake's. */
  get stranger(): FoundObject | undefined {
    return this.#stranger;
  }

  /** The object of `ledger` is there. */
  noted(batch: LedgerRange): void {
    if (this.#newest !== undefined && batch.ledgerLast > this.#newest.ledgerLast) this.#newest = batch;
    if (batch.ledgerLast > (this.#seen?.ledgerLast ?? -1)) this.#seen = batch;
  }

  /** Keys of the object that holds `ledger`, the lake's own extension first. */
  keys(ledger: number): [string, string] {
    const other: LakeExtension = this.layout.extension === "zst" ? "zstd" : "zst";
    return [lakeKey(this.layout, ledger), lakeKey({ ...this.layout, extension: other }, ledger)];
  }

  /** Whether the object that holds `ledger` is there, by either extension. */
  async has(ledger: number): Promise<boolean> {
    for (const key of this.keys(ledger)) {
      if (await this.storage.has(key)) {
        this.noted(batchRange(this.layout, ledger));
        return true;
      }
    }
    return false;
  }

  /**
   * The object that holds `ledger`, or undefined where there is none. By either extension: a lake may have been begun by an
   * older writer. Whoever gets it closes it. @throws CodedError what the storage says; the reason of the signal
   */
  async get(ledger: number, signal?: AbortSignal): Promise<{ key: string; stored: StoredObject } | undefined> {
    for (const key of this.keys(ledger)) {
      const stored = await this.storage.get(key, signal);
      if (stored !== undefined) return { key, stored };
    }
    return undefined;
  }

  /**
   * First and last ledger by the names of objects; undefined where the lake is empty.
   * @param ageMsMax how old the last listing may be; what is asked for by name is always new
   * @param near where to look for a lake that cannot be listed, and of which no ledger is known yet
   * @throws CodedError where the lake cannot be listed
   */
  async range(ageMsMax = 0, near?: number): Promise<LedgerRange | undefined> {
    const isOld = Date.now() - this.#listedAt >= ageMsMax;
    if (isOld || (this.#newest === undefined && this.#mayFindMore(near))) await this.#list(near);
    else await this.#stepToNewest();
    if (this.#newest === undefined || this.#oldest === undefined) return undefined;
    return { ledgerFirst: this.#oldest.ledgerFirst, ledgerLast: this.#newest.ledgerLast };
  }

  /** Whether a look at the whole lake, once more, may find what the last one has not. */
  #mayFindMore(near: number | undefined): boolean {
    if (canList(this.storage) || this.#seen !== undefined) return true;
    return near !== undefined && near !== this.#near;
  }

  /** Milliseconds since the oldest object known has changed; undefined where there is none. Lists nothing. */
  async oldestAgeMs(): Promise<number | undefined> {
    if (this.#oldest === undefined) return undefined;
    for (const key of this.keys(this.#oldest.ledgerFirst)) {
      const changed = await this.storage.changedUnixMs(key);
      if (changed !== undefined) return Date.now() - changed;
    }
    return undefined;
  }

  /** As `range`, with both ends listed anew. @throws CodedError where the lake cannot be listed */
  async rangeAnew(): Promise<LedgerRange | undefined> {
    await this.#listing?.catch(() => {}); // one that is under way may have passed the oldest end
    this.#oldest = undefined;
    return this.range();
  }

  /**
   * The next look for `ledger` that tells anything: resolves when it has come, and about every `#alternativesMs` while
   * something is amiss. Where all is well and nothing is new it resolves only if `told`, the look before, said otherwise.
   * @throws CodedError where the lake cannot be looked at
   */
  nextLook(ledger: number, stop: AbortSignal, told?: Look): Promise<Look> {
    return new Promise((resolve, reject) => {
      const watch = this.#watches.get(ledger) ?? new Set();
      const settle = (outcome: Outcome): void => {
        watch.delete(waiter);
        stop.removeEventListener("abort", stopped);
        if ("thrown" in outcome) reject(outcome.thrown);
        else resolve(outcome.look);
      };
      const waiter: Waiter = { settle, told };
      const stopped = (): void => settle({ look: { come: true } }); // whoever has stopped looks at nothing
      if (stop.aborted) return stopped();
      stop.addEventListener("abort", stopped);
      watch.add(waiter);
      if (this.#watches.has(ledger)) return;
      this.#watches.set(ledger, watch);
      void this.#run(ledger, watch);
    });
  }

  /** Runs while anybody waits, and a little longer: who waits for the next look asks again in the same turn. */
  async #run(ledger: number, watch: Watch): Promise<void> {
    let lookedAt = Number.NEGATIVE_INFINITY;
    const first = this.keys(ledger)[0];
    while (watch.size > 0) {
      let outcome: Outcome | undefined;
      try {
        if (await this.storage.has(first)) {
          this.noted(batchRange(this.layout, ledger));
          this.#pace.came();
          outcome = { look: { come: true } };
        } else if (Date.now() - lookedAt >= this.#alternativesMs) {
          lookedAt = Date.now();
          outcome = { look: await this.#look(ledger) };
        }
      } catch (thrown) {
        outcome = { thrown };
      }
      if (outcome !== undefined) {
        for (const { settle, told } of [...watch]) if (!isOld(ledger, outcome, told)) settle(outcome);
      }
      if (outcome !== undefined && ("thrown" in outcome || outcome.look.come)) break;
      await new Promise<void>((resolve) => setTimeout(resolve, this.#pace.pauseMs()));
    }
    this.#watches.delete(ledger);
    // Who came between the last look and here is in no loop.
    if (watch.size === 0) return;
    this.#watches.set(ledger, watch);
    void this.#run(ledger, watch);
  }

  async #look(ledger: number): Promise<Look> {
    if (await this.has(ledger)) return { come: true };
    await this.storage.checkRoot();
    const following = batchRange(this.layout, ledger).ledgerLast + 1;
    if (following <= LEDGER_SEQUENCE_MAX) await this.has(following); // a gap shows at once
    const range = await this.range(LISTING_MS, ledger);
    const came = range !== undefined && range.ledgerLast >= ledger && (await this.has(ledger)); // meanwhile
    return came ? { come: true } : { come: false, range };
  }

  async #stepToNewest(): Promise<void> {
    for (let steps = 0; this.#newest !== undefined; steps++) {
      const next = this.#newest.ledgerLast + 1;
      if (next > LEDGER_SEQUENCE_MAX || !(await this.has(next))) return;
      if (steps >= STEPS_MAX) return this.#list();
    }
  }

  async #list(near?: number): Promise<void> {
    if (near !== undefined && !canList(this.storage)) {
      await this.#listing?.catch(() => {}); // one that is under way may look elsewhere
      if (this.#newest !== undefined) return;
    }
    this.#listing ??= this.#listEnds(near).finally(() => {
      this.#listing = undefined;
    });
    await this.#listing;
  }

  async #listEnds(near?: number): Promise<void> {
    this.listings += 1;
    this.#near = near ?? this.#near;
    const root = canList(this.storage) ? await this.storage.list("") : [];
    const newest = await this.#outermost(root, NEWEST, near);
    const kept = newest === undefined ? undefined : await this.#keptOldest(root);
    const oldest = newest === undefined ? undefined : (kept ?? (await this.#outermost(root, OLDEST)));
    this.#listedAt = Date.now();
    this.#newest = newest;
    this.#oldest = oldest;
    this.#stranger = newest !== undefined && !this.keys(newest.ledgerFirst).includes(newest.key) ? newest : undefined;
  }

  /** The oldest object of before, where names show that it still is: it is there, nothing is right before it. */
  async #keptOldest(root: readonly string[]): Promise<LedgerRange | undefined> {
    const oldest = this.#oldest;
    if (oldest === undefined || !(await this.has(oldest.ledgerFirst))) return undefined;
    if (oldest.ledgerFirst > 0 && (await this.has(oldest.ledgerFirst - 1))) return undefined;
    for (const name of root) {
      const parsed = parsePartitionName(name) ?? parseLakeKey(name);
      if (parsed !== undefined && parsed.ledgerLast < oldest.ledgerFirst) return undefined; // a partition before it
    }
    return oldest;
  }

  #outermost(root: readonly string[], end: LakeEnd, near?: number): Promise<FoundObject | undefined> {
    if (!canList(this.storage)) return this.#outermostByName(end, near);
    return outermost(this.storage, root, end, undefined, () => {
      this.listings += 1;
    });
  }

  async #outermostByName(end: LakeEnd, near: number | undefined): Promise<FoundObject | undefined> {
    const { ledgersPerBatch } = this.layout;
    const isThere = (ledger: number) => this.has(ledger);
    let from: number | undefined;
    // Last from 0: a network's whole lake has objects at powers of two.
    for (const ledger of [this.#seen?.ledgerFirst, this.storage.known?.ledger, near, 0]) {
      if (ledger === undefined || from !== undefined) continue;
      from = await objectNear(isThere, ledgersPerBatch, batchRange(this.layout, ledger).ledgerFirst);
    }
    if (from === undefined) return undefined;
    const outer = batchRange(this.layout, await endByName(isThere, ledgersPerBatch, from, end));
    return { ...outer, extension: this.layout.extension, key: this.keys(outer.ledgerFirst)[0] };
  }
}

/** Whether `told` said it all: nothing follows what the lake holds, and nothing is amiss. */
function isOld(ledger: number, outcome: Outcome, told: Look | undefined): boolean {
  if ("thrown" in outcome || told === undefined) return false;
  return isQuiet(ledger, outcome.look) && isQuiet(ledger, told) && isEmpty(outcome.look) === isEmpty(told);
}

/** The lake is empty, or ends right before `ledger`. */
function isQuiet(ledger: number, look: Look): boolean {
  return !look.come && (look.range === undefined || look.range.ledgerLast === ledger - 1);
}

function isEmpty(look: Look): boolean {
  return !look.come && look.range === undefined;
}
