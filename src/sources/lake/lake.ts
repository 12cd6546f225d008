/**
 * A Galexie data lake (SEP-54) in a folder or an object store, complete or still growing: which objects a reader gets, in which order,
 * and what it waits for. lake-follower.ts knows what is there, lake-loader.ts reads one object.
 */

import { promises as fs } from "node:fs";
import { unlessAborted } from "../../base/unless-aborted.ts";
import { CodedError } from "../../error.ts";
import type { LedgerRange } from "../../vocabulary/ledger-range.ts";
import { checkRange } from "../check-range.ts";
import { LAKE_FILE_BYTES_MAX } from "../limits.ts";
import type { LedgerObject, LedgerSource, TroubleListener } from "../source.ts";
import { fileFault } from "./file-fault.ts";
import { lakeBelow, lakeInside } from "./lake-below.ts";
import { describeLayout, inferLakeLayout, noLakeHere, readLakeManifest } from "./lake-folder.ts";
import { LakeFollower, LISTING_MS, type Look } from "./lake-follower.ts";
import { batchesOf, inferLayout, type LakeKey, type LakeLayout } from "./lake-layout.ts";
import { GROWING_STILL_MS_MAX, LakeLoader, SETTLED_FILE_MS } from "./lake-loader.ts";
import { LAKE_MANIFEST_KEY, type LakeManifest } from "./lake-manifest.ts";
import { canList, FolderStorage, type LakeStorage } from "./lake-storage.ts";
import { AheadBudget, AheadBySize, type LoadContext, READ_AHEAD_BYTES, readAhead } from "./read-ahead.ts";

/** What may be set otherwise, mostly by tests. Each defaults to the constant of the same name below, or to its storage's. */
export interface LakeOptions {
  readAheadFiles?: number;
  readAheadBytes?: number;
  fileBytesMax?: number;
  followPollMs?: number;
  lateFileMsMax?: number;
  growingStillMsMax?: number;
  settledFileMs?: number;
}

/**
 * At the tip, a file that is missing while a later one is there may still come: copying tools go newest first. Who reads
 * gets an error after this long, and may try again.
 */
const LATE_FILE_MS_MAX = 10_000;

/**
 * Any number of reads may run at once; they share the looks at the storage. `close` ends them all, without an error. Get
 * one by `open` or `at`.
 */
export class Lake implements LedgerSource {
  readonly description: string;
  readonly seekable = true;
  readonly layout: LakeLayout;
  readonly manifest: LakeManifest | undefined;
  readonly #options: Required<LakeOptions>;
  readonly #closing = new AbortController();
  /** Knows the lake's ends, for all readers. */
  readonly follower: LakeFollower;
  readonly #loader: LakeLoader;
  readonly #ahead: AheadBudget;

  private constructor(
    storage: LakeStorage,
    layout: LakeLayout,
    manifest: LakeManifest | undefined,
    options: LakeOptions,
  ) {
    this.layout = layout;
    this.manifest = manifest;
    this.description = `lake ${storage.root}`;
    this.#options = {
      readAheadFiles: storage.readAheadFiles,
      readAheadBytes: READ_AHEAD_BYTES,
      fileBytesMax: LAKE_FILE_BYTES_MAX,
      followPollMs: storage.lookMsMin,
      lateFileMsMax: LATE_FILE_MS_MAX,
      growingStillMsMax: GROWING_STILL_MS_MAX,
      settledFileMs: SETTLED_FILE_MS,
      ...options,
    };
    this.follower = new LakeFollower(storage, layout, this.#options.followPollMs);
    this.#loader = new LakeLoader(this.follower, this.#options);
    this.#ahead = new AheadBudget(this.#options.readAheadBytes);
  }

  /**
   * Opens the lake in `folder`, as `at` does.
   * @throws CodedError NOT_FOUND / FILE_NOT_FOUND, LAKE_NOT_FOUND; DATA_LOSS / LAKE_MANIFEST, LAKE_LAYOUT
   */
  static async open(folder: string, options: LakeOptions = {}): Promise<Lake> {
    const stat = await fs.stat(folder).catch((thrown) => {
      throw fileFault(folder, thrown);
    });
    if (!stat.isDirectory()) {
      throw new CodedError("NOT_FOUND", "LAKE_NOT_FOUND", `${folder}: a lake is a folder, and this is a file`);
    }
    return Lake.at(new FolderStorage(folder), options, () => lakeBelow(folder));
  }

  /**
   * Opens the lake in a storage. The layout comes from its manifest, or, where there is none, from the names of its
   * files; what cannot be listed has it from its user. A place with a manifest and no file is a lake whose ledgers are yet to come.
   * @param below finds a lake near by, for a hint
   * @throws CodedError NOT_FOUND / LAKE_NOT_FOUND; DATA_LOSS / LAKE_MANIFEST, LAKE_LAYOUT; what the storage says
   */
  static async at(
    storage: LakeStorage,
    options: LakeOptions = {},
    below: () => Promise<string | undefined> = () => lakeInside(storage),
  ): Promise<Lake> {
    const { root } = storage;
    const manifest = await readLakeManifest(storage);
    const inferred = canList(storage) ? await inferLakeLayout(storage) : storage.known?.layout;
    if (manifest === undefined) {
      if (inferred === undefined) throw noLakeHere(storage, await below());
      return new Lake(storage, inferred, undefined, options);
    }
    const { ledgersPerBatch, batchesPerPartition, compression } = manifest;
    const layout: LakeLayout = { ledgersPerBatch, batchesPerPartition, extension: inferred?.extension ?? compression };
    if (
      inferred !== undefined &&
      (inferred.ledgersPerBatch !== ledgersPerBatch || inferred.batchesPerPartition !== batchesPerPartition)
    ) {
      throw new CodedError(
        "DATA_LOSS",
        "LAKE_LAYOUT",
        `${root}: its ${LAKE_MANIFEST_KEY} says ${ledgersPerBatch} ledgers a file and ${batchesPerPartition} files a partition, and its ${canList(storage) ? "files are named" : "address is"} for ${inferred.ledgersPerBatch} and ${inferred.batchesPerPartition}`,
      );
    }
    return new Lake(storage, layout, manifest, options);
  }

  networkPassphrase(): Promise<string | undefined> {
    return Promise.resolve(this.manifest?.networkPassphrase);
  }

  /** First and last ledger of the lake by the names of its files; undefined where none is known. Lists folders. */
  ledgerRange(): Promise<LedgerRange | undefined> {
    return this.follower.range();
  }

  /**
   * As `ledgerRange`, of a lake that must hold a ledger.
   * @param near one that it may hold: only a lake that cannot be listed is looked for there
   * @throws CodedError NOT_FOUND / LAKE_EMPTY
   */
  async ledgersHeld(near?: number): Promise<LedgerRange> {
    const range = await this.follower.range(0, near);
    if (range !== undefined) return range;
    const { storage } = this.follower;
    const what = canList(storage)
      ? "the lake has no ledger yet"
      : "the server lists nothing, and no ledger that was asked for by name is there: name one that the lake holds by --start-ledger, or by ?ledger=N in its address";
    throw new CodedError("NOT_FOUND", "LAKE_EMPTY", `${storage.root}: ${what}`);
  }

  /** Asks for what follows by name; lists only where the last listing is LISTING_MS old. */
  async ledgerLatest(): Promise<number | undefined> {
    return (await this.follower.range(LISTING_MS))?.ledgerLast;
  }

  /**
   * One object a file. With `end` 0 it waits at the tip for new files; with another `end` a ledger after the newest is
   * an error. `ledgerFirst` and `ledgerLast` of an object are those of its file name: the first file of a network
   * (`FFFFFFFF--0-63`) begins at ledger 2 all the same.
   * @throws CodedError OUT_OF_RANGE / LEDGER_BEFORE_SOURCE, LEDGER_AFTER_SOURCE with the range that exists;
   * NOT_FOUND / LEDGER_MISSING with the path expected; DATA_LOSS / ZSTD_* for a file that is corrupt and UNAVAILABLE /
   * ZSTD_* for one that may not be all there yet (see lake-loader.ts); NOT_FOUND / FILE_NOT_FOUND for the folder;
   * RESOURCE_EXHAUSTED / LAKE_FILE_TOO_LARGE; PERMISSION_DENIED, UNAVAILABLE / FILE_UNREADABLE
   */
  async *read(
    start: number,
    end: number,
    signal: AbortSignal,
    onTrouble: TroubleListener = () => {},
  ): AsyncGenerator<LedgerObject, void, undefined> {
    const stop = AbortSignal.any([signal, this.#closing.signal]);
    try {
      yield* this.#objects(start, end, stop, onTrouble);
    } catch (thrown) {
      if (!stop.aborted) throw thrown;
    }
  }

  async *#objects(
    start: number,
    end: number,
    stop: AbortSignal,
    onTrouble: TroubleListener,
  ): AsyncGenerator<LedgerObject, void, undefined> {
    const last = checkRange(start, end);
    const limits = new AheadBySize(this.#options.readAheadFiles, this.#ahead);
    const seen = { empty: false }; // a reader that has found the lake empty: any ledger may be yet to come
    let next = start;
    while (next <= last && !stop.aborted) {
      const { newestKnown } = this.follower;
      // At the tip nothing is loaded before it is known to be there: 64 readers would ask for eight files each.
      if (end === 0 && newestKnown !== undefined && next > newestKnown)
        await this.#waitFor(next, seen, stop, onTrouble);
      const until = end === 0 && newestKnown !== undefined ? Math.max(next, newestKnown) : last;
      const load = (batch: LedgerRange, context: LoadContext) => this.#loader.load(batch, end, context, stop);
      let missing = false;
      for await (const object of readAhead(batchesOf(this.layout, next, until), load, limits)) {
        if (stop.aborted) return;
        if (object === undefined) {
          missing = true; // not there, or not yet
          break;
        }
        limits.bytesLast = object.bytes.length;
        yield object;
        next = object.ledgerLast + 1;
        if (stop.aborted) return;
      }
      if (!missing || stop.aborted) continue;
      if (end === 0) await this.#waitFor(next, seen, stop, onTrouble);
      else await unlessAborted(this.#lookAgain(next, end), stop);
    }
  }

  close(): Promise<void> {
    this.#closing.abort();
    this.follower.storage.close();
    return Promise.resolve();
  }

  /** Waits at the tip until `ledger` is there. @throws CodedError where it will not come, or is late for too long */
  async #waitFor(
    ledger: number,
    seen: { empty: boolean },
    stop: AbortSignal,
    onTrouble: TroubleListener,
  ): Promise<void> {
    let lateSince: number | undefined;
    let look: Look | undefined;
    while (!stop.aborted) {
      look = await this.follower.nextLook(ledger, stop, look);
      if (look.come) return;
      const { range } = look;
      if (range === undefined) seen.empty = canList(this.follower.storage);
      if (range !== undefined && ledger < range.ledgerFirst) {
        const early = this.#before(ledger, range);
        if (!seen.empty && (await unlessAborted(this.#isBeforeForGood(ledger), stop))) throw early;
        onTrouble(early, 0);
      } else if (range !== undefined && ledger <= range.ledgerLast) {
        const now = Date.now();
        lateSince ??= now;
        const gap = this.#gap(ledger, range);
        if (now - lateSince >= this.#options.lateFileMsMax) throw gap;
        onTrouble(gap, 0);
      } else {
        lateSince = undefined;
        const isNext = range === undefined ? canList(this.follower.storage) : range.ledgerLast >= ledger - 1;
        onTrouble(isNext ? undefined : this.#behind(ledger, range), LISTING_MS);
      }
    }
  }

  /**
   * Whether a ledger before all others will never come: the lake's oldest file has not changed for settledFileMs. Until
   * then somebody may be copying the lake, newest files first.
   */
  async #isBeforeForGood(ledger: number): Promise<boolean> {
    const { settledFileMs } = this.#options;
    if (((await this.follower.oldestAgeMs()) ?? 0) < settledFileMs) return false;
    const range = await this.follower.rangeAnew();
    if (range === undefined || ledger >= range.ledgerFirst) return false;
    return ((await this.follower.oldestAgeMs()) ?? 0) >= settledFileMs;
  }

  /** `ledger` of a range with an end was not there: returns where it has come since. @throws CodedError why not */
  async #lookAgain(ledger: number, end: number): Promise<void> {
    const range = await this.follower.range(0, ledger);
    if (range === undefined) throw this.#behind(ledger, undefined);
    if (ledger < range.ledgerFirst) throw this.#before(ledger, range);
    if (ledger > range.ledgerLast) {
      throw new CodedError(
        "OUT_OF_RANGE",
        "LEDGER_AFTER_SOURCE",
        `ledgers up to ${end} were asked for, and ${this.#holds(range)}: end there, or follow the tip with end 0`,
      );
    }
    if (!(await this.follower.has(ledger))) throw this.#gap(ledger, range);
  }

  #before(ledger: number, range: LedgerRange): CodedError {
    const message = `ledger ${ledger} was asked for, and ${this.#holds(range)}`;
    return new CodedError("OUT_OF_RANGE", "LEDGER_BEFORE_SOURCE", message);
  }

  #holds(range: LedgerRange): string {
    return `the ${this.description} holds ledgers ${range.ledgerFirst} to ${range.ledgerLast}`;
  }

  /** The lake ends before what comes just before `ledger`: it is empty, or another one than it was. */
  #behind(ledger: number, range: LedgerRange | undefined): CodedError {
    const nothing = canList(this.follower.storage)
      ? "is still empty"
      : "shows none near it: name one that it holds with ?ledger=N";
    const holds = range === undefined ? nothing : `holds ledgers ${range.ledgerFirst} to ${range.ledgerLast}`;
    const message = `ledger ${ledger} was asked for, and the ${this.description} ${holds}`;
    return new CodedError("OUT_OF_RANGE", "LEDGER_AFTER_SOURCE", message);
  }

  /** What a file of another layout is: its writer's settings have changed, or it is of another lake. */
  #otherLayout(key: LakeKey): string {
    const layout = inferLayout(key);
    const named = layout === undefined ? "no layout that its name tells" : describeLayout(layout);
    return `another lake or of changed settings (${named}, and the lake has ${describeLayout(this.layout)}): keep each layout in a folder of its own`;
  }

  #gap(ledger: number, range: LedgerRange): CodedError {
    const { storage, stranger } = this.follower;
    const other =
      stranger === undefined ? "" : `; its newest file, ${stranger.key}, is of ${this.#otherLayout(stranger)}`;
    return new CodedError(
      "NOT_FOUND",
      "LEDGER_MISSING",
      `ledger ${ledger} is missing: the ${this.description} holds ledgers ${range.ledgerFirst} to ${range.ledgerLast}, and ${storage.nameOf(this.follower.keys(ledger)[0])} is not there${other}`,
    );
  }
}
