/** Arrow's own Flight integration client against our Flight server code. docs/conformance.md has the table. */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { conformanceClient } from "../clients/toolchain.ts";
import { serveFixture } from "./conformance-fixture.ts";

const SCENARIOS = [
  "auth:basic_proto",
  "middleware",
  "ordered",
  "expiration_time:do_get",
  "expiration_time:list_actions",
  "expiration_time:cancel_flight_info",
  "expiration_time:renew_flight_endpoint",
  "poll_flight_info",
  "app_metadata_flight_info_endpoint",
  "location:reuse_connection",
];

const client = await conformanceClient();
if (client.missing !== undefined) console.warn(`skipped: ${client.missing}`);

async function run(port: number, args: string[]): Promise<{ exitCode: number; stderr: string }> {
  const child = Bun.spawn([...client.command!, "-host", "127.0.0.1", "-port", String(port), ...args], {
    stdout: "ignore",
    stderr: "pipe",
  });
  const stderr = await new Response(child.stderr).text();
  return { exitCode: await child.exited, stderr };
}

describe.skipIf(client.command === undefined)("Arrow's Flight integration client", () => {
  for (const scenario of SCENARIOS) {
    test(scenario, async () => {
      const fixture = await serveFixture(scenario === "auth:basic_proto");
      try {
        const { exitCode, stderr } = await run(fixture.port, ["-scenario", scenario]);
        expect(exitCode, stderr).toBe(0);
      } finally {
        await fixture.close();
      }
    });
  }

  test("the round trip of a JSON file", async () => {
    const folder = mkdtempSync(join(tmpdir(), "contract-data-conformance-"));
    const file = join(folder, "round-trip.json");
    writeFileSync(file, JSON.stringify(ROUND_TRIP));
    const fixture = await serveFixture();
    try {
      const { exitCode, stderr } = await run(fixture.port, ["-path", file]);
      expect(exitCode, stderr).toBe(0);
    } finally {
      await fixture.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

const batch = (first: number) => ({
  count: 3,
  columns: [
    { name: "number", count: 3, VALIDITY: [1, 0, 1], DATA: [first, 0, first + 2] },
    { name: "word", count: 3, VALIDITY: [1, 1, 1], OFFSET: [0, 1, 3, 6], DATA: ["a", "bc", "def"] },
  ],
});

/** Arrow's JSON form for integration tests. */
const ROUND_TRIP = {
  schema: {
    fields: [
      { name: "number", type: { name: "int", isSigned: true, bitWidth: 32 }, nullable: true, children: [] },
      { name: "word", type: { name: "utf8" }, nullable: true, children: [] },
    ],
  },
  batches: [batch(1), batch(10), batch(100)],
};
