/**
 * A Galexie data lake (SEP-54) in a local folder, complete or still growing.
 *
 * A lake's writer may rename finished files into place or write them where they belong; so a file that is cut off and
 * was touched a moment ago is taken as still being written, and looked at again for a bounded time. What is still bad
 * then is either corrupt (DATA_LOSS) or not all there yet (UNAVAILABLE):
 *
 * | the bad file                        | followed, `end` 0 | read up to an end                            |
 * |-------------------------------------|-------------------|----------------------------------------------|
 * | is the newest, changed a moment ago | not all there yet | not all there yet if cut off, else corrupt   |
 * | is the newest, settled              | not all there yet | corrupt                                      |
 * | later ones there, changed lately    | not all there yet | corrupt                                      |
 * | later ones there, settled           | corrupt           | corrupt                                      |
 *
 * Settled is what has not changed for SETTLED_FILE_MS.
 */
import { constants, promises as fs, type Stats } from "node:fs";
import path from "node:path";
import { pause } from "../../base/pause.ts";
import { CodedError } from "../../error.ts";
import { checkRange } from "../check-range.ts";
import { Inflater } from "../file/inflate.ts";
import { scanZstd } from "../file/zstd-frame.ts";
import { BATCH_BYTES_MAX, LAKE_FILE_BYTES_MAX, LEDGER_SEQUENCE_MAX } from "../limits.ts";
import type { LedgerObject, LedgerSource, TroubleListener } from "../source.ts";
import { fileFault, isMissing } from "./file-fault.ts";
import { folderLatest, folderRange, inferFolderLayout, readLakeManifest } from "./lake-folder.ts";
import { batchRange, type LakeExtension, type LakeLayout, type LedgerRange, lakeKey } from "./lake-layout.ts";
import { LAKE_MANIFEST_KEY, type LakeManifest } from "./lake-manifest.ts";
import { type LoadContext, readAhead } from "./read-ahead.ts";

/** What may be set otherwise, mostly by tests. Each defaults to the constant of the same name below. */
export interface LocalLakeOptions {
  readAheadFiles?: number;
  readAheadBytes?: number;
  fileBytesMax?: number;
  followPollMs?: number;
  lateFileMsMax?: number;
  growingStillMsMax?: number;
  settledFileMs?: number;
}

/** Files loading or loaded ahead of the reader: hides the latency of a network file system. */
export const READ_AHEAD_FILES = 8;

/** Their bytes together: some 200 dense ledgers as stored. One file larger than this is read by itself. */
export const READ_AHEAD_BYTES = 32 << 20;

/** Between looks for the next file at the tip: a look costs some 20 µs of CPU, and latency at the tip counts. */
export const FOLLOW_POLL_MS = 10;

/**
 * At the tip, a file that is missing while a later one is there may still come: copying tools go newest first. Who reads
 * gets an error after this long, and may try again.
 */
export const LATE_FILE_MS_MAX = 10_000;

/** A cut-off file that has not grown for this long is waited for no more; younger, it may still be being written. */
export const GROWING_STILL_MS_MAX = 5_000;

/** A file unchanged for this long will stay as it is, if later ones are there: no upload rests longer within one file. */
export const SETTLED_FILE_MS = 60_000;

/** Longest wait for one growing file in all, however it trickles in. */
export const GROWING_TOTAL_MS_MAX = 60_000;

/** Opening must not wait, even where a named pipe lies in the place of a file. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

/** Between looks at a growing file. */
const GROWING_POLL_MS = 20;

/** Between looks for what else may stand in its place: the other extension, the file after it. */
const ALTERNATIVES_MS = 250;

/** Between full listings while the next file is not there: one costs some 50 ms in a partition of 64000 files. */
const LISTING_MS = 5_000;

export class LocalLake implements LedgerSource {
  readonly description: string;
  readonly seekable = true;
  readonly folder: string;
  readonly layout: LakeLayout;
  readonly manifest: LakeManifest | undefined;
  readonly #options: Required<LocalLakeOptions>;
  readonly #closing = new AbortController();
  #latest: { ledger: number; listedAt: number } | undefined;

  private constructor(
    folder: string,
    layout: LakeLayout,
    manifest: LakeManifest | undefined,
    options: LocalLakeOptions,
  ) {
    this.folder = folder;
    this.layout = layout;
    this.manifest = manifest;
    this.description = `lake ${folder}`;
    this.#options = {
      readAheadFiles: READ_AHEAD_FILES,
      readAheadBytes: READ_AHEAD_BYTES,
      fileBytesMax: LAKE_FILE_BYTES_MAX,
      followPollMs: FOLLOW_POLL_MS,
      lateFileMsMax: LATE_FILE_MS_MAX,
      growingStillMsMax: GROWING_STILL_MS_MAX,
      settledFileMs: SETTLED_FILE_MS,
      ...options,
    };
  }

  /**
   * Opens the lake in `folder`. The layout comes from its manifest, or, where there is none, from the names of its
   * files. An empty folder with a manifest is a lake whose ledgers are yet to come.
   * @throws CodedError NOT_FOUND / FILE_NOT_FOUND, LAKE_NOT_FOUND; DATA_LOSS / LAKE_MANIFEST, LAKE_LAYOUT
   */
  static async open(folder: string, options: LocalLakeOptions = {}): Promise<LocalLake> {
    const stat = await fs.stat(folder).catch((thrown) => {
      throw fileFault(folder, thrown);
    });
    if (!stat.isDirectory()) {
      throw new CodedError("NOT_FOUND", "LAKE_NOT_FOUND", `${folder}: a lake is a folder, and this is a file`);
    }
    const manifest = await readLakeManifest(folder);
    const inferred = await inferFolderLayout(folder);
    if (manifest === undefined) {
      if (inferred === undefined) {
        throw new CodedError(
          "NOT_FOUND",
          "LAKE_NOT_FOUND",
          `${folder}: no lake here: neither a ${LAKE_MANIFEST_KEY} nor a file named like FC7F83FF--58752000.xdr.zst, alone or in a folder named like FC7F83FF--58752000-58815999`,
        );
      }
      return new LocalLake(folder, inferred, undefined, options);
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
        `${folder}: its ${LAKE_MANIFEST_KEY} says ${ledgersPerBatch} ledgers a file and ${batchesPerPartition} files a partition, and its files are named for ${inferred.ledgersPerBatch} and ${inferred.batchesPerPartition}`,
      );
    }
    return new LocalLake(folder, layout, manifest, options);
  }

  networkPassphrase(): Promise<string | undefined> {
    return Promise.resolve(this.manifest?.networkPassphrase);
  }

  /** First and last ledger of the lake by the names of its files; undefined where it is empty. Lists folders. */
  async ledgerRange(): Promise<LedgerRange | undefined> {
    const range = await folderRange(this.folder);
    if (range !== undefined) this.#latest = { ledger: range.ledgerLast, listedAt: Date.now() };
    return range;
  }

  /** Costs one look at the file system unless the lake has grown or the last listing is some seconds old. */
  async ledgerLatest(): Promise<number | undefined> {
    const latest = this.#latest;
    if (latest !== undefined && Date.now() - latest.listedAt < LISTING_MS) {
      const grown = latest.ledger < LEDGER_SEQUENCE_MAX && (await this.#exists(latest.ledger + 1));
      if (!grown) return latest.ledger;
    }
    const ledger = await folderLatest(this.folder);
    if (ledger !== undefined) this.#latest = { ledger, listedAt: Date.now() };
    return ledger;
  }

  /**
   * One object a file. With `end` 0 it waits at the tip for new files; with another `end` a ledger after the newest is
   * an error. `ledgerFirst` and `ledgerLast` of an object are those of its file name: the first file of a network
   * (`FFFFFFFF--0-63`) begins at ledger 2 all the same.
   * @throws CodedError OUT_OF_RANGE / LEDGER_BEFORE_SOURCE, LEDGER_AFTER_SOURCE with the range that exists;
   * NOT_FOUND / LEDGER_MISSING with the path expected; DATA_LOSS / ZSTD_* for a file that is corrupt and UNAVAILABLE /
   * ZSTD_* for one that may not be all there yet (see the table above); NOT_FOUND / FILE_NOT_FOUND for the folder;
   * RESOURCE_EXHAUSTED / LAKE_FILE_TOO_LARGE; PERMISSION_DENIED, UNAVAILABLE / FILE_UNREADABLE
   */
  async *read(
    start: number,
    end: number,
    signal: AbortSignal,
    onTrouble: TroubleListener = () => {},
  ): AsyncGenerator<LedgerObject, void, undefined> {
    checkRange(start, end);
    const last = end === 0 ? LEDGER_SEQUENCE_MAX : end;
    const stop = AbortSignal.any([signal, this.#closing.signal]);
    const limits = { itemsMax: this.#options.readAheadFiles, bytesMax: this.#options.readAheadBytes };
    let next = start;
    while (next <= last && !stop.aborted) {
      const load = (batch: LedgerRange, context: LoadContext) => this.#load(batch, end, context, stop);
      for await (const object of readAhead(this.#batches(next, last), load, limits)) {
        if (stop.aborted) return;
        if (object === undefined) break; // not there, or not yet
        yield object;
        next = object.ledgerLast + 1;
        if (stop.aborted) return;
      }
      if (next <= last && !stop.aborted) await this.#waitFor(next, end, stop, onTrouble);
    }
  }

  close(): Promise<void> {
    this.#closing.abort();
    return Promise.resolve();
  }

  *#batches(first: number, last: number): Generator<LedgerRange, void, undefined> {
    while (first <= last) {
      const batch = batchRange(this.layout, first);
      yield batch;
      first = batch.ledgerLast + 1;
    }
  }

  /** The file of `batch`, or undefined where there is none (or `stop` came first). */
  async #load(
    batch: LedgerRange,
    end: number,
    context: LoadContext,
    outer: AbortSignal,
  ): Promise<LedgerObject | undefined> {
    const stop = AbortSignal.any([outer, context.signal]);
    const begun = Date.now();
    let admitted = false;
    let sizeSeen = -1;
    let changedAt = begun;
    for (;;) {
      const file = await this.#openFile(batch.ledgerFirst);
      if (file === undefined) return undefined;
      const { handle, name } = file;
      let bytes: Uint8Array;
      let stat: Stats;
      try {
        stat = await this.#statFile(handle, name);
        // Once only: were a growing file to wait for more room, files behind it could hold that room for ever.
        if (!admitted) await context.admit(stat.size);
        admitted = true;
        bytes = await readFully(handle, stat.size);
      } catch (thrown) {
        if (stop.aborted) return undefined;
        throw fileFault(name, thrown);
      } finally {
        await handle.close();
      }
      try {
        scanZstd(name, bytes);
        // Nothing but decoding tells whether holes of an upload are left; the newest file is one every few seconds.
        if (end === 0 && (await this.#isNewest(batch.ledgerLast))) inflatesWhole(name, bytes);
        return { name, ...batch, encoding: "zstd", container: "batch", bytes };
      } catch (thrown) {
        const now = Date.now();
        if (sizeSeen === -1) changedAt = Math.min(stat.mtimeMs, now);
        else if (bytes.length !== sizeSeen) changedAt = now;
        sizeSeen = bytes.length;
        const still = now - changedAt >= this.#options.growingStillMsMax;
        const cutOff = thrown instanceof CodedError && thrown.reason === "ZSTD_TRUNCATED";
        if (!cutOff || still || now - begun >= GROWING_TOTAL_MS_MAX) {
          throw await this.#verdict(CodedError.from(thrown), batch, end, stat);
        }
        await pause(GROWING_POLL_MS, stop);
        if (stop.aborted) return undefined;
      }
    }
  }

  /** What is wrong with a file for good, or that it may not be all there yet: the table at the top. */
  async #verdict(fault: CodedError, { ledgerLast }: LedgerRange, end: number, stat: Stats): Promise<CodedError> {
    if (fault.code !== "DATA_LOSS") return fault;
    const { settledFileMs } = this.#options;
    const touchedAt = Math.max(stat.mtimeMs, stat.ctimeMs); // a copy may bring an old mtime along
    const settled = Date.now() - touchedAt >= settledFileMs;
    const newest = ((await folderLatest(this.folder).catch(() => undefined)) ?? 0) <= ledgerLast;
    const corrupt = end === 0 ? settled && !newest : settled || !newest || fault.reason !== "ZSTD_TRUNCATED";
    if (corrupt) return fault;
    const why = newest ? "it is the newest file" : `it has changed within ${settledFileMs} ms`;
    return new CodedError("UNAVAILABLE", fault.reason, `${fault.message}; ${why}, so the rest may still come`, {
      cause: fault,
    });
  }

  /** Costs a look at the file system only where the last listing does not tell. */
  async #isNewest(ledgerLast: number): Promise<boolean> {
    if ((this.#latest?.ledger ?? 0) > ledgerLast) return false;
    return ledgerLast === LEDGER_SEQUENCE_MAX || !(await this.#exists(ledgerLast + 1));
  }

  async #statFile(handle: fs.FileHandle, name: string): Promise<Stats> {
    const stat = await handle.stat();
    if (!stat.isFile()) {
      throw new CodedError("DATA_LOSS", "FILE_UNREADABLE", `${name}: not a regular file`);
    }
    if (stat.size > this.#options.fileBytesMax) {
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "LAKE_FILE_TOO_LARGE",
        `${name}: ${stat.size} B, over max ${this.#options.fileBytesMax} B for one lake file: write fewer ledgers a file`,
      );
    }
    return stat;
  }

  /** Opens the file that holds `ledger`, by either extension: a lake may have been begun by an older writer. */
  async #openFile(ledger: number): Promise<{ handle: fs.FileHandle; name: string } | undefined> {
    for (const name of this.#paths(ledger)) {
      try {
        return { handle: await fs.open(name, OPEN_FLAGS), name };
      } catch (thrown) {
        if (!isMissing(thrown)) throw fileFault(name, thrown);
      }
    }
    return undefined;
  }

  async #exists(ledger: number): Promise<boolean> {
    for (const name of this.#paths(ledger)) if (await fileExists(name)) return true;
    return false;
  }

  #paths(ledger: number): string[] {
    const other: LakeExtension = this.layout.extension === "zst" ? "zstd" : "zst";
    return [this.layout, { ...this.layout, extension: other }].map((layout) =>
      path.join(this.folder, lakeKey(layout, ledger)),
    );
  }

  /** `ledger` is not there: waits for it where that makes sense, throws where it does not. */
  async #waitFor(ledger: number, end: number, stop: AbortSignal, onTrouble: TroubleListener): Promise<void> {
    let lookedAt = Number.NEGATIVE_INFINITY;
    let listedAt = Number.NEGATIVE_INFINITY;
    let lateSince: number | undefined;
    while (!stop.aborted) {
      if (await fileExists(this.#paths(ledger)[0]!)) return;
      const now = Date.now();
      if (now - lookedAt >= ALTERNATIVES_MS) {
        lookedAt = now;
        if (await this.#exists(ledger)) return;
        // The file after it shows a gap at once; a wider gap shows at the next listing.
        const following = batchRange(this.layout, ledger).ledgerLast + 1;
        const later = following <= LEDGER_SEQUENCE_MAX && (await this.#exists(following));
        if (later || lateSince !== undefined || now - listedAt >= LISTING_MS) {
          listedAt = now;
          const range = await this.ledgerRange();
          if (!this.#isInside(ledger, end, range)) {
            lateSince = undefined;
            if ((range?.ledgerLast ?? 0) < ledger - 1) onTrouble(this.#behind(ledger, range), LISTING_MS);
          } else if (await this.#exists(ledger))
            return; // it came between the two looks
          else {
            lateSince ??= now;
            const gap = this.#gap(ledger, range!);
            if (end !== 0 || now - lateSince >= this.#options.lateFileMsMax) throw gap;
            onTrouble(gap, 0);
          }
        }
      }
      await pause(this.#options.followPollMs, stop);
    }
  }

  /** True where `ledger` lies inside what the lake has, so that it is a gap; false where it is yet to come. */
  #isInside(ledger: number, end: number, range: LedgerRange | undefined): boolean {
    if (range === undefined) {
      if (end === 0) return false;
      throw this.#behind(ledger, undefined);
    }
    const holds = `the ${this.description} holds ledgers ${range.ledgerFirst} to ${range.ledgerLast}`;
    if (ledger < range.ledgerFirst) {
      throw new CodedError("OUT_OF_RANGE", "LEDGER_BEFORE_SOURCE", `ledger ${ledger} was asked for, and ${holds}`);
    }
    if (ledger <= range.ledgerLast) return true;
    if (end === 0) return false;
    throw new CodedError(
      "OUT_OF_RANGE",
      "LEDGER_AFTER_SOURCE",
      `ledgers up to ${end} were asked for, and ${holds}: end there, or follow the tip with end 0`,
    );
  }

  /** The lake ends before what comes just before `ledger`: it is empty, or another one than it was. */
  #behind(ledger: number, range: LedgerRange | undefined): CodedError {
    const holds = range === undefined ? "is still empty" : `holds ledgers ${range.ledgerFirst} to ${range.ledgerLast}`;
    const message = `ledger ${ledger} was asked for, and the ${this.description} ${holds}`;
    return new CodedError("OUT_OF_RANGE", "LEDGER_AFTER_SOURCE", message);
  }

  #gap(ledger: number, range: LedgerRange): CodedError {
    return new CodedError(
      "NOT_FOUND",
      "LEDGER_MISSING",
      `ledger ${ledger} is missing: the ${this.description} holds ledgers ${range.ledgerFirst} to ${range.ledgerLast}, and ${this.#paths(ledger)[0]} is not there`,
    );
  }
}

/** @throws CodedError DATA_LOSS; what is only too large is for the worker to say */
function inflatesWhole(name: string, bytes: Uint8Array): void {
  const inflater = new Inflater(BATCH_BYTES_MAX);
  try {
    inflater.inflate(name, bytes, "zstd");
  } catch (thrown) {
    if (CodedError.from(thrown).code === "DATA_LOSS") throw thrown;
  } finally {
    inflater.close();
  }
}

function fileExists(name: string): Promise<boolean> {
  return fs.stat(name).then(
    () => true,
    () => false,
  );
}

/** Reads `size` bytes from the beginning; fewer where the file has become shorter since. */
async function readFully(handle: fs.FileHandle, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  let filled = 0;
  while (filled < size) {
    const { bytesRead } = await handle.read(bytes, filled, size - filled, filled);
    if (bytesRead === 0) return bytes.subarray(0, filled);
    filled += bytesRead;
  }
  return bytes;
}
