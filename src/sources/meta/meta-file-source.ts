/**
 * A meta stream in a regular file, as core writes it to METADATA_OUTPUT_STREAM or `cat` has kept it. Nobody is held back by
 * a file, so nothing is shared: each read goes through it from its beginning.
 */
import { promises as fs } from "node:fs";
import { pause } from "../../base/pause.ts";
import { CodedError } from "../../error.ts";
import { checkRange } from "../check-range.ts";
import { fileFault } from "../lake/file-fault.ts";
import type { LedgerObject, LedgerSource, TroubleListener } from "../source.ts";
import type { MetaBytes } from "./meta-feed.ts";
import { ledgerBefore, ledgerMissing, metaObject } from "./meta-object.ts";
import { MetaReader } from "./meta-reader.ts";
import { wholeLedgers } from "./whole-ledgers.ts";

const CHUNK_BYTES = 256 << 10; // read at a time
const LOOK_MS = 250; // between looks whether the file has grown

/** Waits at the end of the file for what is still to be written. */
export class MetaFileSource implements LedgerSource {
  readonly description: string;
  readonly seekable = false; // a read costs what is before its first ledger
  private readonly closing = new AbortController();
  private newest: number | undefined;

  constructor(private readonly path: string) {
    this.description = `meta stream ${path}`;
  }

  /** The stream does not say. */
  networkPassphrase(): Promise<string | undefined> {
    return Promise.resolve(undefined);
  }

  /** The newest ledger that a read has come to; undefined before the first. */
  ledgerLatest(): Promise<number | undefined> {
    return Promise.resolve(this.newest);
  }

  /**
   * One object a ledger, inflated. What the file has again is left out.
   * @throws CodedError NOT_FOUND / FILE_NOT_FOUND, LEDGER_MISSING for a gap; OUT_OF_RANGE / LEDGER_BEFORE_SOURCE;
   * UNAVAILABLE / SOURCE_UNAVAILABLE where the file is begun anew; as fileFault, wholeLedgers
   */
  async *read(
    start: number,
    end: number,
    signal: AbortSignal,
    onTrouble: TroubleListener = () => {},
  ): AsyncGenerator<LedgerObject, void, undefined> {
    const last = checkRange(start, end);
    const stop = AbortSignal.any([signal, this.closing.signal]);
    const bytes = await FileBytes.open(this.path, stop, () => onTrouble(undefined, 0));
    try {
      let [next, isFirst] = [start, true];
      for await (const ledger of wholeLedgers(this.description, new MetaReader(bytes, () => Promise.resolve()))) {
        const { sequence } = ledger;
        this.newest = Math.max(this.newest ?? 0, sequence);
        if (sequence > next) throw (isFirst ? ledgerBefore : ledgerMissing)(this.description, next, sequence);
        isFirst = false;
        if (sequence < next) continue;
        yield metaObject(this.description, ledger);
        next += 1;
        if (next > last || stop.aborted) return;
      }
    } finally {
      bytes.close();
    }
  }

  close(): Promise<void> {
    this.closing.abort();
    return Promise.resolve();
  }
}

class FileBytes implements MetaBytes {
  private position = 0;

  private constructor(
    private readonly path: string,
    private readonly handle: fs.FileHandle,
    private readonly signal: AbortSignal,
    private readonly atEnd: () => void,
  ) {}

  static async open(path: string, signal: AbortSignal, atEnd: () => void): Promise<FileBytes> {
    try {
      return new FileBytes(path, await fs.open(path, "r"), signal, atEnd);
    } catch (thrown) {
      throw fileFault(path, thrown);
    }
  }

  async next(): Promise<Uint8Array | undefined> {
    try {
      while (!this.signal.aborted) {
        const chunk = new Uint8Array(CHUNK_BYTES);
        const { bytesRead } = await this.handle.read(chunk, 0, chunk.length, this.position);
        this.position += bytesRead;
        if (bytesRead > 0) return chunk.subarray(0, bytesRead);
        if ((await this.handle.stat()).size < this.position) throw this.begunAnew();
        this.atEnd();
        await pause(LOOK_MS, this.signal);
      }
      return undefined;
    } catch (thrown) {
      throw fileFault(this.path, thrown);
    }
  }

  close(): void {
    void this.handle.close().catch(() => {});
  }

  private begunAnew(): CodedError {
    const message = `meta stream ${this.path}: the file has become shorter than the ${this.position} B that were read: it is begun anew`;
    return new CodedError("UNAVAILABLE", "SOURCE_UNAVAILABLE", message);
  }
}
