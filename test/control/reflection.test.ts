/** Reflection, by our own client and by the real grpcurl, which is given no .proto files. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as grpc from "@grpc/grpc-js";
import type { RunningServer } from "../../src/control/server.ts";
import {
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from "../../src/grpc/generated/reflection-v1.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../src/grpc/generated/reflection-v1alpha.ts";
import { HealthState } from "../../src/grpc/health-state.ts";
import { type Init, serviceClient } from "../../src/grpc/service.ts";
import { BUILD_MS_MAX, canHaveGrpcurl, grpcurlPath } from "../support/grpcurl.ts";
import { startMemoryServer } from "./memory-server.ts";
import { MemorySessions } from "./memory-sessions.ts";

const CONTROL = "contractdata.v1.ControlService";
const SERVICES = [
  "contractdata.ContractDataService",
  CONTROL,
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
  "stellar.v1.ContractDataService",
];

const sessions = new MemorySessions();
const health = new HealthState([CONTROL]);
let server: RunningServer;

beforeAll(async () => {
  health.set(CONTROL, true);
  server = await startMemoryServer(sessions, health);
});
afterAll(async () => {
  await server.close();
});

/** The answers to `requests` over one stream. */
async function ask(
  service: typeof ServerReflection | typeof ServerReflectionAlpha,
  requests: Init<ServerReflectionRequest>[],
): Promise<ServerReflectionResponse[]> {
  const channel = new grpc.Client(`127.0.0.1:${server.port}`, grpc.credentials.createInsecure());
  try {
    const call = serviceClient(channel, service as typeof ServerReflection).serverReflectionInfo();
    const answers: ServerReflectionResponse[] = [];
    call.on("data", (answer: ServerReflectionResponse) => answers.push(answer));
    for (const request of requests) call.write(request);
    call.end();
    await new Promise((resolve, reject) => {
      call.on("end", resolve);
      call.on("error", reject);
    });
    return answers;
  } finally {
    channel.close();
  }
}

for (const [version, service] of [
  ["v1", ServerReflection],
  ["v1alpha", ServerReflectionAlpha],
] as const) {
  describe(version, () => {
    test("lists what the server serves", async () => {
      const [answer] = await ask(service, [{ host: "h", listServices: "*" }]);
      expect(answer?.listServicesResponse?.service.map((each) => each.name)).toEqual(SERVICES);
      expect(answer?.validHost).toBe("h");
      expect(answer?.originalRequest).toEqual({ host: "h", listServices: "*" });
    });

    test("gives a file by any symbol in it, and with it what it imports", async () => {
      const answers = await ask(service, [
        { fileContainingSymbol: CONTROL },
        { fileContainingSymbol: "contractdata.v1.GetStatusResponse.Status" },
        { fileContainingSymbol: "contractdata.v1.ControlService.GetStatus" },
        { fileByFilename: "control.proto" },
        { fileContainingSymbol: "contractdata.ContractDataService" },
      ]);
      const files = answers.map((answer) => answer.fileDescriptorResponse?.fileDescriptorProto ?? []);
      expect(files.map((file) => file.length)).toEqual([1, 1, 1, 1, 3]);
      expect(files[0]).toEqual(files[3] ?? []);
      expect(Buffer.from(files[0]?.[0] ?? []).includes("StartProcessingRequest")).toBe(true);
    });

    test("what is not there is an error answer, and the stream goes on", async () => {
      const answers = await ask(service, [
        { fileContainingSymbol: "no.such.Symbol" },
        { fileByFilename: `${"x".repeat(100_000)}.proto` },
        { fileContainingExtension: { containingType: CONTROL, extensionNumber: 1 } },
        { allExtensionNumbersOfType: "no.such.Type" },
        {},
        { allExtensionNumbersOfType: "contractdata.v1.GetStatusRequest" },
      ]);
      const codes = answers.map((answer) => answer.errorResponse?.errorCode);
      expect(codes).toEqual([5, 5, 5, 5, 3, undefined]);
      expect(answers[1]?.errorResponse?.errorMessage.length).toBeLessThan(400);
      expect(answers[5]?.allExtensionNumbersResponse?.baseTypeName).toBe("contractdata.v1.GetStatusRequest");
    });

    test("ten thousand questions at once are all answered, in order", async () => {
      const requests = Array.from({ length: 10_000 }, (_, index) => ({ host: String(index), listServices: "" }));
      const answers = await ask(service, requests);
      expect(answers.map((answer) => Number(answer.validHost))).toEqual(requests.map((_, index) => index));
    });
  });
}

describe.skipIf(!canHaveGrpcurl())("grpcurl without .proto files", () => {
  let grpcurl = "";
  beforeAll(() => {
    grpcurl = grpcurlPath();
  }, BUILD_MS_MAX);

  async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
    const child = Bun.spawn([grpcurl, "-plaintext", ...args], { stdout: "pipe", stderr: "pipe" });
    const [out, err, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { code, out, err };
  }

  test("lists and describes", async () => {
    const address = `127.0.0.1:${server.port}`;
    const { out } = await run(address, "list");
    expect(out.trim().split("\n")).toEqual(SERVICES);
    const { out: methods } = await run(address, "list", CONTROL);
    expect(methods.trim().split("\n")).toEqual(
      [
        "ConfigureFilters",
        "DeleteSession",
        "GetMetrics",
        "GetSession",
        "GetStatus",
        "ListNodes",
        "ListSessions",
        "ResumeSession",
        "SetLogLevel",
        "StartProcessing",
        "StopProcessing",
        "WatchSession",
      ].map((name) => `${CONTROL}.${name}`),
    );
    for (const service of SERVICES) {
      const { out: names } = await run(address, "list", service);
      for (const name of names.trim().split("\n")) {
        const described = await run(address, "describe", name);
        expect(described.code, described.err).toBe(0);
        expect(described.out).toMatch(/^.* is a method:\nrpc \w+ /);
      }
    }
    for (const symbol of [...SERVICES, ".contractdata.v1.GetMetricsResponse", ".grpc.health.v1.HealthCheckResponse"]) {
      const described = await run(address, "describe", symbol);
      expect(described.code, described.err).toBe(0);
    }
    const { out: message } = await run(address, "describe", ".contractdata.v1.GetMetricsResponse");
    expect(message).toContain("double processing_rate = 5;");
  });

  test("starts, watches and stops a session, and sees errors with their reason", async () => {
    const address = `127.0.0.1:${server.port}`;
    const started = await run("-d", '{"start_ledger": 5, "end_ledger": 9}', address, `${CONTROL}/StartProcessing`);
    const { sessionId } = JSON.parse(started.out) as { sessionId: string };
    sessions.update(sessionId, { entriesProcessed: 2 ** 40, ledgerCurrent: 7 });
    const id = JSON.stringify({ session_id: sessionId });
    const status = await run("-d", id, address, `${CONTROL}/GetStatus`);
    expect(JSON.parse(status.out)).toEqual({
      status: "RUNNING",
      currentLedger: 7,
      targetLedger: 9,
      entriesProcessed: "1099511627776",
    });
    expect(JSON.parse((await run("-d", id, address, `${CONTROL}/StopProcessing`)).out)).toMatchObject({
      success: true,
    });
    expect(JSON.parse((await run("-d", id, address, `${CONTROL}/GetStatus`)).out)).toMatchObject({ status: "STOPPED" });

    const bad = await run("-v", "-d", '{"end_ledger": 9}', address, `${CONTROL}/StartProcessing`);
    expect(bad.code).not.toBe(0);
    expect(bad.err).toContain("Code: InvalidArgument");
    expect(bad.out + bad.err).toContain("START_LEDGER_MISSING");
  });

  test("asks for health", async () => {
    const { out } = await run("-d", "{}", `127.0.0.1:${server.port}`, "grpc.health.v1.Health/Check");
    expect(JSON.parse(out)).toEqual({ status: "SERVING" });
  });
});
