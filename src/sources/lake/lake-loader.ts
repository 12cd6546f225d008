/**
 * Loads the objects of a lake whole.
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

import { freeBytes } from "../../base/free-bytes.ts";
import { pause } from "../../base/pause.ts";
import { unlessAborted } from "../../base/unless-aborted.ts";
import { CodedError } from "../../error.ts";
import type { LedgerRange } from "../../vocabulary/ledger-range.ts";
import { Inflater } from "../file/inflate.ts";
import { scanZstd } from "../file/zstd-frame.ts";
import { BATCH_BYTES_MAX, LEDGER_SEQUENCE_MAX } from "../limits.ts";
import type { LedgerObject } from "../source.ts";
import type { LakeFollower } from "./lake-follower.ts";
import type { StoredObject } from "./lake-storage.ts";
import type { LoadContext } from "./read-ahead.ts";

interface LoaderOptions {
  fileBytesMax: number;
  growingStillMsMax: number;
  settledFileMs: number;
}

/** A cut-off file that has not grown for this long is waited for no more; younger, it may still be being written. */
export const GROWING_STILL_MS_MAX = 5_000;

/** A file unchanged for this long will stay as it is, if later ones are there: no upload rests longer within one file. */
export const SETTLED_FILE_MS = 60_000;

/** Longest wait for one growing file in all, however it trickles in. */
const GROWING_TOTAL_MS_MAX = 60_000;

/** Between looks at a growing file. */
const GROWING_POLL_MS = 20;

/** How old a listing may be that tells whether a bad file is the newest. */
const VERDICT_LISTING_MS = 1_000;

/**
 * Gets the bytes of one object, still compressed, once they are all there. One for each lake, shared by all its
 * readers.
 */
export class LakeLoader {
  /** The newest object that was last found to inflate whole: every reader at the tip loads it. */
  #whole = "";

  constructor(
    private readonly follower: LakeFollower,
    private readonly options: LoaderOptions,
  ) {}

  /**
   * The object of `batch`, or undefined where there is none (or a signal came first).
   * @param end of the whole read; 0 follows the tip
   * @throws CodedError DATA_LOSS / ZSTD_*, UNAVAILABLE / ZSTD_* by the table above; RESOURCE_EXHAUSTED /
   * LAKE_FILE_TOO_LARGE; what the storage says
   */
  async load(
    batch: LedgerRange,
    end: number,
    context: LoadContext,
    outer: AbortSignal,
  ): Promise<LedgerObject | undefined> {
    const stop = AbortSignal.any([outer, context.signal]);
    try {
      return await unlessAborted(this.#load(batch, end, context, stop), stop);
    } catch (thrown) {
      if (stop.aborted) return undefined;
      throw thrown;
    }
  }

  async #load(
    batch: LedgerRange,
    end: number,
    context: LoadContext,
    stop: AbortSignal,
  ): Promise<LedgerObject | undefined> {
    const begun = Date.now();
    let admitted = false;
    let sizeSeen = -1;
    let changedAt = begun;
    for (;;) {
      const found = await this.follower.get(batch.ledgerFirst, stop);
      if (found === undefined) return undefined;
      const { stored } = found;
      const { name } = stored;
      let bytes: Uint8Array;
      try {
        this.#checkSize(stored);
        // Once only: were a growing file to wait for more room, files behind it could hold that room for ever.
        if (!admitted) await context.admit(stored.size);
        admitted = true;
        bytes = await stored.bytes();
      } finally {
        await stored.close();
      }
      try {
        scanZstd(name, bytes);
        // Nothing but decoding tells whether holes of an upload are left; the newest file is one every few seconds.
        if (end === 0 && (await this.#isNewest(batch.ledgerLast))) this.#checkWhole(stored, bytes);
        this.follower.noted(batch);
        const release = () => (stored.release === undefined ? freeBytes(bytes) : stored.release(bytes));
        return { name, ...batch, encoding: "zstd", container: "batch", bytes, release };
      } catch (thrown) {
        const now = Date.now();
        if (sizeSeen === -1) changedAt = Math.min(stored.modifiedUnixMs, now);
        else if (bytes.length !== sizeSeen) changedAt = now;
        sizeSeen = bytes.length;
        const still = now - changedAt >= this.options.growingStillMsMax;
        const cutOff = thrown instanceof CodedError && thrown.reason === "ZSTD_TRUNCATED";
        if (!cutOff || still || now - begun >= GROWING_TOTAL_MS_MAX) {
          throw await this.#verdict(CodedError.from(thrown), batch, end, stored);
        }
        await pause(GROWING_POLL_MS, stop);
        stop.throwIfAborted();
      }
    }
  }

  #checkSize({ name, size }: StoredObject): void {
    const { fileBytesMax } = this.options;
    if (size <= fileBytesMax) return;
    throw new CodedError(
      "RESOURCE_EXHAUSTED",
      "LAKE_FILE_TOO_LARGE",
      `${name}: ${size} B, over max ${fileBytesMax} B for one lake file: write fewer ledgers a file`,
    );
  }

  /** What is wrong with a file for good, or that it may not be all there yet: the table at the top. */
  async #verdict(
    fault: CodedError,
    { ledgerLast }: LedgerRange,
    end: number,
    { changedUnixMs }: StoredObject,
  ): Promise<CodedError> {
    if (fault.code !== "DATA_LOSS") return fault;
    const { settledFileMs } = this.options;
    const settled = Date.now() - changedUnixMs >= settledFileMs;
    const ageMsMax = end === 0 ? VERDICT_LISTING_MS : 0;
    const range = await this.follower.range(ageMsMax).catch(() => undefined);
    const newest = (range?.ledgerLast ?? 0) <= ledgerLast;
    const corrupt = end === 0 ? settled && !newest : settled || !newest || fault.reason !== "ZSTD_TRUNCATED";
    if (corrupt) return fault;
    const why = newest ? "it is the newest file" : `it has changed within ${settledFileMs} ms`;
    return CodedError.received("UNAVAILABLE", fault.reason, `${fault.message}; ${why}, so the rest may still come`, {
      cause: fault,
    });
  }

  /** Costs a look at the storage only where the last listing does not tell. */
  async #isNewest(ledgerLast: number): Promise<boolean> {
    if ((this.follower.newestKnown ?? 0) > ledgerLast) return false;
    return ledgerLast === LEDGER_SEQUENCE_MAX || !(await this.follower.has(ledgerLast + 1));
  }

  /** @throws CodedError DATA_LOSS where the file does not inflate; one file is inflated once for all readers */
  #checkWhole({ name, version }: StoredObject, bytes: Uint8Array): void {
    const identity = `${name} ${version} ${bytes.length}`;
    if (identity === this.#whole) return;
    inflatesWhole(name, bytes);
    this.#whole = identity;
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
