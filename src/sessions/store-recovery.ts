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
    for (const kind of KINDS) readKind(db, kind, found, lost);
  } catch (thrown) {
    if (String((thrown as { code?: string }).code).startsWith("SQLITE_BUSY")) {
      throw new CodedError("UNAVAILABLE", "STATE_IN_USE", `${path} is in use by a running server: stop it first`);
    }
    lost.push(`everything that could not be read from here on: ${message(thrown)}`);
  } finally {
    db?.close();
  }
  return { found, lost };
}

/** Records one by one, since a damaged page takes down the statement that meets it. */
function readKind(db: Database, kind: Kind, found: Found[], lost: string[]): void {
  const next = db.query<{ id: string; part: number; bytes: Uint8Array }, [Kind, string, number]>(
    "SELECT id, part, bytes FROM record WHERE kind = ? AND (id, part) > (?, ?) ORDER BY id, part LIMIT 1",
  );
  let at = { id: "", part: -1 };
  for (;;) {
    let row: { id: string; part: number; bytes: Uint8Array } | null;
    try {
      row = next.get(kind, at.id, at.part);
    } catch (thrown) {
      if (String((thrown as { code?: string }).code).startsWith("SQLITE_BUSY")) throw thrown;
      lost.push(`the ${kind} records after ${at.id || "the first"}: ${message(thrown)}`);
      return;
    }
    if (row === null) return;
    at = row;
    try {
      found.push({
        kind,
        id: row.id,
        part: row.part,
        record: unpackStored(recordKey(kind, row.id, row.part), row.bytes),
      });
    } catch (thrown) {
      lost.push(`the ${kind} record of ${row.id}: ${message(thrown)}`);
    }
  }
}

function message(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
