/** Defect 18: SIGTERM never exited. */
import { afterAll, describe, expect, test } from "bun:test";
import net from "node:net";
import * as grpc from "@grpc/grpc-js";
import { connectControl } from "../../src/control/client.ts";
import type { CodedError } from "../../src/error.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import { Health } from "../../src/grpc/generated/health.ts";
import { serviceClient } from "../../src/grpc/service.ts";
import { type Processor, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { cursorOf, Reader } from "./support.ts";

const ENDLESS = [`--source-endpoint=repeat:${SAMPLE.folder}`, "--worker-count=2", "--batch-size=300"];
const closing: Array<() => void> = [];
afterAll(() => {
  for (const close of closing) close();
});

function openReader(processor: Processor, ticket: string): Reader {
  const client = new FlightClient(processor.flight);
  closing.push(() => client.close());
  return new Reader(client, ticket);
}

async function startSession(processor: Processor, startLedger: number, endLedger = 0): Promise<string> {
  const control = connectControl(processor.control);
  closing.push(() => control.close());
  return (await control.startProcessing({ startLedger, endLedger })).sessionId;
}

/** How long it takes to end with 0. */
async function exitMs(processor: Processor): Promise<number> {
  const begun = performance.now();
  expect(await processor.stop()).toBe(0);
  return performance.now() - begun;
}

/** Everything that can be connected to a server and not go away by itself. */
async function connectEverything(processor: Processor): Promise<void> {
  // a client that has read one batch, and then nothing
  const stalled = openReader(processor, JSON.stringify({ session: await startSession(processor, 100_000) }));
  await stalled.next();
  // one that reads as fast as it can
  const reading = openReader(processor, JSON.stringify({ session: await startSession(processor, 1000) }));
  await reading.next();
  void reading.rest().catch(() => {});
  // a health watch, whose stream never ends
  const channel = new grpc.Client(processor.control, grpc.credentials.createInsecure());
  closing.push(() => channel.close());
  const watch = serviceClient(channel, Health).watch({ service: "" });
  watch.on("error", () => {});
  await new Promise((resolve) => watch.once("data", resolve));
  // connections that say nothing, on every port
  for (const address of [processor.control, processor.flight, processor.http]) {
    const [host, port] = address.split(":") as [string, string];
    const socket = net.connect(Number(port), host);
    socket.on("error", () => {});
    closing.push(() => socket.destroy());
    await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  }
  // an HTTP connection that is kept alive
  await (await fetch(`http://${processor.http}/health`)).text();
}

describe("SIGTERM ends it with 0", () => {
  test("when nothing happens", async () => {
    const processor = await startProcessor(ENDLESS);
    expect(await processor.stop()).toBe(0);
  });

  test("with sessions that run without end and have no client", async () => {
    const processor = await startProcessor([...ENDLESS, "--channel-buffer-size=2"]);
    for (const first of [1000, 2000, 3000]) await startSession(processor, first);
    expect(await processor.stop()).toBe(0);
  });

  test("with clients that read, that do not read, and that only hold a connection, within the grace", async () => {
    const idle = await startProcessor(ENDLESS);
    const idleMs = await exitMs(idle);
    const processor = await startProcessor([...ENDLESS, "--shutdown-grace=1s"]);
    await connectEverything(processor);
    // one grace for all of it, not one for each listener
    expect((await exitMs(processor)) - idleMs).toBeLessThan(1000 + 3000);
  });

  test("SIGINT does the same, and a client waiting for a session that nobody has started is told, not waited for", async () => {
    const processor = await startProcessor([...ENDLESS, "--shutdown-grace=1h"]);
    const waiting = openReader(processor, "contract-data-stream");
    const failure = waiting.failure();
    // Calls of one connection are answered in their turn: the first one waits by now.
    await expect(waiting.sibling("{}").failure()).resolves.toMatchObject({ code: "INVALID_ARGUMENT" });
    processor.kill("SIGINT");
    expect(await failure).toMatchObject({ code: "UNAVAILABLE" });
    expect(await processor.exited).toBe(0);
  });
});

test("a client that reads on gets all that was decoded, and is then told", async () => {
  const processor = await startProcessor([...ENDLESS, "--include-deleted", "--shutdown-grace=1m"]);
  const reader = openReader(processor, JSON.stringify({ session: await startSession(processor, 1000) }));
  await reader.next();
  processor.kill("SIGTERM");
  let ended: unknown;
  await reader.rest().catch((error: unknown) => {
    ended = error;
  });
  // either the end of the session or an error that says to come back, but no broken connection
  if (ended !== undefined) {
    expect(ended).toMatchObject({ code: "UNAVAILABLE" });
    expect(cursorOf(ended as CodedError)).toBe(reader.cursor);
  }
  const sequences = reader.batches.map(({ metadata }) => metadata.ledger_last);
  expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
  expect(await processor.exited).toBe(0);
});

test("a second signal ends it at once, grace or not", async () => {
  const processor = await startProcessor([...ENDLESS, "--shutdown-grace=1h"]);
  await connectEverything(processor);
  let isOver = false;
  void processor.exited.then(() => {
    isOver = true;
  });
  processor.kill("SIGTERM");
  await until(() => processor.output().includes("shutting down"), "it is shutting down");
  // While it drains, it says so, and that nothing is wrong with it.
  expect((await fetch(`http://${processor.http}/ready`)).status).toBe(503);
  expect((await fetch(`http://${processor.http}/health`)).status).toBe(200);
  await Bun.sleep(500); // a signal right behind the first is taken for the same
  expect(isOver).toBe(false);
  processor.kill("SIGTERM");
  expect(await processor.exited).toBe(130);
});
