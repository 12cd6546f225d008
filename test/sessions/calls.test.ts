/** What each call does in each state, on a real server whose source holds sessions in the state that is wanted. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CodedError } from "../../src/error.ts";
import { GetStatusResponse_Status as Status } from "../../src/grpc/generated/control.ts";
import { SESSION_STATES, type SessionState } from "../../src/sessions/session-service.ts";
import { effectOf, SESSION_CALLS, type SessionCall } from "../../src/sessions/states.ts";
import { failureOf } from "../support/failure.ts";
import { GatedSource } from "../support/gated-source.ts";
import { type LocalServer, localServer } from "../support/local-server.ts";
import { until } from "../support/until.ts";

const folder = mkdtempSync(join(tmpdir(), "contract-data-calls-"));
let source: GatedSource;
let server: LocalServer;

/** Ends the client that holds a session in STOPPING. */
let release = () => {};

const open = () =>
  localServer(source, {
    "data-dir": folder,
    "resume-sessions": "false",
    "sessions-max": "100",
    "channel-buffer-size": "32", // more than there can be batches up to the tips of these tests: without a client a session waits
    "max-memory-mb": "512",
  });

beforeAll(async () => {
  source = await GatedSource.open();
  server = await open();
});
afterAll(async () => {
  await server.close();
  await source.close();
  rmSync(folder, { recursive: true, force: true });
});

const statusOf = async (sessionId: string) => (await server.control.getStatus({ sessionId })).status;

function reset(): void {
  Object.assign(source, { closed: false, tip: 110, failure: undefined });
  release();
}

/** A session that is in that state and stays there until `reset`. */
async function sessionIn(state: SessionState): Promise<string> {
  reset();
  if (state === "STARTING") source.closed = true;
  const { sessionId } = await server.control.startProcessing({ startLedger: 100, endLedger: 0 });
  const reached = (wanted: SessionState) =>
    until(async () => (await statusOf(sessionId)) === Status[wanted], `session is ${wanted}`);
  switch (state) {
    case "UNKNOWN":
      await reached("RUNNING");
      // What a restart finds unfinished waits, since it is configured so.
      await server.close();
      server = await open();
      break;
    case "STOPPING":
      // Its stop waits for a client that does not read.
      source.tip = Number.POSITIVE_INFINITY;
      await reached("RUNNING");
      await holdWithClient(sessionId);
      void server.control.stopProcessing({ sessionId, deadlineMs: 60_000 }).catch(() => {});
      break;
    case "STOPPED":
      await reached("RUNNING");
      await server.control.stopProcessing({ sessionId });
      break;
    case "ERROR":
      await reached("RUNNING");
      source.failure = CodedError.received("DATA_LOSS", "TEST_FAILURE", "the test says so");
      break;
  }
  await reached(state);
  source.failure = undefined;
  return sessionId;
}

async function holdWithClient(sessionId: string): Promise<void> {
  const left = new AbortController();
  release = () => left.abort();
  const batches = server.flight.doGet(Buffer.from(JSON.stringify({ session: sessionId, from: "start" })), left.signal);
  await batches.next();
  // Until all that lies between it and the server is full, the server takes it for a client that reads.
  let before = -1;
  let still = 0;
  await until(async () => {
    const { rowsDelivered, retainedBytes } = await server.control.getMetrics({ sessionId });
    still = rowsDelivered === before && retainedBytes > 0 ? still + 1 : 0;
    before = rowsDelivered;
    await Bun.sleep(150);
    return still >= 3;
  }, "the client holds the session back");
}

const CALL: Record<SessionCall, (sessionId: string) => Promise<unknown>> = {
  stop: (sessionId) => server.control.stopProcessing({ sessionId }),
  configureFilters: (sessionId) => server.control.configureFilters({ sessionId, assetCodes: ["USDC"] }),
  resume: (sessionId) => server.control.resumeSession({ sessionId }),
  remove: (sessionId) => server.control.deleteSession({ sessionId }),
};

/** What a call that acts leaves the session in. */
async function checkActed(call: SessionCall, sessionId: string, before: SessionState): Promise<void> {
  switch (call) {
    case "stop":
      expect(await statusOf(sessionId)).toBe(Status.STOPPED);
      return;
    case "configureFilters": {
      const { session } = await server.control.getSession({ sessionId });
      expect(session!.filterHistory.at(-1)!.filters!.assetCodes).toEqual(["USDC"]);
      expect(session!.status as number).toBe(Status[before]);
      return;
    }
    case "resume":
      await until(async () => (await statusOf(sessionId)) === Status.RUNNING, "resumed");
      return;
    case "remove":
      expect((await failureOf(server.control.getStatus({ sessionId }))).code).toBe("NOT_FOUND");
  }
}

describe("every call in every state", () => {
  for (const state of SESSION_STATES) {
    for (const call of SESSION_CALLS) {
      const effect = effectOf(call, state);
      test(`${call} in ${state} ${effect}`, async () => {
        const sessionId = await sessionIn(state);
        if (effect === "refuses") {
          const error = await failureOf(CALL[call](sessionId));
          expect(error).toMatchObject({ code: "FAILED_PRECONDITION", reason: `SESSION_${state}` });
          expect(await statusOf(sessionId)).toBe(Status[state]);
        } else {
          const answer = CALL[call](sessionId);
          if (effect === "joins") {
            expect(await Promise.race([answer, Bun.sleep(50).then(() => "waits")])).toBe("waits");
            reset();
            await answer;
            expect(await statusOf(sessionId)).toBe(Status.STOPPED);
          } else {
            // A session that is still starting has nothing to stop behind until it has begun.
            if (call === "stop" && state === "STARTING") reset();
            await answer;
            if (effect === "acts") await checkActed(call, sessionId, state);
            else expect(await statusOf(sessionId)).toBe(Status[state]);
          }
        }
        reset();
        await server.control.deleteSession({ sessionId, force: true }).catch(() => {});
      }, 60_000);
    }

    test(`reading calls answer in ${state}`, async () => {
      const sessionId = await sessionIn(state);
      expect(await statusOf(sessionId)).toBe(Status[state]);
      const { session } = await server.control.getSession({ sessionId });
      expect(session!.status as number).toBe(Status[state]);
      expect((await server.control.getMetrics({ sessionId })).errors).toBe(state === "ERROR" ? 1 : 0);
      if (state === "ERROR") {
        const status = await server.control.getStatus({ sessionId });
        expect([status.errorReason, status.errorMessage]).toEqual(["TEST_FAILURE", "the test says so"]);
      }
      const watch = server.control.watchSession({ sessionId });
      const first = await new Promise<{ session?: { status: number } }>((resolve) => watch.once("data", resolve));
      expect(first.session!.status).toBe(Status[state]);
      watch.on("error", () => {});
      watch.cancel();
      reset();
      await server.control.deleteSession({ sessionId, force: true });
    }, 60_000);
  }
});

test("a session that is complete is not resumed, and says so", async () => {
  reset();
  const { sessionId } = await server.control.startProcessing({ startLedger: 100, endLedger: 105 });
  await until(async () => (await statusOf(sessionId)) === Status.STOPPED, "completed");
  expect((await failureOf(server.control.resumeSession({ sessionId }))).toRecord()).toMatchObject({
    code: "FAILED_PRECONDITION",
    reason: "SESSION_COMPLETE",
  });
});

test("a session that failed goes on where it was, once its source is well", async () => {
  const sessionId = await sessionIn("ERROR");
  source.tip = 112;
  const { session } = await server.control.resumeSession({ sessionId });
  expect(session!.resumes).toBe(1);
  await until(async () => (await server.control.getStatus({ sessionId })).currentLedger === 112, "goes on");
  await until(async () => (await server.control.getMetrics({ sessionId })).ledgersProcessed === 13, "counted once");
  await server.control.stopProcessing({ sessionId });
});
