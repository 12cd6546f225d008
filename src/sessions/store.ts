/**
 * The memory of sessions, over SIGKILL and power cuts: one SQLite file in DATA_DIR, in write-ahead mode.
 *
 * - `commit` returns when the disk has it (synchronous=FULL); nothing is acknowledged before. It takes a fraction of a
 *   millisecond on an SSD, and it is synchronous, so that what is decided around it is decided at once.
 * - `note` does not wait for the disk: the log keeps order, so SIGKILL loses nothing, and a power cut loses at most the
 *   last notes. It is for checkpoints, which nobody is told of and whose loss costs only decoding again.
 *
 * Everything is one table of records (stored-record.ts), each with its kind, an id and a part. Whatever is not as it was
 * written stops the start with DATA_LOSS; nothing is left out silently. store-recovery.ts is the way out.
 */
import { Database } from "bun:sqlite";
import { accessSync, constants, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CodedError, type ErrorRecord } from "../error.ts";
import type { Position } from "../vocabulary/position.ts";
import type { FilterRecord } from "../vocabulary/row-filter.ts";
import type { AssetRecord, LedgerSkip } from "../workers/records.ts";
import type { FilterHistoryStep, SessionRequest } from "./session-service.ts";
import { damaged, storeError, text } from "./store-errors.ts";
import { MARK_CLOSED, MARK_OPEN, missingFrom, OpenedFiles } from "./store-files.ts";
import { packStored, unpackStored } from "./stored-record.ts";
import { walDamage } from "./wal-check.ts";

/** The store's file in DATA_DIR. */
export const STORE_FILE = "sessions.sqlite";
const MEMORY = "memory"; // the path of a store without a file
const FORMAT = 1; // of the table; the records have a version of their own
const BUSY_MS = 1000; // a predecessor that is being killed lets go within this
const WAL_PAGES = 4000; // 16 MiB before the log is folded into the file: that costs some milliseconds, so it is rare

/** How a session has ended. */
export type Outcome = "completed" | "cancelled" | "failed";

/** What a session is, as far as it must be remembered at once. */
export interface StoredSession {
  id: string;
  /** Rises with every session; the order in which they are listed. */
  number: number;
  request: SessionRequest;
  createdUnixMs: number;
  startedUnixMs: number;
  endedUnixMs: number;
  /** Absent = unfinished: it goes on after a restart. */
  outcome?: Outcome;
  /** A stop was asked for and has not taken effect. */
  stopAsked: boolean;
  message: string;
  error?: ErrorRecord;
  resumes: number;
  /** The passphrase of its ledgers; absent in records of earlier versions. */
  network?: string;
  /** What it knows of assets from its first ledger on: the request's and those of KNOWN_ASSETS as it was then. */
  knownAssets?: string[];
}

/** Where a session stands; consistent in itself. */
export interface StoredCheckpoint {
  /** The next row to make. */
  position: Position;
  savedUnixMs: number;
  /** As of StreamCell, over the session's whole life. */
  counters: Record<string, number>;
  /** The counters of each part, where the session has several: each partition of each dataset. */
  partitions?: Record<string, number>[];
  activeMs: number;
  /** The last ledger that was left out (ON_ERROR=skip). */
  skippedLast?: LedgerSkip;
  /** So many records of learned assets belong to it, written with it or before. Absent = 0. */
  assetParts?: number;
}

/** ConfigureFilters' default, and what the configuration said then. */
interface StoredDefault {
  filter: FilterRecord;
  configured: FilterRecord;
}

interface Kinds {
  session: StoredSession;
  /** One for every step of a session's filters; its part is the ledger from which it holds. */
  filter: FilterHistoryStep;
  checkpoint: StoredCheckpoint;
  /** No ledger above has ever been given to a worker. */
  reservation: { ledger: number };
  /** Assets that its ledgers have taught; its parts count from 0 on. Facts: one too many does no harm. */
  assets: { learned: AssetRecord[] };
  default: StoredDefault;
}
/** The kind of a record. */
export type Kind = keyof Kinds;
/** All kinds of records. */
export const KINDS: readonly Kind[] = ["session", "filter", "checkpoint", "reservation", "assets", "default"];

/** One change of the store; several make one transaction. */
export type Change =
  | { [K in Kind]: { put: K; id: string; part?: number; record: Kinds[K] } }[Kind]
  /** Steps of a session's filters from that ledger on. */
  | { cutFilters: string; ledgerFrom: number }
  /** All of a session. */
  | { remove: string };

/** All that the store has. */
export interface StoredState {
  /** In the order of their numbers. */
  sessions: StoredSession[];
  filters: Map<string, FilterHistoryStep[]>;
  checkpoints: Map<string, StoredCheckpoint>;
  reservations: Map<string, number>;
  /** By session, part by part. */
  learned: Map<string, AssetRecord[][]>;
  defaults?: StoredDefault;
}

/** The place of a record, which its checksum covers. */
export function recordKey(kind: string, id: string, part: number): string {
  return `${kind}/${id}/${part}`;
}

/** The opened store; one process has it at a time. */
export class SessionStore {
  /** Absent in memory. */
  private readonly files: OpenedFiles | undefined;
  private readonly put;
  private readonly cut;
  private readonly removed;
  private readonly apply: (changes: readonly Change[]) => void;

  private constructor(
    private readonly db: Database,
    /** For error messages. */
    readonly path: string,
  ) {
    this.files = path === MEMORY ? undefined : new OpenedFiles(path);
    this.put = db.query<null, [string, string, number, Uint8Array]>(
      "INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?)",
    );
    this.cut = db.query<null, [string, number]>("DELETE FROM record WHERE kind = 'filter' AND id = ? AND part >= ?");
    this.removed = db.query<null, [string]>("DELETE FROM record WHERE id = ?");
    this.apply = db.transaction((changes: readonly Change[]) => {
      for (const change of changes) this.change(change);
    });
  }

  /**
   * @param folder DATA_DIR, made where it is not there; undefined = in memory, gone with the process
   * @throws CodedError DATA_LOSS / STATE_DAMAGED, UNAVAILABLE / STATE_IN_USE, FAILED_PRECONDITION / STATE_VERSION,
   * INVALID_ARGUMENT / DATA_DIR, UNAVAILABLE / STATE_IO
   */
  static open(folder: string | undefined): SessionStore {
    if (folder === undefined) return new SessionStore(prepare(new Database(":memory:"), MEMORY), MEMORY);
    const path = join(folder, STORE_FILE);
    makeFolder(folder);
    checkWritable(folder, path);
    const missing = missingFrom(path);
    if (missing !== undefined) throw damaged(path, missing);
    const wal = readIfThere(`${path}-wal`);
    const damage = wal === undefined ? undefined : walDamage(wal);
    if (damage !== undefined) throw damaged(path, `its log ${STORE_FILE}-wal: ${damage}`);
    let db: Database | undefined;
    try {
      db = new Database(path, { create: true });
      return new SessionStore(prepare(db, path), path);
    } catch (thrown) {
      db?.close();
      throw storeError(path, thrown);
    }
  }

  /** Everything. @throws CodedError DATA_LOSS / STATE_DAMAGED naming the first record that is not as it was written */
  load(): StoredState {
    const state: StoredState = {
      sessions: [],
      filters: new Map(),
      checkpoints: new Map(),
      reservations: new Map(),
      learned: new Map(),
    };
    try {
      const rows = this.db
        .query<{ kind: Kind; id: string; part: number; bytes: Uint8Array }, []>(
          "SELECT kind, id, part, bytes FROM record ORDER BY kind, id, part",
        )
        .all();
      for (const { kind, id, part, bytes } of rows) this.take(state, kind, id, part, bytes);
    } catch (thrown) {
      throw storeError(this.path, thrown);
    }
    state.sessions.sort((a, b) => a.number - b.number);
    for (const { id } of state.sessions) {
      if (!state.filters.has(id)) throw damaged(this.path, `session ${id} has no filter record`);
      const parts = state.learned.get(id)?.length ?? 0;
      const { assetParts = 0 } = state.checkpoints.get(id) ?? {};
      if (parts < assetParts) {
        throw damaged(
          this.path,
          `session ${id} has ${parts} records of learned assets, and its checkpoint ${assetParts}`,
        );
      }
    }
    return state;
  }

  /** Returns when the disk has it. @throws CodedError UNAVAILABLE / STATE_NOT_WRITTEN, and nothing is changed then */
  commit(changes: readonly Change[]): void {
    this.write(changes);
  }

  /** Returns when the system has it; the disk follows. @throws as commit */
  note(changes: readonly Change[]): void {
    this.db.run("PRAGMA synchronous = NORMAL");
    try {
      this.write(changes);
    } finally {
      this.db.run("PRAGMA synchronous = FULL");
    }
  }

  close(): void {
    if (this.files !== undefined && this.gone === undefined) this.db.run(`PRAGMA application_id = ${MARK_CLOSED}`);
    this.db.close();
  }

  /**
   * The path at which a file of the store cannot be found any more, since DATA_DIR was removed or replaced under the
   * server; undefined while all is well. What is written then is gone with the process.
   */
  get gone(): string | undefined {
    return this.files?.gone;
  }

  private write(changes: readonly Change[]): void {
    if (changes.length === 0) return;
    this.refuseWhenGone();
    try {
      this.apply(changes);
      this.refuseWhenGone(); // what was just written must be found again
    } catch (thrown) {
      if (thrown instanceof CodedError) throw thrown;
      throw new CodedError(
        "UNAVAILABLE",
        "STATE_NOT_WRITTEN",
        `the change could not be written to ${this.path} (${text(thrown)}), and was not made: see that DATA_DIR has room and can be written to`,
        { cause: thrown },
      );
    }
  }

  private refuseWhenGone(): void {
    const { gone } = this;
    if (gone === undefined) return;
    throw new CodedError(
      "UNAVAILABLE",
      "STATE_GONE",
      `${gone} was removed or replaced while the server has it open, so that the change would be lost and was not made: put DATA_DIR back and restart the server`,
    );
  }

  private change(change: Change): void {
    if ("put" in change) {
      const { put: kind, id, part = 0, record } = change;
      this.put.run(kind, id, part, packStored(recordKey(kind, id, part), record));
    } else if ("remove" in change) this.removed.run(change.remove);
    else this.cut.run(change.cutFilters, change.ledgerFrom);
  }

  private take(state: StoredState, kind: Kind, id: string, part: number, bytes: Uint8Array): void {
    let record: unknown;
    try {
      record = unpackStored(recordKey(kind, id, part), bytes);
    } catch (thrown) {
      throw damaged(this.path, `the ${kind} record of ${id}: ${text(thrown)}`);
    }
    switch (kind) {
      case "session":
        state.sessions.push(record as StoredSession);
        return;
      case "filter": {
        const steps = state.filters.get(id) ?? [];
        steps.push(record as FilterHistoryStep);
        state.filters.set(id, steps);
        return;
      }
      case "checkpoint":
        state.checkpoints.set(id, record as StoredCheckpoint);
        return;
      case "reservation":
        state.reservations.set(id, (record as { ledger: number }).ledger);
        return;
      case "assets": {
        const parts = state.learned.get(id) ?? [];
        parts.push((record as { learned: AssetRecord[] }).learned);
        state.learned.set(id, parts);
        return;
      }
      case "default":
        state.defaults = record as StoredDefault;
        return;
      default:
        throw damaged(this.path, `it has a record of the unknown kind ${JSON.stringify(kind)}`);
    }
  }
}

function prepare(db: Database, path: string): Database {
  db.run(`PRAGMA busy_timeout = ${BUSY_MS}`);
  db.run("PRAGMA locking_mode = EXCLUSIVE"); // two servers on one folder would undo each other's work
  db.run("PRAGMA journal_mode = WAL");
  db.run("PRAGMA synchronous = FULL");
  db.run(`PRAGMA wal_autocheckpoint = ${WAL_PAGES}`);
  const check = db.query<{ quick_check: string }, []>("PRAGMA quick_check(1)").get();
  if (check?.quick_check !== "ok") throw damaged(path, check?.quick_check ?? "it cannot be checked");
  const { user_version: format } = db.query<{ user_version: number }, []>("PRAGMA user_version").get()!;
  if (format > FORMAT) {
    throw new CodedError(
      "FAILED_PRECONDITION",
      "STATE_VERSION",
      `${path} has format ${format}, and this version reads up to ${FORMAT}: run the newer version, or another DATA_DIR`,
    );
  }
  db.transaction(() => {
    db.run(
      "CREATE TABLE IF NOT EXISTS record (kind TEXT NOT NULL, id TEXT NOT NULL, part INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (kind, id, part)) WITHOUT ROWID",
    );
    db.run(`PRAGMA user_version = ${FORMAT}`);
    if (path !== MEMORY) db.run(`PRAGMA application_id = ${MARK_OPEN}`);
  }).immediate();
  if (path !== MEMORY) db.run("PRAGMA wal_checkpoint(PASSIVE)"); // from here on the mark stands in the file itself
  return db;
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (thrown) {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "DATA_DIR",
      `DATA_DIR is ${folder}, which is no folder and cannot be made one (${text(thrown)})`,
      { cause: thrown },
    );
  }
}

/** SQLite would only say that there was an I/O error. */
function checkWritable(folder: string, path: string): void {
  for (const each of [folder, path, `${path}-wal`]) {
    try {
      accessSync(each, constants.R_OK | constants.W_OK);
    } catch (thrown) {
      if (each !== folder && (thrown as NodeJS.ErrnoException).code === "ENOENT") continue;
      throw new CodedError(
        "INVALID_ARGUMENT",
        "DATA_DIR",
        `${each} cannot be read and written to (${text(thrown)}): give DATA_DIR a folder that this user owns`,
        { cause: thrown },
      );
    }
  }
}

function readIfThere(path: string): Uint8Array | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}
