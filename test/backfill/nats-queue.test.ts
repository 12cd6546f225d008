/** Chunks by a queue of JetStream: the same bytes while NATS is killed and its JetStream wiped, and with none at all. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager, type StreamInfo } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { COMMANDS } from "../../src/main.ts";
import { cli } from "../cli/harness.ts";
import { NatsServer, nats } from "../cluster/nats-server.ts";
import { madeFlags, madeLake } from "../export/support.ts";
import { freePorts } from "../support/object-store.ts";
import { until } from "../support/until.ts";
import { backfill, LEASE, rowsOf, spawnWorker, worker } from "./support.ts";

const LEDGERS = 24;
const CHUNKS = 7;
const scratch = mkdtempSync(join(tmpdir(), "nats-queue-"));
const place = (name: string): string => join(scratch, name);
const lake = madeLake(LEDGERS);
const start = (to: string) => backfill("start", place(to), ...madeFlags(lake, LEDGERS), ...LEASE, "--tries", "20");
const work = (to: string, url: string) =>
  cli(["worker", "--to", place(to), "--source", lake.folder, "--json"], COMMANDS, { CLUSTER: url });

if (nats.missing !== undefined) console.warn(`skipping queues of JetStream: ${nats.missing}`);

describe.skipIf(nats.missing !== undefined)("with NATS", () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await NatsServer.start();
    expect((await start("alone")).code).toBe(0);
    expect((await worker(place("alone"), lake.folder)).code).toBe(0);
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(scratch, { recursive: true, force: true });
    lake[Symbol.dispose]();
  });

  async function queues(): Promise<StreamInfo[]> {
    const connection = await connect({ servers: server.url });
    try {
      const found: StreamInfo[] = [];
      for await (const stream of (await jetstreamManager(connection)).streams.list()) found.push(stream);
      return found.filter(({ config }) => config.name.includes("_backfill_"));
    } finally {
      await connection.close();
    }
  }

  test("workers share the chunks out by a queue, and leave none behind", async () => {
    expect((await start("together")).code).toBe(0);
    const workers = await Promise.all([work("together", server.url), work("together", server.url)]);
    for (const { code, err } of workers) {
      expect(code, err).toBe(0);
      expect(err).not.toContain('"waiting"'); // NATS has done its part
    }
    const chunks = workers.map(({ out }) => JSON.parse(out).chunks as number);
    expect([chunks[0]! + chunks[1]!, Math.min(...chunks) > 0]).toEqual([CHUNKS, true]);
    expect(rowsOf(place("together"))).toEqual(rowsOf(place("alone")));
    expect(await queues()).toEqual([]);
  });

  test("workers killed, NATS killed, JetStream wiped: no chunk is missing, and the bytes are the same", async () => {
    expect((await start("killed")).code).toBe(0);
    const there = async () => JSON.parse((await backfill("status", place("killed"), "--json")).out);
    const killed = spawnWorker(place("killed"), lake.folder, { CLUSTER: server.url });
    await until(async () => (await there()).taken.length > 0, "the first chunk is begun");
    const [queue] = await queues();
    expect(queue!.config).toMatchObject({ retention: "workqueue", storage: "file", num_replicas: 1 });
    killed.kill("SIGKILL");
    await killed.exited;
    const workers = [work("killed", server.url), work("killed", server.url)];
    await until(async () => (await there()).chunks_there > 1, "two chunks are there");
    await server.wipe();
    await server.restart();
    for (const { code, err } of await Promise.all(workers)) expect(code, err).toBe(0);
    expect(rowsOf(place("killed"))).toEqual(rowsOf(place("alone")));
  }, 60_000);

  test("a job that is cancelled once its workers are dead leaves no queue behind", async () => {
    expect((await start("cancelled")).code).toBe(0);
    const killed = spawnWorker(place("cancelled"), lake.folder, { CLUSTER: server.url });
    await until(async () => (await queues()).length > 0, "the queue is there");
    killed.kill("SIGKILL");
    await killed.exited;
    const { code } = await cli(["backfill", "cancel", "--to", place("cancelled")], COMMANDS, { CLUSTER: server.url });
    expect([code, await queues()]).toEqual([0, []]);
  }, 60_000);

  test("a NATS that is not there: workers go on without it, and say so", async () => {
    expect((await start("away")).code).toBe(0);
    const { code, err } = await work("away", `nats://127.0.0.1:${freePorts(1)[0]}`);
    expect([code, err]).toEqual([0, expect.stringContaining("is away")]);
    expect(rowsOf(place("away"))).toEqual(rowsOf(place("alone")));
  });
});
