/** A setting that changes between two starts ends no stored session (the table of docs/operations.md). */
import { Database } from "bun:sqlite";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CodedError } from "../../src/error.ts";
import { GetStatusResponse_Status as Status } from "../../src/grpc/generated/control.ts";
import { type Change, SessionStore, STORE_FILE } from "../../src/sessions/store.ts";
import { unpackStored } from "../../src/sessions/stored-record.ts";
import { GatedSource } from "../support/gated-source.ts";
import { type LocalServer, localServer } from "../support/local-server.ts";
import { TESTNET } from "../support/networks.ts";
import { until } from "../support/until.ts";

const scratch = mkdtempSync(join(tmpdir(), "contract-data-settings-"));
let source: GatedSource;
let server: LocalServer | undefined;
let folders = 0;

beforeAll(async () => {
  source = await GatedSource.open();
});
afterEach(async () => {
  await server?.close();
  server = undefined;
});
afterAll(async () => {
  await source.close();
  rmSync(scratch, { recursive: true, force: true });
});

const folder = () => join(scratch, `state-${++folders}`);

async function start(path: string, flags: Record<string, string> = {}): Promise<LocalServer> {
  server = await localServer(source, { "data-dir": path, "checkpoint-interval": "50ms", ...flags });
  return server;
}

async function end(): Promise<void> {
  await server?.close();
  server = undefined;
}

/** A continuous session at the tip, ledger 120, of a server that has ended since. */
async function storedSession(path: string, flags: Record<string, string> = {}): Promise<string> {
  source.tip = 120;
  const { control } = await start(path, flags);
  const { sessionId } = await control.startProcessing({ startLedger: 100, endLedger: 0 });
  await until(async () => (await control.getStatus({ sessionId })).currentLedger === 120, "at the tip");
  await end();
  return sessionId;
}

/** The session reads on to ledger 130 under these settings. */
async function expectGoesOn(path: string, sessionId: string, flags: Record<string, string> = {}): Promise<void> {
  source.tip = 130;
  const { control } = await start(path, flags);
  await until(async () => (await control.getStatus({ sessionId })).currentLedger === 130, "goes on");
  expect((await control.getStatus({ sessionId })).status).toBe(Status.RUNNING);
}

const readiness = async () => {
  const response = await fetch(`http://127.0.0.1:${server!.processor.addresses.http.port}/ready`);
  const { components } = (await response.json()) as { components: Record<string, { message: string }> };
  return { status: response.status, state: components.state!.message };
};

const isFailed = (sessionId: string) =>
  until(async () => (await server!.control.getStatus({ sessionId })).status === Status.ERROR, "failed");

describe("NETWORK_PASSPHRASE", () => {
  test("of another network stops the start with a sentence, and ends no session", async () => {
    const path = folder();
    const sessionId = await storedSession(path);
    const refused = await start(path, { "network-passphrase": TESTNET }).catch((thrown: unknown) => thrown);
    expect((refused as CodedError).toRecord()).toMatchObject({ code: "FAILED_PRECONDITION", reason: "STATE_NETWORK" });
    expect((refused as CodedError).message).toContain("1 of 1 session");
    expect((refused as CodedError).message).toContain("set NETWORK_PASSPHRASE and SOURCE_ENDPOINT as they were");
    await expectGoesOn(path, sessionId);
  });

  test("with sessions of an earlier version, which do not say their network: they wait for the right setting", async () => {
    const path = folder();
    const sessionId = await storedSession(path);
    forgetNetwork(path, sessionId);
    source.tip = 130;
    await start(path, { "network-passphrase": TESTNET });
    await isFailed(sessionId);
    expect(await readiness()).toMatchObject({ status: 503, state: expect.stringContaining("NETWORK_PASSPHRASE") });
    await end();
    await expectGoesOn(path, sessionId);
    expect(await readiness()).toMatchObject({ status: 200 });
  });
});

/** Makes the session's record one of a version that wrote no network. */
function forgetNetwork(path: string, id: string): void {
  const store = SessionStore.open(path);
  const record = store.load().sessions.find((session) => session.id === id)!;
  const { network: _, ...older } = record;
  store.commit([{ put: "session", id, record: older } as Change]);
  store.close();
}

test("LEDGER_BYTES_MAX below a ledger fails the session, not ready, until it is raised", async () => {
  const path = folder();
  const sessionId = await storedSession(path);
  source.tip = 130;
  await start(path, { "ledger-bytes-max": "1MiB" });
  await isFailed(sessionId);
  expect(await readiness()).toMatchObject({ status: 503, state: expect.stringContaining("LEDGER_BYTES_MAX") });
  await end();
  await expectGoesOn(path, sessionId);
});

test("a session that a setting holds up can be stopped, and stays stopped with the right setting", async () => {
  const path = folder();
  const sessionId = await storedSession(path);
  source.tip = 130;
  const { control } = await start(path, { "ledger-bytes-max": "1MiB" });
  await isFailed(sessionId);
  await control.stopProcessing({ sessionId });
  await end();
  await start(path);
  expect((await server!.control.getStatus({ sessionId })).status).toBe(Status.STOPPED);
  expect(await readiness()).toMatchObject({ status: 200 });
});

test("SOURCES without a session's source: the session is kept, and not ready", async () => {
  const path = folder();
  const sources = `archive=repeat:${join(import.meta.dir, "../../sample/lake")}`;
  const { control } = await start(path, { sources });
  const { sessionId } = await control.startProcessing({ startLedger: 100, endLedger: 0, source: "archive" });
  await until(async () => (await control.getStatus({ sessionId })).currentLedger >= 110, "reads");
  await end();
  await start(path);
  await isFailed(sessionId);
  expect(await readiness()).toMatchObject({ status: 503, state: expect.stringContaining("SOURCES") });
  await end();
  await start(path, { sources });
  await until(async () => (await server!.control.getStatus({ sessionId })).status === Status.RUNNING, "goes on");
});

test("settings that change nothing for a stored session: it goes on, with the filters that it had", async () => {
  const path = folder();
  const sessionId = await storedSession(path);
  const { filters } = recordOf(path, sessionId);
  await expectGoesOn(path, sessionId, {
    "worker-count": "1",
    "batch-size": "7",
    "channel-buffer-size": "4",
    compat: "go",
    "known-assets": "USDC:GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN",
    "include-deleted": "false",
    "filter-asset-codes": "USDC",
    "on-error": "skip",
    "flight-message-bytes-max": "1MiB",
    "max-memory-mb": "512",
    "partitions-max": "1",
    "sessions-max": "1",
    "checkpoint-interval": "2s",
  });
  await end();
  expect(recordOf(path, sessionId).filters).toEqual(filters);
});

/** What is on record of a session: nothing says that it has ended, and its filters. */
function recordOf(path: string, id: string): { filters: unknown } {
  const db = new Database(join(path, STORE_FILE), { readonly: true });
  const bytesOf = (kind: string) =>
    db
      .query<{ bytes: Uint8Array; part: number }, [string, string]>(
        "SELECT bytes, part FROM record WHERE kind = ? AND id = ?",
      )
      .all(kind, id);
  const [session] = bytesOf("session");
  const record = unpackStored(`session/${id}/0`, session!.bytes) as { outcome?: string };
  const filters = bytesOf("filter").map(({ bytes, part }) => unpackStored(`filter/${id}/${part}`, bytes));
  db.close();
  expect(record.outcome).toBeUndefined();
  return { filters };
}

test("SESSIONS_MAX below the number of stored sessions: those beyond it wait for ResumeSession", async () => {
  const path = folder();
  source.tip = 120;
  const { control } = await start(path);
  const ids = [];
  for (let i = 0; i < 2; i++) ids.push((await control.startProcessing({ startLedger: 100, endLedger: 0 })).sessionId);
  await end();
  await start(path, { "sessions-max": "1" });
  const states = await Promise.all(ids.map((sessionId) => server!.control.getStatus({ sessionId })));
  expect(states.map(({ status }) => status).sort()).toContain(Status.UNKNOWN);
  expect(states.find(({ status }) => status === Status.UNKNOWN)!.errorMessage).toContain("SESSIONS_MAX is 1");
  await end();
  await start(path);
  for (const sessionId of ids) {
    await until(async () => (await server!.control.getStatus({ sessionId })).status === Status.RUNNING, "goes on");
  }
});
