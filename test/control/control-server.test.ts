import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import * as grpc from "@grpc/grpc-js";
import { type ControlClient, connectControl } from "../../src/control/client.ts";
import type { RunningServer } from "../../src/control/server.ts";
import { CodedError } from "../../src/error.ts";
import { ControlService, GetStatusResponse_Status as Status } from "../../src/grpc/generated/control.ts";
import { HealthState } from "../../src/grpc/health-state.ts";
import { methodDefinition } from "../../src/grpc/service.ts";
import { SESSION_STATES } from "../../src/sessions/session-service.ts";
import { failureOf } from "../support/failure.ts";
import { startMemoryServer } from "./memory-server.ts";
import { MemorySessions } from "./memory-sessions.ts";

const sessions = new MemorySessions();
const unexpected: unknown[] = [];
let server: RunningServer;
let client: ControlClient;

beforeAll(async () => {
  server = await startMemoryServer(sessions, new HealthState([ControlService.typeName]), (error) =>
    unexpected.push(error),
  );
  client = connectControl(`127.0.0.1:${server.port}`);
});
afterAll(async () => {
  client.close();
  await server.close();
});
beforeEach(() => {
  unexpected.length = 0;
  sessions.failure = undefined;
});

describe("StartProcessing", () => {
  test("starts a session with the request's range and batch size", async () => {
    const response = await client.startProcessing({ startLedger: 10, endLedger: 4_294_967_295, batchSize: 500 });
    expect(response.success).toBe(true);
    expect(response.sessionId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(sessions.get(response.sessionId).request).toEqual({
      ledgerStart: 10,
      ledgerEnd: 4_294_967_295,
      batchRows: 500,
    });
  });

  test("an end of 0 has no end", async () => {
    const { sessionId, message } = await client.startProcessing({ startLedger: 7 });
    expect(sessions.get(sessionId).request).toEqual({ ledgerStart: 7, ledgerEnd: 0, batchRows: 0 });
    expect(message).toContain("from ledger 7 on");
  });

  test("start_ledger 0 is INVALID_ARGUMENT", async () => {
    const error = await failureOf(client.startProcessing({ startLedger: 0, endLedger: 5 }));
    expect(error.toRecord()).toMatchObject({ code: "INVALID_ARGUMENT", reason: "START_LEDGER_MISSING" });
    expect(error.message).toContain("start_ledger");
  });

  test("an end before the start is INVALID_ARGUMENT with both numbers", async () => {
    const error = await failureOf(client.startProcessing({ startLedger: 20, endLedger: 19 }));
    expect(error.toRecord()).toMatchObject({ code: "INVALID_ARGUMENT", reason: "LEDGER_RANGE_INVALID" });
    expect(error.message).toContain("19");
    expect(error.message).toContain("20");
  });

  test("a range of one ledger is accepted", async () => {
    expect((await client.startProcessing({ startLedger: 20, endLedger: 20 })).success).toBe(true);
  });
});

describe("an existing session", () => {
  test("GetStatus gives every state with its wire number", async () => {
    const { sessionId } = await client.startProcessing({ startLedger: 1, endLedger: 99 });
    for (const [number, state] of SESSION_STATES.entries()) {
      sessions.update(sessionId, { state, ledgerCurrent: 42, entriesProcessed: 2 ** 40, message: "" });
      const status = await client.getStatus({ sessionId });
      expect(status.status as number).toBe(number);
      expect(status).toMatchObject({ currentLedger: 42, targetLedger: 99, entriesProcessed: 2 ** 40 });
    }
  });

  test("error_message: nothing while all is well, what it waits for, how it ended, why it failed", async () => {
    const { sessionId } = await client.startProcessing({ startLedger: 1 });
    expect((await client.getStatus({ sessionId })).errorMessage).toBe("");
    sessions.update(sessionId, { message: "waiting for ledger 7" });
    expect((await client.getStatus({ sessionId })).errorMessage).toBe("waiting for ledger 7");
    sessions.update(sessionId, { state: "STOPPED", message: "completed at ledger 9" });
    expect((await client.getStatus({ sessionId })).errorMessage).toBe("completed at ledger 9");
    const error = { code: "DATA_LOSS", reason: "XDR_TRUNCATED", message: "ledger 9 ends at byte 10" } as const;
    sessions.update(sessionId, { state: "ERROR", message: error.message, error });
    const status = await client.getStatus({ sessionId });
    expect(status).toMatchObject({ status: Status.ERROR, errorMessage: "ledger 9 ends at byte 10" });
  });

  test("GetMetrics gives the counters, the rate, and whole seconds", async () => {
    const { sessionId } = await client.startProcessing({ startLedger: 1 });
    sessions.update(sessionId, {
      entriesProcessed: 1001,
      entriesSkipped: 17,
      batchesCreated: 3,
      bytesProcessed: 2 ** 41,
      ratePerSecond: 12.5,
      updatedUnixMs: 1_700_000_000_999,
    });
    expect(await client.getMetrics({ sessionId })).toEqual({
      contractsProcessed: 1001,
      entriesSkipped: 17,
      batchesCreated: 3,
      bytesProcessed: 2 ** 41,
      processingRate: 12.5,
      lastUpdateTime: 1_700_000_000,
      overallRate: 0,
      currentLedger: 0,
      tipLedger: 0,
      lagLedgers: 0,
      lagSeconds: 0,
      errors: 0,
      ledgersProcessed: 0,
      batchBytes: 0,
      rowsDelivered: 0,
      bytesDelivered: 0,
      clients: 0,
      retainedBytes: 0,
      ledgersSkipped: 0,
    });
  });

  test("StopProcessing ends it, and a second time is no error", async () => {
    const { sessionId } = await client.startProcessing({ startLedger: 1 });
    for (let time = 0; time < 2; time++) {
      const response = await client.stopProcessing({ sessionId });
      expect(response).toMatchObject({ success: true, message: "cancelled at ledger 0" });
      expect(response.session).toMatchObject({ sessionId, status: Status.STOPPED });
    }
    expect((await client.getStatus({ sessionId })).status).toBe(Status.STOPPED);
  });
});

describe("errors", () => {
  test("an unknown session is NOT_FOUND in every call, also where its id is absurd", async () => {
    for (const sessionId of ["", "nope", "x".repeat(1_000_000)]) {
      for (const call of [client.getStatus, client.getMetrics, client.stopProcessing]) {
        const error = await failureOf(call({ sessionId }));
        expect(error.toRecord()).toMatchObject({ code: "NOT_FOUND", reason: "SESSION_UNKNOWN" });
        expect(error.message.length).toBeLessThan(300);
      }
    }
  });

  test("a CodedError keeps code, reason and message; its cause stays here", async () => {
    sessions.failure = new CodedError("RESOURCE_EXHAUSTED", "SESSIONS_MAX", "64 sessions run, the maximum is 64", {
      cause: new Error("kept-inside"),
    });
    const error = await failureOf(client.startProcessing({ startLedger: 1 }));
    expect(error.toRecord()).toEqual({
      code: "RESOURCE_EXHAUSTED",
      reason: "SESSIONS_MAX",
      message: "64 sessions run, the maximum is 64",
    });
    expect(unexpected).toHaveLength(0);
  });

  test("the reason is in the trailing metadata of the call", async () => {
    const raw = new grpc.Client(`127.0.0.1:${server.port}`, grpc.credentials.createInsecure());
    const { path, requestSerialize, responseDeserialize } = methodDefinition(
      ControlService,
      ControlService.methods.getStatus,
    );
    const error = await new Promise<grpc.ServiceError>((resolve, reject) =>
      raw.makeUnaryRequest(path, requestSerialize, responseDeserialize, { sessionId: "nope" }, (failure) =>
        failure ? resolve(failure) : reject(new Error("no error")),
      ),
    );
    raw.close();
    expect(error.code).toBe(grpc.status.NOT_FOUND);
    expect(error.metadata.get("reason")).toEqual(["SESSION_UNKNOWN"]);
  });

  test("any other error is INTERNAL, gives nothing away, and is reported to the log", async () => {
    sessions.failure = new TypeError("secret path /etc/shadow");
    const error = await failureOf(client.startProcessing({ startLedger: 1 }));
    expect(error.toRecord()).toMatchObject({ code: "INTERNAL", reason: "UNEXPECTED" });
    expect(error.message).not.toContain("shadow");
    expect(unexpected).toHaveLength(1);
  });

  test("bytes that are no message fail the call, not the server", async () => {
    const raw = new grpc.Client(`127.0.0.1:${server.port}`, grpc.credentials.createInsecure());
    const path = "/contractdata.v1.ControlService/StartProcessing";
    const error = await new Promise<grpc.ServiceError | null>((resolve) =>
      raw.makeUnaryRequest(
        path,
        (bytes: Buffer) => bytes,
        (bytes) => bytes,
        Buffer.from([0x0a, 0xff]),
        (failure) => resolve(failure),
      ),
    );
    raw.close();
    expect(error).not.toBeNull();
    expect((await client.startProcessing({ startLedger: 1 })).success).toBe(true);
  });
});

describe("limits and reach", () => {
  test("a request of 32 MiB is read, one over 64 MiB is RESOURCE_EXHAUSTED", async () => {
    const text = "x".repeat(2 ** 20);
    const within = await failureOf(client.configureFilters({ contractIds: Array(32).fill(text) }));
    expect(within.toRecord()).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_FILTER" });
    expect(within.message.length).toBeLessThan(300);
    const over = await failureOf(client.configureFilters({ contractIds: Array(65).fill(text) }));
    expect(over.code).toBe("RESOURCE_EXHAUSTED");
  }, 20_000);

  test("no server: UNAVAILABLE with the address and what to do", async () => {
    const gone = await startMemoryServer(sessions, new HealthState([]));
    await gone.close();
    const nobody = connectControl(`127.0.0.1:${gone.port}`);
    const error = await failureOf(nobody.getStatus({ sessionId: "x" }));
    nobody.close();
    expect(error.toRecord()).toMatchObject({ code: "UNAVAILABLE", reason: "SERVER_UNREACHABLE" });
    expect(error.message).toContain(`cannot reach the control server at 127.0.0.1:${gone.port}: is it running?`);
  });

  test("a server that accepts and says nothing: DEADLINE_EXCEEDED with the time", async () => {
    const silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const waiting = connectControl(`127.0.0.1:${silent.port}`, { deadlineMs: 200 });
    const error = await failureOf(waiting.getStatus({ sessionId: "x" }));
    waiting.close();
    silent.stop(true);
    expect(error.code).toBe("DEADLINE_EXCEEDED");
    expect(error.message).toContain("200 ms");
  });

  test("an aborted call is CANCELLED", async () => {
    const error = await failureOf(client.getStatus({ sessionId: "x" }, { signal: AbortSignal.abort() }));
    expect(error.code).toBe("CANCELLED");
  });
});
