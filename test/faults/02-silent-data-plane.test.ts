/** A data-plane thread that takes no turns: health says so, everywhere, and the process ends when it stays so. */
import { expect, test } from "bun:test";
import * as grpc from "@grpc/grpc-js";
import { type SilenceEvents, SilenceWatch } from "../../src/engine/silence-watch.ts";
import { CodedError } from "../../src/error.ts";
import { FlightService } from "../../src/grpc/generated/flight.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../src/grpc/generated/health.ts";
import { serviceClient } from "../../src/grpc/service.ts";
import { Heartbeat } from "../../src/threads/heartbeat.ts";
import { GatedSource } from "../support/gated-source.ts";
import { type LocalServer, type LogLine, localServer } from "../support/local-server.ts";
import { STALLING_ENTRY, stallDataPlane } from "../support/stall.ts";
import { until } from "../support/until.ts";

async function healthOf({ processor }: LocalServer): Promise<{ code: number; ready: number; flight: string }> {
  const { port } = processor.addresses.http;
  const health = await fetch(`http://127.0.0.1:${port}/health`);
  const ready = await fetch(`http://127.0.0.1:${port}/ready`);
  const { components } = (await health.json()) as { components: { flight: { message: string } } };
  return { code: health.status, ready: ready.status, flight: components.flight.message };
}

test("while the thread takes no turns /health, /ready and gRPC health say so; control answers; it comes back", async () => {
  const source = await GatedSource.open();
  const lines: LogLine[] = [];
  const silence = { silentMs: 1000, lostMs: 3_600_000, lookMs: 100 };
  const server = await localServer(source, { "service-name": "stalls" }, lines, { entry: STALLING_ENTRY, silence });
  const client = new grpc.Client(server.address, grpc.credentials.createInsecure());
  const health = serviceClient(client, Health);
  const grpcHealth = async (service: string) => (await health.check({ service })).status;
  const { sessionId } = await server.control.startProcessing({ startLedger: 100, endLedger: 103 });
  expect(await healthOf(server)).toEqual({ code: 200, ready: 200, flight: "serving" });

  stallDataPlane("stalls", 6000);
  await until(async () => (await healthOf(server)).code === 503, "/health says so");
  const { ready, flight } = await healthOf(server);
  expect(ready).toBe(503);
  expect(flight).toMatch(/^its thread has not answered for \d+ s$/);
  expect(await grpcHealth("")).toBe(Status.NOT_SERVING);
  expect(await grpcHealth(FlightService.typeName)).toBe(Status.NOT_SERVING);
  expect(await grpcHealth("contractdata.v1.ControlService")).toBe(Status.SERVING);
  const { session } = await server.control.getSession({ sessionId }); // asks the data plane for its clients
  expect(session?.deliveries).toEqual([]);
  expect((await healthOf(server)).code).toBe(503); // all of that while it was silent

  await until(async () => (await healthOf(server)).code === 200, "it is back");
  expect(await healthOf(server)).toEqual({ code: 200, ready: 200, flight: "serving" });
  expect(await grpcHealth("")).toBe(Status.SERVING);
  const told = lines.filter(({ message }) => message.startsWith("the data-plane thread"));
  expect(told.map(({ level, message }) => `${level} ${message}`)).toEqual([
    "error the data-plane thread takes no turns: Flight is not served",
    "warn the data-plane thread takes turns again",
  ]);
  client.close();
  await server.close();
  await source.close();
}, 120_000);

test("a thread that stays silent is lost: the server fails, and closes without waiting for it", async () => {
  const source = await GatedSource.open();
  const silence = { silentMs: 300, lostMs: 1000, lookMs: 100 };
  const server = await localServer(source, { "service-name": "stays" }, [], { entry: STALLING_ENTRY, silence });
  stallDataPlane("stays", 3_600_000);
  const error = await server.processor.failed.catch((thrown) => thrown as CodedError);
  expect(error).toBeInstanceOf(CodedError);
  expect(error).toMatchObject({ code: "INTERNAL", reason: "DATA_PLANE_DIED" });
  expect(error.message).toMatch(/has taken no turn for \d+ s/);
  expect((await healthOf(server)).code).toBe(503);
  await server.close();
  await source.close();
}, 120_000);

/** A watch with a clock of its own, and what it tells. */
function watched(): { step(ms: number, beats: boolean): void; told: string[] } {
  const told: string[] = [];
  const tell = (name: string) => (ms: number) => void told.push(`${name} ${ms}`);
  const events: SilenceEvents = { silent: tell("silent"), over: tell("over"), lost: tell("lost") };
  const heartbeat = Heartbeat.create();
  let nowMs = 0;
  const watch = new SilenceWatch(heartbeat, events, { silentMs: 5000, lostMs: 60_000, lookMs: 500 }, () => nowMs);
  return {
    told,
    step(ms, beats) {
      nowMs += ms;
      if (beats) heartbeat.beat();
      watch.look();
    },
  };
}

test("a process that was paused is not a silent thread, and a silence is told once", () => {
  const { step, told } = watched();
  for (let look = 0; look < 9; look++) step(500, false);
  step(3_600_000, false); // the whole process stood still: one look of at most two intervals
  expect(told).toEqual(["silent 5500"]);
  step(500, false);
  step(500, true);
  expect(told).toEqual(["silent 5500", "over 6000"]);
  for (let look = 0; look < 200 && told.at(-1) !== "lost 60000"; look++) step(500, false);
  expect(told).toEqual(["silent 5500", "over 6000", "silent 5000", "lost 60000"]);
});
