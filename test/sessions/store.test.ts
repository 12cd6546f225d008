/** The record on disk: what is written comes back, one server at a time, and damage is never passed over. */
import { Database } from "bun:sqlite";
import { afterAll, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CodedError } from "../../src/error.ts";
import { type Change, SessionStore, STORE_FILE, type StoredSession } from "../../src/sessions/store.ts";
import { recoverStore } from "../../src/sessions/store-recovery.ts";
import { packStored, unpackStored } from "../../src/sessions/stored-record.ts";
import { walDamage } from "../../src/sessions/wal-check.ts";
import { thrownBy } from "../support/failure.ts";
import { randomFrom, seedOf } from "../support/random.ts";

const scratch = mkdtempSync(join(tmpdir(), "contract-data-store-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
let folders = 0;
const folder = () => join(scratch, `state-${++folders}`);

function session(number: number): StoredSession {
  return {
    id: `session-${number}`,
    number,
    request: { ledgerStart: number, ledgerEnd: 0, batchRows: 7, labels: { team: "größe" } },
    createdUnixMs: 1_700_000_000_000 + number,
    startedUnixMs: 0,
    endedUnixMs: 0,
    stopAsked: false,
    message: "",
    resumes: number,
  };
}

const step = (ledgerFrom: number, code: string) => ({
  ledgerFrom,
  filter: { assetCodes: [code], includeDeleted: true },
  changedUnixMs: 5,
});

function fill(store: SessionStore, count: number): void {
  for (let number = count; number >= 1; number--) {
    const id = `session-${number}`;
    store.commit([
      { put: "session", id, record: session(number) },
      { put: "filter", id, part: number, record: step(number, "A") },
    ]);
  }
}

/** What a process leaves that was killed: the files as they lie there. */
function killed(path: string): string {
  const copy = folder();
  mkdirSync(copy);
  for (const suffix of ["", "-wal"]) {
    if (existsSync(join(path, STORE_FILE + suffix))) {
      copyFileSync(join(path, STORE_FILE + suffix), join(copy, STORE_FILE + suffix));
    }
  }
  return copy;
}

function reopened(path: string) {
  const store = SessionStore.open(path);
  const state = store.load();
  store.close();
  return state;
}

describe("what is written comes back", () => {
  test("all kinds of records, after a clean end and after a kill", () => {
    const path = folder();
    const store = SessionStore.open(path);
    fill(store, 3);
    store.commit([
      { put: "filter", id: "session-2", part: 10, record: step(10, "B") },
      { put: "filter", id: "session-2", part: 20, record: step(20, "C") },
    ]);
    store.commit([{ cutFilters: "session-2", ledgerFrom: 15 }]);
    const checkpoint = { position: { ledger: 9, row: 2 }, savedUnixMs: 1, counters: { rows: 2 ** 40 }, activeMs: 1.5 };
    store.note([
      { put: "checkpoint", id: "session-2", record: checkpoint },
      { put: "reservation", id: "session-2", record: { ledger: 77 } },
    ]);
    const learned = ["A", "B"].map((code) => [{ asset: `${code}:G`, ledgerFrom: 300 }]);
    for (const [part, assets] of learned.entries()) {
      store.note([{ put: "assets", id: "session-2", part, record: { learned: assets } }]);
    }
    const defaults = { filter: { includeDeleted: true }, configured: { includeDeleted: false } };
    store.commit([{ put: "default", id: "", record: defaults }]);
    store.commit([{ remove: "session-3" }]);
    const copy = killed(path);
    store.close();
    for (const state of [reopened(path), reopened(copy)]) {
      expect(state.sessions).toEqual([session(1), session(2)]);
      expect(state.filters.get("session-2")).toEqual([step(2, "A"), step(10, "B")]);
      expect(state.checkpoints.get("session-2")).toEqual(checkpoint);
      expect(state.reservations.get("session-2")).toBe(77);
      expect(state.learned.get("session-2")).toEqual(learned);
      expect(state.defaults).toEqual(defaults);
    }
  });

  test("what was learned belongs to the checkpoint: where some of it is gone, recovery begins again", () => {
    const path = folder();
    const store = SessionStore.open(path);
    fill(store, 3);
    const checkpoint = { position: { ledger: 90, row: 0 }, savedUnixMs: 1, counters: {}, activeMs: 0, assetParts: 2 };
    for (const id of ["session-1", "session-2"]) {
      store.note([
        { put: "checkpoint", id, record: checkpoint },
        { put: "assets", id, part: 0, record: { learned: [{ asset: "native", ledgerFrom: 300 }] } },
        { put: "assets", id, part: 1, record: { learned: [] } },
      ]);
    }
    store.close();
    expect(reopened(path).learned.get("session-1")).toHaveLength(2);
    const db = new Database(join(path, STORE_FILE));
    db.run("DELETE FROM record WHERE kind = 'assets' AND id = 'session-2' AND part = 0");
    db.close();
    const damaged = SessionStore.open(path);
    expect(thrownBy(() => damaged.load()).toRecord()).toMatchObject({ code: "DATA_LOSS", reason: "STATE_DAMAGED" });
    damaged.close();
    const { sessions, lost } = recoverStore(path);
    expect(sessions).toBe(3);
    expect(lost).toEqual([expect.stringContaining("session-2")]);
    const state = reopened(path);
    expect(state.checkpoints.get("session-1")).toEqual(checkpoint);
    expect(state.learned.get("session-1")).toHaveLength(2);
    expect(state.checkpoints.get("session-2")).toBeUndefined();
    expect(state.learned.get("session-2")).toBeUndefined();
  });

  test("the disk has a commit when it returns", () => {
    const path = folder();
    const store = SessionStore.open(path);
    fill(store, 1);
    const db = Reflect.get(store, "db") as Database;
    expect(db.query("PRAGMA synchronous").get()).toEqual({ synchronous: 2 });
    store.note([{ put: "session", id: "session-1", record: session(1) }]);
    expect(db.query("PRAGMA synchronous").get()).toEqual({ synchronous: 2 });
    expect(db.query("PRAGMA journal_mode").get()).toEqual({ journal_mode: "wal" });
    store.close();
  });

  test("in memory without a folder", () => {
    const store = SessionStore.open(undefined);
    fill(store, 2);
    expect(store.load().sessions).toHaveLength(2);
    store.close();
  });

  test("a change that cannot be written is an error, and nothing of it is there", () => {
    const path = folder();
    const store = SessionStore.open(path);
    fill(store, 1);
    const bad: Change[] = [
      { put: "session", id: "session-2", record: session(2) },
      { put: "session", id: "session-3", part: Number.NaN, record: session(3) },
    ];
    expect(thrownBy(() => store.commit(bad)).toRecord()).toMatchObject({
      code: "UNAVAILABLE",
      reason: "STATE_NOT_WRITTEN",
    });
    store.close();
    expect(reopened(path).sessions).toEqual([session(1)]);
  });
});

describe("one server at a time", () => {
  test("a second one is refused, and let in once the first has ended", () => {
    const path = folder();
    const store = SessionStore.open(path);
    fill(store, 1);
    const error = thrownBy(() => SessionStore.open(path));
    expect(error.toRecord()).toMatchObject({ code: "UNAVAILABLE", reason: "STATE_IN_USE" });
    expect(error.message).toContain(path);
    expect(thrownBy(() => recoverStore(path)).reason).toBe("STATE_IN_USE");
    store.close();
    expect(reopened(path).sessions).toHaveLength(1);
  }, 20_000);

  test("a folder that cannot be one, and a file of a newer version, are refused with the reason", () => {
    const file = join(scratch, "file");
    writeFileSync(file, "");
    expect(thrownBy(() => SessionStore.open(join(file, "state"))).reason).toBe("DATA_DIR");
    const path = folder();
    SessionStore.open(path).close();
    const db = new Database(join(path, STORE_FILE));
    db.run("PRAGMA user_version = 99");
    db.close();
    expect(thrownBy(() => SessionStore.open(path)).reason).toBe("STATE_VERSION");
  });
});

describe("damage", () => {
  test("a record with a wrong bit, of another key or of another version is none", () => {
    const bytes = packStored("session/a/0", session(1));
    expect(unpackStored("session/a/0", bytes)).toEqual(session(1));
    expect(() => unpackStored("session/b/0", bytes)).toThrow("checksum");
    for (let at = 0; at < bytes.length; at++) {
      const wrong = bytes.slice();
      wrong[at]! ^= 1;
      expect(() => unpackStored("session/a/0", wrong)).toThrow("checksum");
    }
    expect(() => unpackStored("session/a/0", bytes.subarray(0, 4))).toThrow("4 bytes");
  });

  /** Opens and loads; the refusal, or undefined where all is as it was. */
  function refusal(path: string): CodedError | undefined {
    let store: SessionStore | undefined;
    try {
      store = SessionStore.open(path);
      store.load();
      return undefined;
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(CodedError);
      return thrown as CodedError;
    } finally {
      store?.close();
    }
  }

  test("recover finds the sessions of a page whose key has a wrong bit, and says that the file was damaged", () => {
    const path = folder();
    const store = SessionStore.open(path);
    fill(store, 40);
    store.close();
    const file = join(path, STORE_FILE);
    const bytes = readFileSync(file);
    const pageBytes = bytes.readUInt16BE(16);
    // The table's inner page, of the first byte 2, has keys too: with one that is larger no search finds the last page.
    const inner = [...Array(bytes.length / pageBytes).keys()].find(
      (page) => page > 0 && bytes[page * pageBytes] === 2,
    )!;
    const key = bytes.lastIndexOf("session", (inner + 1) * pageBytes);
    expect(key).toBeGreaterThan(inner * pageBytes);
    bytes[key] = "z".charCodeAt(0);
    writeFileSync(file, bytes);
    expect(refusal(killed(path))?.reason).toBe("STATE_DAMAGED");
    const { sessions, lost } = recoverStore(path);
    expect(sessions).toBeGreaterThanOrEqual(39);
    expect(lost.join("\n")).toContain("what its tables have lost: SQLite says");
  });

  test("any flipped byte of file or log is refused or harmless, never a silent loss; recover is the way out", () => {
    const seed = seedOf();
    const random = randomFrom(seed);
    const path = folder();
    const store = SessionStore.open(path);
    fill(store, 20);
    const inLog = killed(path); // all in the log
    store.close(); // all in the file
    let refused = 0;
    for (const [from, file] of [
      [path, STORE_FILE],
      [inLog, `${STORE_FILE}-wal`],
    ] as const) {
      for (let round = 0; round < 60; round++) {
        const copy = killed(from);
        const bytes = readFileSync(join(copy, file));
        const at = Math.floor(random() * bytes.length);
        bytes[at]! ^= 1 << Math.floor(random() * 8);
        writeFileSync(join(copy, file), bytes);
        const where = `SEED=${seed}: ${file}, byte ${at}`;
        const error = refusal(killed(copy));
        if (error === undefined) {
          const { sessions } = reopened(killed(copy));
          // The last commit may look as if the crash had come before its end; nothing before it may be missing.
          expect(sessions.length, where).toBeGreaterThanOrEqual(file === STORE_FILE ? 20 : 19);
          continue;
        }
        refused += 1;
        expect(["DATA_LOSS", "FAILED_PRECONDITION", "INVALID_ARGUMENT"], where).toContain(error.code);
        if (error.reason !== "STATE_DAMAGED") continue;
        expect(error.message).toContain("recover");
        const { sessions, lost, setAside } = recoverStore(copy);
        expect(lost.length + sessions, where).toBeGreaterThan(0);
        expect(existsSync(setAside)).toBe(true);
        expect(reopened(copy).sessions, where).toHaveLength(sessions);
      }
    }
    expect(refused).toBeGreaterThan(10);
  }, 60_000);

  test("a file that is no database", () => {
    const path = folder();
    SessionStore.open(path).close();
    writeFileSync(join(path, STORE_FILE), Buffer.alloc(8192, "no database "));
    const error = thrownBy(() => SessionStore.open(path));
    expect(error.toRecord()).toMatchObject({ code: "DATA_LOSS", reason: "STATE_DAMAGED" });
    expect(error.message).toContain(join(path, STORE_FILE));
    expect(recoverStore(path)).toMatchObject({ sessions: 0, lost: [expect.stringContaining("could not be read")] });
    expect(reopened(path).sessions).toEqual([]);
  });

  test("recover keeps what can be read and lists what cannot", () => {
    const path = folder();
    const store = SessionStore.open(path);
    fill(store, 5);
    store.close();
    const db = new Database(join(path, STORE_FILE));
    db.run("UPDATE record SET bytes = x'0102030405060708' WHERE kind = 'session' AND id = 'session-2'");
    db.run("UPDATE record SET bytes = x'0102030405060708' WHERE kind = 'filter' AND id = 'session-4'");
    db.close();
    expect(refusal(path)?.message).toContain("record of session-");
    const { sessions, lost } = recoverStore(path);
    expect(sessions).toBe(3);
    expect(lost.join("\n")).toContain("session-2");
    expect(lost.join("\n")).toContain("session-4");
    expect(reopened(path).sessions.map(({ id }) => id)).toEqual(["session-1", "session-3", "session-5"]);
    expect(thrownBy(() => recoverStore(folder())).reason).toBe("STATE_NOT_FOUND");
  });

  test("a log that ends early is a crash, not damage; one with a hole is damage", () => {
    const path = folder();
    const store = SessionStore.open(path);
    fill(store, 6);
    const wal = readFileSync(join(path, `${STORE_FILE}-wal`));
    store.close();
    expect(walDamage(wal)).toBeUndefined();
    expect(walDamage(wal.subarray(0, wal.length - 100))).toBeUndefined();
    expect(walDamage(new Uint8Array())).toBeUndefined();
    const hole = Buffer.from(wal);
    hole[32 + 24 + 100]! ^= 4;
    expect(walDamage(hole)).toContain("frame 1 is damaged");
    const head = Buffer.from(wal);
    head[9]! ^= 1;
    expect(walDamage(head)).toContain("header");
    expect(walDamage(wal.subarray(0, 20))).toContain("20 bytes");
  });
});
