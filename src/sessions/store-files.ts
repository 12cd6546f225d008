/**
 * The files of the store as the system sees them: whether they are whole before SQLite opens them, and whether they are
 * still the ones that were opened. SQLite takes an empty file for a new database, and a missing log for one that was
 * folded in; and it goes on writing to files that nobody can find any more.
 */
import { closeSync, openSync, readSync, statSync } from "node:fs";

/** Marks in the database's header (application_id) that tell whether the last server closed it. */
export const MARK_OPEN = 0x4344_5001;
export const MARK_CLOSED = 0x4344_5000;

const HEADER_BYTES = 100; // SQLite's database header
const MARK_AT = 68; // of application_id, big-endian

/**
 * What is missing from the files at `path`, as the rest of a sentence; undefined where nothing shows. While a server
 * has the database open, its log is never empty: the mark itself was written to it.
 */
export function missingFrom(path: string): string | undefined {
  const bytes = sizeOf(path);
  if (bytes === undefined) return sizeOf(`${path}-wal`) ? "the file is gone, and its log is still there" : undefined;
  if (bytes === 0) return "the file is empty";
  if (bytes < HEADER_BYTES) return `the file has ${bytes} bytes, and its header alone has ${HEADER_BYTES}`;
  const log = sizeOf(`${path}-wal`);
  if (log !== undefined && log > 0) return undefined;
  return markOf(path) === MARK_OPEN
    ? `its log ${log === undefined ? "is gone" : "is empty"}, and the last server did not close it`
    : undefined;
}

function sizeOf(path: string): number | undefined {
  try {
    return statSync(path).size;
  } catch {
    return undefined;
  }
}

function markOf(path: string): number {
  const header = Buffer.alloc(HEADER_BYTES);
  const file = openSync(path, "r");
  try {
    readSync(file, header, 0, HEADER_BYTES, 0);
  } finally {
    closeSync(file);
  }
  return header.readUInt32BE(MARK_AT);
}

/** The opened files, by which one is told from another that has its path. */
export class OpenedFiles {
  private readonly files: ReadonlyArray<{ path: string; inode: number | undefined }>;

  /** @param path of the database; its log is open too */
  constructor(path: string) {
    this.files = [path, `${path}-wal`].map((each) => ({ path: each, inode: inodeOf(each) }));
  }

  /** The path at which the opened file cannot be found any more; undefined while all are there. Takes microseconds. */
  get gone(): string | undefined {
    return this.files.find(({ path, inode }) => inode !== inodeOf(path))?.path;
  }
}

function inodeOf(path: string): number | undefined {
  try {
    return statSync(path).ino;
  } catch {
    return undefined;
  }
}
