/**
 * The way out of a damaged store: what can be read goes into a new file, what cannot is listed, and the old files are
 * set aside under another name. Sessions whose own record is readable are kept even where their checkpoint is not: they
 * begin again at their start, which costs decoding and loses nothing.
 */
import { Database } from "bun:sqlite";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { CodedError } from "../error.ts";
import { type Change, KINDS, type Kind, recordKey, SessionStore, STORE_FILE, type StoredCheckpoint } from "./store.ts";
import { text } from "./store-errors.ts";
import { unpackStored } from "./stored-record.ts";
import { walDamage } from "./wal-check.ts";

interface Recovery {
  /** Sessions in the new file. */
  sessions: number;
  /** What is in the old one only, one sentence each. */
  lost: string[];
  /** Where the damaged file is now. */
  setAside: string;
}

interface Found {
  kind: Kind;
  id: string;
  part: number;
  record: unknown;
}

/** @throws CodedError NOT_FOUND / STATE_NOT_FOUND, UNAVAILABLE / STATE_IN_USE */
export function recoverStore(folder: string, nowUnixMs = Date.now()): Recovery {
  const path = join(folder, STORE_FILE);
  if (!existsSync(path) && !existsSync(`${path}-wal`)) {
    throw new CodedError("NOT_FOUND", "STATE_NOT_FOUND", `there is no ${STORE_FILE} in ${folder}: nothing to recover`);
  }
  const { found, lost } = existsSync(path)
    ? readAll(path)
    : { found: [], lost: [`${STORE_FILE} is gone, and its log alone cannot be read`] };
  const setAside = `${path}.damaged-${nowUnixMs}`;
  for (const suffix of ["", "-wal", "-shm"]) {
    if (existsSync(path + suffix)) renameSync(path + suffix, setAside + suffix);
  }
  const whole = new Set(found.filter(({ kind }) => kind === "session").map(({ id }) => id));
  const filtered = new Set(found.filter(({ kind }) => kind === "filter").map(({ id }) => id));
  for (const id of whole) {
    if (filtered.has(id)) continue;
    whole.delete(id);
    lost.push(`session ${id}: its filters cannot be read`);
  }
  const behind = begunAgain(found, lost);
  const store = SessionStore.open(folder);
  try {
    store.commit(
      found
        .filter(({ kind, id }) => kind === "default" || whole.has(id))
        .filter(({ kind, id }) => !(behind.has(id) && (kind === "checkpoint" || kind === "assets")))
        .map(({ kind, id, part, record }) => ({ put: kind, id, part, record }) as Change),
    );
  } finally {
    store.close();
  }
  return { sessions: whole.size, lost, setAside };
}

/** Sessions that have lost something of what they had learned, or the checkpoint: from their start on, they learn it again. */
function begunAgain(found: readonly Found[], lost: string[]): Set<string> {
  const parts = new Map<string, number>();
  for (const { kind, id } of found) if (kind === "assets") parts.set(id, (parts.get(id) ?? 0) + 1);
  const behind = new Set(parts.keys());
  for (const { kind, id, record } of found) {
    if (kind !== "checkpoint") continue;
    const { assetParts = 0 } = record as StoredCheckpoint;
    if ((parts.get(id) ?? 0) >= assetParts) {
      behind.delete(id);
      continue;
    }
    behind.add(id);
    lost.push(`the checkpoint of ${id}: what it had learned of assets cannot be read whole`);
  }
  return behind;
}

function readAll(path: string): { found: Found[]; lost: string[] } {
  const found: Found[] = [];
  const lost: string[] = [];
  const wal = `${path}-wal`;
  const damage = existsSync(wal) ? walDamage(readFileSync(wal)) : undefined;
  if (damage !== undefined) lost.push(`what its log holds behind the damage: ${damage}`);
  let db: Database | undefined;
  try {
    db = new Database(path);
    db.run("PRAGMA locking_mode = EXCLUSIVE");
    readRecords(db, found, lost);
    const fault = faultOf(db);
    if (fault !== undefined) lost.push(`what its tables have lost: SQLite says ${fault}`);
  } catch (thrown) {
    if (isBusy(thrown)) {
      throw new CodedError("UNAVAILABLE", "STATE_IN_USE", `${path} is in use by a running server: stop it first`);
    }
    lost.push(`everything that could not be read from here on: ${text(thrown)}`);
  } finally {
    db?.close();
  }
  return { found, lost };
}

interface Row {
  kind: Kind;
  id: string;
  part: number;
  bytes: Uint8Array;
}

/**
 * All records in the order in which the file has them, which a damaged key does not hide from, and backwards too where a
 * damaged page stops that.
 */
function readRecords(db: Database, found: Found[], lost: string[]): void {
  const seen = new Set<string>();
  const take = ({ kind, id, part, bytes }: Row) => {
    const key = recordKey(kind, id, part);
    if (seen.has(key)) return;
    seen.add(key);
    try {
      if (!KINDS.includes(kind)) throw new Error("there is no such kind");
      found.push({ kind, id, part, record: unpackStored(key, bytes) });
    } catch (thrown) {
      lost.push(`the ${kind} record of ${id}: ${text(thrown)}`);
    }
  };
  const forward = readUntilDamage(db, "ASC", take);
  if (forward.damage === undefined) return;
  const backward = readUntilDamage(db, "DESC", take);
  if (forward.last === undefined && backward.last === undefined) throw forward.damage;
  const [after, before] = [forward.last ?? "the first", backward.last ?? "the last"];
  lost.push(`the records from ${after} to ${before}: ${text(forward.damage)}`);
}

/** @returns the last row before the damage, as words; no damage where all rows were read */
function readUntilDamage(
  db: Database,
  order: "ASC" | "DESC",
  take: (row: Row) => void,
): { last?: string; damage?: unknown } {
  let last: string | undefined;
  try {
    const sql = `SELECT kind, id, part, bytes FROM record ORDER BY kind ${order}, id ${order}, part ${order}`;
    for (const row of db.query<Row, []>(sql).iterate()) {
      last = `the ${row.kind} record of ${row.id}`;
      take(row);
    }
    return {};
  } catch (thrown) {
    if (isBusy(thrown)) throw thrown;
    return { last, damage: thrown };
  }
}

/** What SQLite finds wrong in the file itself. */
function faultOf(db: Database): string | undefined {
  try {
    const check = db.query<{ integrity_check: string }, []>("PRAGMA integrity_check(1)").get();
    return check?.integrity_check === "ok" ? undefined : check?.integrity_check;
  } catch (thrown) {
    return text(thrown);
  }
}

function isBusy(thrown: unknown): boolean {
  return String((thrown as { code?: string }).code).startsWith("SQLITE_BUSY");
}
