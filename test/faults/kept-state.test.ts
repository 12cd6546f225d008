/** The record of sessions never starts empty without a word, and nothing is acknowledged that is lost. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, renameSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CodedError } from "../../src/error.ts";
import type { SessionRequest } from "../../src/sessions/session-service.ts";
import { SessionStore, STORE_FILE, type StoredSession } from "../../src/sessions/store.ts";
import { recoverStore } from "../../src/sessions/store-recovery.ts";
import { failureOf } from "../support/failure.ts";
import { GatedSource } from "../support/gated-source.ts";
import { localServer } from "../support/local-server.ts";

const scratch = mkdtempSync(join(tmpdir(), "contract-data-state-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
let folders = 0;
const folder = () => join(scratch, `state-${++folders}`);

const request: SessionRequest = { ledgerStart: 1, ledgerEnd: 0, batchRows: 0 };
const times = { createdUnixMs: 1, startedUnixMs: 0, endedUnixMs: 0 };
const session: StoredSession = { id: "a", number: 1, request, ...times, stopAsked: false, message: "", resumes: 0 };

/** A store with one session in it. */
function filled(path: string): SessionStore {
  const store = SessionStore.open(path);
  const step = { ledgerFrom: 1, filter: { includeDeleted: true }, changedUnixMs: 1 };
  store.commit([
    { put: "session", id: "a", record: session },
    { put: "filter", id: "a", part: 1, record: step },
  ]);
  return store;
}

/** The files as a process leaves them that is killed. */
function killed(): string {
  const path = folder();
  const store = filled(path);
  const copy = folder();
  cpSync(path, copy, { recursive: true });
  store.close();
  return copy;
}

function damageOf(path: string): CodedError {
  try {
    SessionStore.open(path).close();
  } catch (thrown) {
    return CodedError.from(thrown);
  }
  throw new Error("it was opened");
}

const sessionsOf = (path: string): number => {
  const store = SessionStore.open(path);
  const { sessions } = store.load();
  store.close();
  return sessions.length;
};

describe("files that have lost their content", () => {
  test("a database of 0 bytes is refused with the way out, which works", () => {
    const path = folder();
    filled(path).close();
    truncateSync(join(path, STORE_FILE), 0);
    const error = damageOf(path);
    expect(error.toRecord()).toMatchObject({ code: "DATA_LOSS", reason: "STATE_DAMAGED" });
    expect(error.message).toContain("the file is empty");
    expect(error.message).toContain("recover");
    expect(recoverStore(path).sessions).toBe(0);
    expect(sessionsOf(path)).toBe(0);
  });

  test("a log of 0 bytes, and one that is gone, after a kill", () => {
    const empty = killed();
    truncateSync(join(empty, `${STORE_FILE}-wal`), 0);
    expect(damageOf(empty).message).toContain("its log is empty, and the last server did not close it");
    const gone = killed();
    rmSync(join(gone, `${STORE_FILE}-wal`));
    expect(damageOf(gone).message).toContain("its log is gone, and the last server did not close it");
    expect(recoverStore(gone).lost).toEqual([]);
  });

  test("a database that is gone beside its log", () => {
    const path = killed();
    rmSync(join(path, STORE_FILE));
    expect(damageOf(path).message).toContain("the file is gone, and its log is still there");
    expect(recoverStore(path)).toMatchObject({ sessions: 0, lost: [expect.stringContaining("is gone")] });
    expect(sessionsOf(path)).toBe(0);
  });

  test("a kill alone damages nothing, nor does an orderly end", () => {
    const path = killed();
    expect(sessionsOf(path)).toBe(1);
    expect(sessionsOf(path)).toBe(1);
    const again = killed();
    SessionStore.open(again).close();
    rmSync(join(again, `${STORE_FILE}-wal`), { force: true }); // an orderly end leaves none that is needed
    expect(sessionsOf(again)).toBe(1);
  });
});

describe("DATA_DIR that goes away under a running server", () => {
  let source: GatedSource;
  beforeAll(async () => {
    source = await GatedSource.open();
    source.tip = 120;
  });
  afterAll(() => source.close());

  test.each(["removed", "moved away", "replaced"])("%s: starts are refused, and health says so", async (how) => {
    const path = folder();
    const server = await localServer(source, { "data-dir": path, "checkpoint-interval": "50ms" });
    await server.control.startProcessing({ startLedger: 100, endLedger: 0 });
    if (how === "removed") rmSync(path, { recursive: true });
    else renameSync(path, `${path}-away`);
    if (how === "replaced") cpSync(`${path}-away`, path, { recursive: true });
    const error = await failureOf(server.control.startProcessing({ startLedger: 100, endLedger: 0 }));
    expect(error.toRecord()).toMatchObject({ code: "UNAVAILABLE", reason: "STATE_GONE" });
    const { sessions } = await server.control.listSessions({});
    expect(sessions.length).toBe(1);
    const health = await fetch(`http://127.0.0.1:${server.processor.addresses.http.port}/health`);
    expect(health.status).toBe(503);
    expect(await health.text()).toContain("removed or replaced");
    await server.close();
  });
});
