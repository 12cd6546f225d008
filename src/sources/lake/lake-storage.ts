/**
 * The place where a lake's objects are: what the follower and the loader of a lake ask of it. Keys are relative to the
 * lake's root, with `/` between their parts.
 *
 *     has, changedUnixMs     about one object, by name    a folder: stat      an object store: HEAD
 *     get                    one object, open to be read  open                GET
 *     list                   names below a folder         readdir             LIST
 *
 * A plain web server cannot list: then the lake's ends are found by asking for names (ends-by-name.ts).
 */
import { randomUUID } from "node:crypto";
import { constants, promises as fs, type Stats } from "node:fs";
import path from "node:path";
import { ReusedBuffers } from "../../base/reused-buffers.ts";
import { CodedError } from "../../error.ts";
import { fileFault, isMissing } from "./file-fault.ts";
import type { LakeLayout } from "./lake-layout.ts";

/** What of a listing is wanted. */
export interface ListOptions {
  /** Only names behind this one, in the order of their bytes. A storage may give more. */
  after?: string;
  /** The first names are enough, in the order of their bytes. A storage may give all. */
  firstPage?: boolean;
}

/** What the user says of a lake that cannot be listed. */
export interface KnownOfLake {
  /** For a lake without a manifest. */
  layout: LakeLayout | undefined;
  /** A ledger that it holds: the lake's ends are looked for from there. */
  ledger: number | undefined;
}

/**
 * What a kind of storage has to implement, as FolderStorage does for local folders. Each method asks the storage anew
 * and keeps nothing.
 */
export interface LakeStorage {
  /** For messages: the lake as its user names it. */
  readonly root: string;
  /** The shortest pause between two looks for the next object. */
  readonly lookMsMin: number;
  /** Whether `list` gives only the part that is wanted. */
  readonly listsParts: boolean;
  /** Objects to load ahead of the reader: they hide the time of a round trip. */
  readonly readAheadFiles: number;
  /** For error messages: the path or address of a key. */
  nameOf(key: string): string;
  /** Whether there is an object of that key; false also while the storage does not answer, but where it cannot list. */
  has(key: string): Promise<boolean>;
  /** When the object last changed (Unix ms), or undefined where there is none. */
  changedUnixMs(key: string): Promise<number | undefined>;
  /**
   * The object of that key, or undefined where there is none. Whoever gets it closes it.
   * @param signal gives it up, while its bytes are read too; default: until `close`
   * @throws CodedError as fileFault says, where it is there and cannot be read; the reason of the signal
   */
  get(key: string, signal?: AbortSignal): Promise<StoredObject | undefined>;
  /**
   * Names of objects and of folders right below `folder` ("" is the root), in no order; none where it is missing. Absent
   * where the storage cannot list.
   */
  list?(folder: string, options?: ListOptions): Promise<string[]>;
  /** Only where the storage cannot list. */
  readonly known?: KnownOfLake;
  /** @throws CodedError as fileFault says, where the lake's root is not there or does not answer */
  checkRoot(): Promise<void>;
  /** Ends what is under way, where it may take long: it fails with UNAVAILABLE, and so does what is asked for later. */
  close(): void;
}

/** A storage that can list. */
export type ListedStorage = LakeStorage & Required<Pick<LakeStorage, "list">>;

/** A storage that can be written to, and read in parts. */
export interface WritableStorage extends ListedStorage {
  /**
   * `length` bytes from byte `first` on, fewer where the object ends before; undefined where there is no such object.
   * @throws CodedError as `get`
   */
  getRange(key: string, first: number, length: number, signal?: AbortSignal): Promise<Uint8Array | undefined>;
  /**
   * Writes an object whole or not at all, as readers see it.
   * @returns false where there is an object of that key already, which stays as it is; where an answer was lost and the
   * request was sent again, that may be this one
   * @throws CodedError as `get`; the object may be there all the same
   */
  putIfAbsent(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<boolean>;
  /**
   * Writes an object in place of the one of that key, where there is one: readers see one of both, whole.
   * @throws CodedError as `get`; the object may be there all the same
   */
  replace(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void>;
}

/** Whether the storage can list. */
export function canList(storage: LakeStorage): storage is ListedStorage {
  return storage.list !== undefined;
}

/** One object, open: its size is known before its bytes are asked for. */
export interface StoredObject {
  /** For error messages. */
  readonly name: string;
  /** Bytes, when it was opened. */
  readonly size: number;
  /** When its content was last written (Unix ms), as the writer says. */
  readonly modifiedUnixMs: number;
  /** When it came to be as it is here (Unix ms): a copy may bring an old time of writing along. */
  readonly changedUnixMs: number;
  /** Differs whenever the content may. */
  readonly version: string;
  /** All `size` bytes; fewer where it has become shorter since. @throws CodedError as fileFault says */
  bytes(): Promise<Uint8Array>;
  /** Takes what `bytes` gave back, to use its memory again. Absent where that is nobody's. */
  release?(bytes: Uint8Array): void;
  close(): Promise<void>;
}

/** Memory of files that is kept for the next ones: as many dense ledgers as are read ahead. */
const KEPT_BYTES_MAX = 4 << 20;

/** Opening must not wait, even where a named pipe lies in the place of a file. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

/** A lake in a local folder. Nothing here blocks the event loop: the file system is asked by the runtime's threads. */
export class FolderStorage implements WritableStorage {
  /** A look costs some 20 µs of CPU, and latency at the tip counts. */
  readonly lookMsMin = 10;
  readonly listsParts = false;
  /** Hides the latency of a network file system. */
  readonly readAheadFiles = 8;
  private readonly buffers = new ReusedBuffers(KEPT_BYTES_MAX);

  constructor(readonly folder: string) {}

  get root(): string {
    return this.folder;
  }

  nameOf(key: string): string {
    return path.join(this.folder, key);
  }

  has(key: string): Promise<boolean> {
    return fs.stat(this.nameOf(key)).then(
      () => true,
      () => false,
    );
  }

  async changedUnixMs(key: string): Promise<number | undefined> {
    try {
      return changedUnixMs(await fs.stat(this.nameOf(key)));
    } catch {
      return undefined;
    }
  }

  async get(key: string): Promise<StoredObject | undefined> {
    const name = this.nameOf(key);
    let handle: fs.FileHandle;
    try {
      handle = await fs.open(name, OPEN_FLAGS);
    } catch (thrown) {
      if (isMissing(thrown)) return undefined;
      throw fileFault(name, thrown);
    }
    try {
      const stat = await handle.stat();
      if (!stat.isFile()) throw new CodedError("DATA_LOSS", "FILE_UNREADABLE", `${name}: not a regular file`);
      return new OpenFile(name, handle, stat, this.buffers);
    } catch (thrown) {
      await handle.close();
      throw fileFault(name, thrown);
    }
  }

  async getRange(key: string, first: number, length: number): Promise<Uint8Array | undefined> {
    const name = this.nameOf(key);
    try {
      await using handle = await fs.open(name, OPEN_FLAGS);
      const bytes = new Uint8Array(length);
      return bytes.subarray(0, await filled(handle, bytes, first));
    } catch (thrown) {
      if (isMissing(thrown)) return undefined;
      throw fileFault(name, thrown);
    }
  }

  async putIfAbsent(key: string, bytes: Uint8Array): Promise<boolean> {
    try {
      await this.putWhole(key, bytes, fs.link);
      return true;
    } catch (thrown) {
      if ((thrown as { code?: unknown }).code === "EEXIST") return false;
      throw fileFault(this.nameOf(key), thrown);
    }
  }

  async replace(key: string, bytes: Uint8Array): Promise<void> {
    try {
      await this.putWhole(key, bytes, fs.rename);
    } catch (thrown) {
      throw fileFault(this.nameOf(key), thrown);
    }
  }

  /** @param name gives the file, which is whole, its name */
  private async putWhole(key: string, bytes: Uint8Array, name: typeof fs.link): Promise<void> {
    const target = this.nameOf(key);
    const whole = path.join(path.dirname(target), `.${path.basename(target)}.${randomUUID()}.part`);
    try {
      await fs.mkdir(path.dirname(target), { recursive: true });
      await fs.writeFile(whole, bytes, { flush: true });
      await name(whole, target);
    } finally {
      await fs.rm(whole, { force: true });
    }
  }

  async list(folder: string): Promise<string[]> {
    const where = this.nameOf(folder);
    try {
      return await fs.readdir(where); // without types: these would cost an object for each of 64,000 names
    } catch (thrown) {
      if (folder !== "" && isMissing(thrown)) return [];
      throw fileFault(where, thrown);
    }
  }

  async checkRoot(): Promise<void> {
    await fs.access(this.folder).catch((thrown) => {
      throw fileFault(this.folder, thrown);
    });
  }

  /** The runtime's threads ask the file system, and their answers cannot be given up. */
  close(): void {
    this.buffers.clear();
  }
}

class OpenFile implements StoredObject {
  readonly size: number;
  readonly modifiedUnixMs: number;
  readonly changedUnixMs: number;
  readonly version: string;

  constructor(
    readonly name: string,
    private readonly handle: fs.FileHandle,
    stat: Stats,
    private readonly buffers: ReusedBuffers,
  ) {
    this.size = stat.size;
    this.modifiedUnixMs = stat.mtimeMs;
    this.changedUnixMs = changedUnixMs(stat);
    this.version = [stat.ino, stat.mtimeMs, stat.ctimeMs].join(" ");
  }

  async bytes(): Promise<Uint8Array> {
    const bytes = this.buffers.take(this.size);
    try {
      return bytes.subarray(0, await filled(this.handle, bytes, 0));
    } catch (thrown) {
      throw fileFault(this.name, thrown);
    }
  }

  release(bytes: Uint8Array): void {
    this.buffers.give(bytes);
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

/** Reads from byte `first` of a file on; answers with how many bytes there were, all of `bytes` at most. */
async function filled(handle: fs.FileHandle, bytes: Uint8Array, first: number): Promise<number> {
  let count = 0;
  while (count < bytes.length) {
    const { bytesRead } = await handle.read(bytes, count, bytes.length - count, first + count);
    if (bytesRead === 0) break;
    count += bytesRead;
  }
  return count;
}

function changedUnixMs({ mtimeMs, ctimeMs }: Stats): number {
  return Math.max(mtimeMs, ctimeMs);
}
