/** However a client goes away, what it held is free again within seconds. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect, createServer, type Server, type Socket } from "node:net";
import { connectControl } from "../../src/control/client.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import { goClient } from "../clients/toolchain.ts";
import { actionJson, flightTotals, readRows } from "../support/flight-rows.ts";
import { type Processor, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";

const FREE_MS_MAX = 10_000; // within seconds
const HALF_OPEN_MS_MAX = 45_000; // keepalive: 20 s until the ping, 10 s for its answer, and a busy machine
const go = await goClient();

let processor: Processor;
let session: string;
beforeAll(async () => {
  processor = await startProcessor([
    `--source-endpoint=repeat:${SAMPLE.folder}`,
    "--include-deleted",
    "--worker-count=2",
    "--channel-buffer-size=4",
  ]);
  const control = connectControl(processor.control);
  session = (await control.startProcessing({ startLedger: 1000, endLedger: 0, batchSize: 300 })).sessionId;
  control.close();
});
afterAll(async () => {
  expect(await processor.stop()).toBe(0);
});

interface Streams {
  totals: Record<string, number>;
  streams: Array<{ kind: string; clients: unknown[] }>;
}

const counts = async () => {
  const { totals, streams } = await actionJson<Streams>(processor.flight, "streams");
  return { clients: totals.clients!, ranges: totals.ranges!, catchUps: totals.catchUps!, streams: streams.length };
};

/** A session and a range, read by clients that stop reading after the first batch. */
const TICKETS: Record<string, () => object> = {
  session: () => ({ session, from: "now" }),
  range: () => ({ start_ledger: 1000, end_ledger: 0 }),
  "catch-up": () => ({ session, from: "start" }),
};

async function expectFree(before: Awaited<ReturnType<typeof counts>>, msMax = FREE_MS_MAX): Promise<void> {
  await until(async () => JSON.stringify(await counts()) === JSON.stringify(before), "everything free", msMax);
}

/** A TCP relay that can reset its connections, or go silent like a host that has vanished. */
class Relay {
  private readonly sockets: Array<[Socket, Socket]> = [];
  private constructor(private readonly server: Server) {}

  static async open(target: string): Promise<Relay> {
    const [host, port] = target.split(":") as [string, string];
    const server = createServer((client) => {
      const upstream = connect(Number(port), host);
      relay.sockets.push([client, upstream]);
      client.pipe(upstream).pipe(client);
      for (const socket of [client, upstream]) socket.on("error", () => {});
    });
    const relay: Relay = new Relay(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return relay;
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as { port: number }).port}`;
  }

  reset(): void {
    for (const [, upstream] of this.sockets) upstream.resetAndDestroy();
  }

  /** Both directions stand still; nothing is closed. */
  vanish(): void {
    for (const [client, upstream] of this.sockets) {
      client.unpipe();
      upstream.unpipe();
      client.pause();
      upstream.resume(); // the system goes on acknowledging, as one without the process would not; only gRPC sees it
      upstream.on("data", () => {});
    }
  }

  close(): void {
    for (const pair of this.sockets) for (const socket of pair) socket.destroy();
    this.server.close();
  }
}

/** Takes the first batch and then no more; the loop ends when the call does. */
async function stuckReader(
  address: string,
  ticket: object,
): Promise<{ client: FlightClient; abort: AbortController; done: Promise<unknown> }> {
  const client = new FlightClient(address);
  const abort = new AbortController();
  let first = () => {};
  const got = new Promise<void>((resolve) => {
    first = resolve;
  });
  const read = async () => {
    for await (const _ of client.doGet(Buffer.from(JSON.stringify(ticket)), abort.signal)) {
      first();
      await new Promise((resolve) => abort.signal.addEventListener("abort", resolve, { once: true }));
    }
  };
  const done = read().catch(() => {});
  await got;
  return { client, abort, done };
}

for (const [kind, ticket] of Object.entries(TICKETS)) {
  describe(`a client of a ${kind}`, () => {
    test("that cancels", async () => {
      // what others read moves a session on, so that there is something to catch up with
      await readRows(processor.flight, { session }, { batchesMax: 12 });
      const before = await counts();
      const { client, abort, done } = await stuckReader(processor.flight, ticket());
      expect((await counts()).clients).toBe(before.clients + 1);
      abort.abort();
      await done;
      client.close();
      await expectFree(before);
    });

    test("whose connection is reset", async () => {
      const before = await counts();
      const relay = await Relay.open(processor.flight);
      const { client, abort, done } = await stuckReader(relay.address, ticket());
      relay.reset();
      await expectFree(before);
      abort.abort();
      await done;
      client.close();
      relay.close();
    });

    test.skipIf(go.command === undefined)("that is killed", async () => {
      const before = await counts();
      const args = ["get", "-addr", processor.flight, "-ticket", JSON.stringify(ticket()), "-max-seconds", "60"];
      const child = Bun.spawn([...go.command!, ...args], { stdout: "ignore", stderr: "ignore" });
      await until(async () => (await counts()).clients > before.clients, "the client");
      child.kill("SIGKILL");
      await child.exited;
      await expectFree(before);
    });
  });
}

test("a client whose host has vanished is found by keepalive", async () => {
  const before = await counts();
  const relay = await Relay.open(processor.flight);
  const readers = await Promise.all(Object.values(TICKETS).map((ticket) => stuckReader(relay.address, ticket())));
  expect((await counts()).clients).toBe(before.clients + 3);
  relay.vanish();
  await expectFree(before, HALF_OPEN_MS_MAX);
  for (const { abort, client, done } of readers) {
    abort.abort();
    await done;
    client.close();
  }
  relay.close();
  expect((await flightTotals(processor.flight)).getsCancelled).toBeGreaterThan(8);
}, 60_000);
