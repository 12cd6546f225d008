/**
 * Every transition of the state table, on a real server and through its calls; calls.test.ts does so for the table of
 * calls. At the moment when a watcher is told of an end, the store has the outcome.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CodedError } from "../../src/error.ts";
import { SESSION_STATES, type SessionState } from "../../src/sessions/session-service.ts";
import { isEnded, nextState, SESSION_EVENTS, type SessionEvent } from "../../src/sessions/states.ts";
import { SessionStore } from "../../src/sessions/store.ts";
import { failureOf } from "../support/failure.ts";
import { GatedSource } from "../support/gated-source.ts";
import { type LocalServer, localServer } from "../support/local-server.ts";
import { until } from "../support/until.ts";

const folder = mkdtempSync(join(tmpdir(), "contract-data-transitions-"));
const FAILURE = CodedError.received("DATA_LOSS", "TEST_FAILURE", "the test says so");
let source: GatedSource;
let server: LocalServer;
/** Runs when a stream is stopped that has read all that it was asked for; until then that stream is not over. */
let atEnd: (() => void) | undefined;
/** The states that watchers were told of, by session. */
const told = new Map<string, SessionState[]>();
/** Ends that watchers were told of before they were on record. */
const early: string[] = [];

async function open(): Promise<void> {
  server = await localServer(source, { "data-dir": folder, "resume-sessions": "false", "sessions-max": "100" });
  const { sessions } = server.processor;
  sessions.watch(undefined, ({ id, state, endedUnixMs }, event) => {
    if (event !== "state") return;
    const states = told.get(id) ?? [];
    if (states.at(-1) !== state) states.push(state);
    told.set(id, states);
    if (!isEnded(state)) return;
    const stored = sessions.disk.load().sessions.find((session) => session.id === id);
    if (stored?.outcome === undefined || endedUnixMs === 0) early.push(`${id} ${state}`);
  });
}

beforeAll(async () => {
  source = await GatedSource.open();
  const { read, networkPassphrase } = source;
  source.read = async function* (start, end, signal) {
    yield* read.call(source, start, end, signal);
    if (atEnd === undefined) return;
    while (!signal.aborted) await Bun.sleep(2);
    atEnd();
  };
  source.networkPassphrase = async () => {
    const network = await networkPassphrase.call(source);
    if (source.failure !== undefined) throw source.failure;
    return network;
  };
  await open();
});
afterAll(async () => {
  Object.assign(source, { closed: false, failure: undefined });
  await server.close();
  await source.close();
  rmSync(folder, { recursive: true, force: true });
});

const start = async (endLedger = 0) =>
  (await server.control.startProcessing({ startLedger: 100, endLedger })).sessionId;
const stateOf = (id: string) => server.processor.sessions.get(id).state;
const reached = (id: string, state: SessionState) => until(() => stateOf(id) === state, `${id} is ${state}`);
const stop = (sessionId: string) => server.control.stopProcessing({ sessionId });

async function running(endLedger = 0): Promise<string> {
  const id = await start(endLedger);
  await reached(id, "RUNNING");
  return id;
}

async function starting(): Promise<string> {
  source.closed = true;
  return start();
}

async function failed(): Promise<string> {
  const id = await running();
  source.failure = FAILURE;
  await reached(id, "ERROR");
  source.failure = undefined;
  return id;
}

/** Another process; its sessions begin in UNKNOWN, and it has told nobody of them. */
async function restarted(id: string, between = () => {}): Promise<string> {
  await server.close();
  between();
  told.clear();
  await open();
  return id;
}

/** A session that waits for ResumeSession. */
async function waiting(): Promise<string> {
  const id = await restarted(await running());
  expect(stateOf(id)).toBe("UNKNOWN");
  return id;
}

/** A bounded session that has read everything and whose source does not end before the stop. */
async function stoppedAtItsEnd(): Promise<string> {
  const id = await running(105);
  await until(() => server.processor.sessions.get(id).ledgerCurrent === 105, "at its last ledger");
  await stop(id);
  return id;
}

/** The record of a session that was complete, with its end not written: what a crash at that moment leaves. */
function takeOutcomeAway(id: string): void {
  const store = SessionStore.open(folder);
  const stored = store.load().sessions.find((session) => session.id === id)!;
  const record = { ...stored, outcome: undefined, message: "", endedUnixMs: 0 };
  store.commit([{ put: "session", id, record }]);
  store.close();
}

/** Takes a session through one transition. */
const WALKS: Record<SessionState, Partial<Record<SessionEvent, () => Promise<string>>>> = {
  UNKNOWN: {
    opened: running,
    stopAsked: async () => {
      const id = await waiting();
      await stop(id);
      return id;
    },
    completed: async () => {
      const id = await running(105);
      await reached(id, "STOPPED");
      await restarted(id, () => takeOutcomeAway(id));
      expect(server.processor.sessions.get(id).message).toBe("completed at ledger 105");
      const refused = await failureOf(server.control.resumeSession({ sessionId: id }));
      expect(refused.reason).toBe("SESSION_COMPLETE");
      return id;
    },
    failed: async () => restarted(await failed()),
    resumed: async () => {
      const id = await waiting();
      await server.control.resumeSession({ sessionId: id });
      return id;
    },
  },
  STARTING: {
    started: running,
    stopAsked: async () => {
      const id = await starting();
      // STOPPING may be over before anybody looks: watchers were told of it.
      const stopped = stop(id);
      await until(() => told.get(id)?.includes("STOPPING") === true, `${id} was told to stop`);
      source.closed = false;
      await stopped;
      return id;
    },
    failed: async () => {
      const id = await starting();
      source.failure = FAILURE;
      source.closed = false;
      await reached(id, "ERROR");
      return id;
    },
  },
  RUNNING: {
    stopAsked: async () => {
      const id = await running();
      await stop(id);
      return id;
    },
    completed: async () => {
      const id = await running(105);
      await reached(id, "STOPPED");
      expect(server.processor.sessions.get(id).message).toBe("completed at ledger 105");
      return id;
    },
    failed,
  },
  STOPPING: {
    completed: async () => {
      atEnd = () => {};
      const id = await stoppedAtItsEnd();
      expect(server.processor.sessions.get(id).message).toBe("completed at ledger 105");
      return id;
    },
    drained: async () => {
      const id = await running();
      await stop(id);
      expect(server.processor.sessions.get(id).message).toMatch(/^cancelled after ledger \d+$/);
      return id;
    },
    failed: async () => {
      atEnd = () => {
        throw FAILURE;
      };
      return stoppedAtItsEnd();
    },
  },
  STOPPED: {
    resumed: async () => {
      const id = await running();
      await stop(id);
      await server.control.resumeSession({ sessionId: id });
      return id;
    },
  },
  ERROR: {
    resumed: async () => {
      const id = await failed();
      await server.control.resumeSession({ sessionId: id });
      return id;
    },
  },
};

for (const state of SESSION_STATES) {
  for (const event of SESSION_EVENTS) {
    const next = nextState(state, event);
    if (next === state) {
      test(`${event} in ${state} changes nothing, and no walk expects it`, () => {
        expect(WALKS[state][event]).toBeUndefined();
      });
      continue;
    }
    test(`${event} leads from ${state} to ${next}`, async () => {
      Object.assign(source, { closed: false, failure: undefined, tip: 110 });
      atEnd = undefined;
      const walk = WALKS[state][event]!;
      const id = await walk();
      // A restart tells nobody: what it has made of a session is read.
      const states: SessionState[] = ["UNKNOWN", ...(told.get(id) ?? [stateOf(id)])];
      const steps = states.slice(1).map((to, index) => `${states[index]} -> ${to}`);
      expect(steps).toContain(`${state} -> ${next}`);
      expect(early.splice(0)).toEqual([]);
      source.failure = undefined;
      await server.control.deleteSession({ sessionId: id, force: true });
    }, 60_000);
  }
}
