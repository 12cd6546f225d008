/**
 * Real clients with default options on fresh connections: streams neither stall nor come short, and their bytes are
 * right although the server writes every batch into the same memory. `stall-stress.ts` does more of the same.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { type Client, goClient, pythonClient, runClient } from "../clients/toolchain.ts";
import { type FixtureTicket, fixtureText, ROW_BYTES } from "../flight/flight-fixture.ts";
import { startFixture } from "./fixture-server.ts";

const STREAMS = 3;
const STREAM_BYTES = 96 << 20;
const SECONDS_MAX = 30; // such a stream takes a fraction of a second
const TEST_MS_MAX = 110_000;

const { address, listener, counters } = await startFixture();
afterAll(() => listener.close(0));

const clients: [string, Client][] = [
  ["arrow-go", await goClient()],
  ["pyarrow", await pythonClient()],
];

for (const [name, client] of clients) {
  if (client.missing !== undefined) {
    console.warn(`skipped: ${name}: ${client.missing}`);
    continue;
  }
  describe(name, () => {
    for (const bodyBytes of [64 << 10, 256 << 10, 1 << 20]) {
      test(
        `${STREAMS} streams of ${STREAM_BYTES >> 20} MiB with bodies of ${bodyBytes >> 10} KiB`,
        async () => {
          const batches = STREAM_BYTES / bodyBytes;
          const ticket = JSON.stringify({ bodyBytes, batches } satisfies FixtureTicket);
          const args = ["get", "-addr", address, "-ticket", ticket, "-max-seconds", `${SECONDS_MAX}`];
          const run = await runClient(client, [...args, "-repeat", `${STREAMS}`]);
          expect(run.stderr).toBe("");
          expect(run.results.map(({ error, batches }) => error ?? batches)).toEqual(Array(STREAMS).fill(batches));
          expect(run.results[0]?.rows).toBe(STREAM_BYTES / ROW_BYTES);
        },
        TEST_MS_MAX,
      );
    }

    test(
      "every row holds the bytes that were in memory when its batch was written",
      async () => {
        const ticket: FixtureTicket = { bodyBytes: 256 << 10, batches: 60, stamp: true };
        const run = await runClient(client, [
          ...["get", "-addr", address, "-ticket", JSON.stringify(ticket), "-hash"],
          ...["-max-seconds", `${SECONDS_MAX}`],
        ]);
        expect(run.results[0]?.sha256).toBe(createHash("sha256").update(fixtureText(ticket)).digest("hex"));
        expect(run.results[0]?.schema).toEqual({
          fields: [{ name: "payload", type: `fixed_size_binary[${ROW_BYTES}]`, nullable: false }],
          metadata: {},
        });
      },
      TEST_MS_MAX,
    );

    test(
      "a stream that runs when the listener is closed comes to its end",
      async () => {
        const closing = await startFixture();
        const batches = STREAM_BYTES >> 20;
        const ticket = JSON.stringify({ bodyBytes: 1 << 20, batches } satisfies FixtureTicket);
        const args = ["get", "-addr", closing.address, "-ticket", ticket, "-max-seconds", `${SECONDS_MAX}`];
        const running = runClient(client, args);
        while (closing.counters.callsStarted === 0) await Bun.sleep(1);
        await Promise.all([running, closing.listener.close(SECONDS_MAX * 1000)]);
        expect((await running).results[0]).toMatchObject({ batches });
      },
      TEST_MS_MAX,
    );

    test(
      "a client that leaves in the middle ends its call",
      async () => {
        const before = counters.callsCancelled;
        const ticket = JSON.stringify({ bodyBytes: 1 << 20, batches: 1 << 20 } satisfies FixtureTicket);
        const run = await runClient(client, ["get", "-addr", address, "-ticket", ticket, "-max-batches", "3"]);
        expect(run.results[0]?.batches).toBe(3);
        while (counters.callsCancelled === before) await Bun.sleep(5);
      },
      TEST_MS_MAX,
    );
  });
}
