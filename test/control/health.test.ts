import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as grpc from "@grpc/grpc-js";
import type { RunningServer } from "../../src/control/server.ts";
import {
  Health,
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus as Serving,
} from "../../src/grpc/generated/health.ts";
import { HealthState } from "../../src/grpc/health-state.ts";
import { type ServiceClient, serviceClient } from "../../src/grpc/service.ts";
import { startMemoryServer } from "./memory-server.ts";
import { MemorySessions } from "./memory-sessions.ts";

const CONTROL = "contractdata.v1.ControlService";
const FLIGHT = "arrow.flight.protocol.FlightService";

let state: HealthState;
let server: RunningServer;
let channel: grpc.Client;
let health: ServiceClient<typeof Health>;

beforeEach(async () => {
  state = new HealthState([CONTROL, FLIGHT]);
  server = await startMemoryServer(new MemorySessions(), state);
  channel = new grpc.Client(`127.0.0.1:${server.port}`, grpc.credentials.createInsecure());
  health = serviceClient(channel, Health);
});
afterEach(async () => {
  channel.close();
  await server.close();
});

describe("Check", () => {
  test("the whole server serves while all of its services do", async () => {
    const all = async () => {
      const answers = await Promise.all(["", CONTROL, FLIGHT].map((service) => health.check({ service })));
      return answers.map((answer) => answer.status as number);
    };
    expect(await all()).toEqual([Serving.NOT_SERVING, Serving.NOT_SERVING, Serving.NOT_SERVING]);
    state.set(CONTROL, true);
    expect(await all()).toEqual([Serving.NOT_SERVING, Serving.SERVING, Serving.NOT_SERVING]);
    state.set(FLIGHT, true);
    expect(await all()).toEqual([Serving.SERVING, Serving.SERVING, Serving.SERVING]);
    state.set(CONTROL, false);
    expect(await all()).toEqual([Serving.NOT_SERVING, Serving.NOT_SERVING, Serving.SERVING]);
  });

  test("a service that is not there is NOT_FOUND", async () => {
    await expect(health.check({ service: "no.such.Service" })).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

/** Collects what a watch sends; `next` waits for one more. */
function watch(service: string) {
  const call = health.watch({ service });
  const seen: number[] = [];
  let wake = () => {};
  call.on("data", (answer: HealthCheckResponse) => {
    seen.push(answer.status);
    wake();
  });
  call.on("error", () => {});
  const ended = new Promise<grpc.StatusObject>((resolve) => call.on("status", resolve));
  return {
    call,
    ended,
    async upTo(count: number): Promise<number[]> {
      while (seen.length < count) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return seen;
    },
  };
}

describe("Watch", () => {
  test("sends the status now, and then changes only", async () => {
    const flight = watch(FLIGHT);
    expect(await flight.upTo(1)).toEqual([Serving.NOT_SERVING]);
    state.set(FLIGHT, true);
    state.set(FLIGHT, true);
    state.set(FLIGHT, false);
    expect(await flight.upTo(3)).toEqual([Serving.NOT_SERVING, Serving.SERVING, Serving.NOT_SERVING]);
    flight.call.cancel();
  });

  test("a service that is not there is SERVICE_UNKNOWN, and the stream stays open", async () => {
    const unknown = watch("no.such.Service");
    expect(await unknown.upTo(1)).toEqual([Serving.SERVICE_UNKNOWN]);
    await health.check({ service: "" });
    expect(unknown.call.closed).toBe(false);
    unknown.call.cancel();
  });

  test("closing the server ends watches with OK, and does not wait for them", async () => {
    const all = watch("");
    await all.upTo(1);
    const begun = performance.now();
    await server.close();
    expect(performance.now() - begun).toBeLessThan(4000);
    expect((await all.ended).code).toBe(grpc.status.OK);
  });

  test("a cancelled watch is no longer told", async () => {
    const one = watch(FLIGHT);
    await one.upTo(1);
    one.call.cancel();
    await one.ended;
    // The cancellation has to reach the server before the change.
    for (let tries = 0; tries < 50; tries++) await health.check({ service: "" });
    state.set(FLIGHT, true);
    expect(await one.upTo(1)).toEqual([Serving.NOT_SERVING]);
  });
});

test("only known services can be set", () => {
  expect(() => state.set("", true)).toThrow("cannot be set");
  expect(() => state.set("x", true)).toThrow("cannot be set");
});
