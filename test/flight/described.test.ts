/**
 * What pyarrow and arrow-go are told of flights, and what they, Java and late joiners make of dictionaries under every
 * compression.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectControl } from "../../src/control/client.ts";
import { Compression } from "../../src/grpc/generated/control.ts";
import { type Client, goClient, javaClient, pythonClient, runClient } from "../clients/toolchain.ts";
import { readRows } from "../support/flight-rows.ts";
import { type Processor, SAMPLE, startProcessor } from "../support/processor.ts";

interface InfoJson {
  endpoints: { ticket: string; appMetadata: string; expires: number }[];
  totalRecords: number;
  totalBytes: number;
  ordered: boolean;
  path: string[];
  schema: { fields: { name: string }[] };
}

const WHOLE = { start_ledger: SAMPLE.first, end_ledger: SAMPLE.last, filters: { include_deleted: true } };
const scratch = mkdtempSync(join(tmpdir(), "contract-data-described-"));
const clients: Record<string, Client> = { pyarrow: await pythonClient(), "arrow-go": await goClient() };
const all: Record<string, Client> = { ...clients, java: await javaClient() };
for (const [name, { missing }] of Object.entries(all))
  if (missing !== undefined) console.warn(`skipped: ${name}: ${missing}`);

let processor: Processor;
beforeAll(async () => {
  processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`, "--include-deleted", "--worker-count=2"]);
});
afterAll(async () => {
  rmSync(scratch, { recursive: true, force: true });
  expect(await processor.stop()).toBe(0);
});

async function startSession(request: { schemaVersion?: number; compression?: Compression; endLedger?: number } = {}) {
  const control = connectControl(processor.control);
  const range = { startLedger: SAMPLE.first, endLedger: SAMPLE.last, batchSize: 40 };
  const { sessionId } = await control.startProcessing({ ...range, ...request });
  control.close();
  return sessionId;
}

for (const [name, client] of Object.entries(clients)) {
  describe.skipIf(client.command === undefined)(name, () => {
    const ask = async <T>(...args: string[]) => {
      type Answer = T & { error?: unknown };
      const run = await runClient<Answer>({ command: client.command! }, [...args, "-addr", processor.flight]);
      expect(run.results[0]?.error, run.stderr).toBeUndefined();
      return run.results[0]!;
    };

    test("a range: ordered, expiring endpoints, totals once it has been read, the schema asked for", async () => {
      const command = JSON.stringify({ ...WHOLE, partitions: 3, batch_size: name.length, columns: ["contract_id"] });
      const before = await ask<InfoJson>("info", "-cmd", command);
      expect(before).toMatchObject({ ordered: true, totalRecords: -1, totalBytes: -1 });
      expect(before.endpoints).toHaveLength(3);
      for (const { expires } of before.endpoints) expect(expires * 1000).toBeGreaterThan(Date.now());
      expect((await ask<{ rows: number }>("get", "-cmd", command)).rows).toBe(SAMPLE.rows);
      const after = await ask<InfoJson>("info", "-cmd", command);
      expect(after.totalRecords).toBe(SAMPLE.rows);
      expect(after.totalBytes).toBeGreaterThan(0);
      const { schema } = await ask<InfoJson>("schema", "-cmd", command);
      expect(schema.fields.map((field) => field.name)).toEqual(["contract_id"]);
      expect(after.schema).toEqual(schema);
    });

    test("sessions: totals when one is over, −1 while it runs; listed by criteria", async () => {
      const over = await startSession();
      expect((await readRows(processor.flight, { session: over, from: "start" })).rows).toHaveLength(SAMPLE.rows);
      const running = await startSession({ endLedger: 0 });
      const info = (session: string) => ask<InfoJson>("info", "-path", `contract,data,${session}`);
      expect(await info(over)).toMatchObject({ ordered: true, totalRecords: SAMPLE.rows });
      expect(await info(running)).toMatchObject({ ordered: true, totalRecords: -1, totalBytes: -1 });
      expect((await info(over)).endpoints[0]!.expires).toBe(0);
      const list = async (criteria: object) =>
        (await ask<{ flights: InfoJson[] }>("list", "-criteria", JSON.stringify(criteria))).flights.map(
          ({ path }) => path[2]!,
        );
      expect(await list({ session: over.slice(0, 20) })).toEqual([over]);
      expect(await list({ state: "STOPPED" })).toContain(over);
      expect(await list({ state: "STOPPED" })).not.toContain(running);
      expect(await list({})).toEqual(expect.arrayContaining([over, running]));
      const wrong = await runClient({ command: client.command! }, [
        ...["list", "-criteria", '{"colour":1}', "-addr", processor.flight],
      ]);
      expect(wrong.results[0]!.error!.code).toBe("InvalidArgument");
      const control = connectControl(processor.control);
      await control.stopProcessing({ sessionId: running });
      control.close();
    });

    test("actions: listed with descriptions, and done", async () => {
      const { actions } = await ask<{ actions: { type: string; description: string }[] }>("action");
      const types = [
        "CancelFlightInfo",
        "RenewFlightEndpoint",
        "sessions",
        "session",
        "streams",
        "schema",
        "server-info",
      ];
      expect(actions.map(({ type }) => type)).toEqual(types);
      expect(actions.every(({ description }) => description.length > 30)).toBe(true);
      for (const type of ["sessions", "streams", "schema", "server-info"]) {
        const { results } = await ask<{ results: string[] }>("action", "-type", type);
        expect(JSON.parse(results[0]!), type).toBeInstanceOf(Object);
      }
    });
  });
}

test.skipIf(clients["arrow-go"]!.command === undefined)(
  "arrow-go polls a range and a session to their ends",
  async () => {
    const client = { command: clients["arrow-go"]!.command! };
    const poll = async (...args: string[]) => {
      type Poll = { info: InfoJson; progress: number[] };
      return (await runClient<Poll>(client, ["poll", "-addr", processor.flight, ...args])).results[0]!;
    };
    expect((await poll("-cmd", JSON.stringify(WHOLE))).progress).toEqual([1]);
    const session = await startSession();
    const reading = readRows(processor.flight, { session, from: "start" });
    const { info, progress } = await poll("-path", `contract,data,${session}`);
    expect([progress.at(-1), info.totalRecords]).toEqual([1, SAMPLE.rows]);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    await reading;
  },
);

for (const [compression, value] of [
  ["none", Compression.COMPRESSION_NONE],
  ["zstd", Compression.COMPRESSION_ZSTD],
] as const) {
  test(`dictionaries over many batches, compression ${compression}: who joins late has the values too`, async () => {
    const session = await startSession({ schemaVersion: 2, compression: value });
    const ticket = { session, from: "start" };
    const first = Object.values(all).find(({ command }) => command !== undefined);
    if (first === undefined) return;
    const args = ["get", "-addr", processor.flight, "-ticket", JSON.stringify(ticket), "-max-batches", "4"];
    const { rows: read, lastAppMetadata } = (await runClient({ command: first.command! }, args)).results[0]!;
    expect([read > 0, read < SAMPLE.rows]).toEqual([true, true]);
    const { cursor } = JSON.parse(lastAppMetadata) as { cursor: string };
    const texts = new Set<string>();
    for (const [name, { command }] of Object.entries(all)) {
      if (command === undefined) continue;
      const get = async (part: object) => {
        const file = join(scratch, `${name}-${compression}.txt`);
        const args = ["get", "-addr", processor.flight, "-ticket", JSON.stringify(part), "-rows-out", file];
        const run = await runClient({ command }, args);
        expect(run.results[0]?.error, `${name}: ${run.stderr}`).toBeUndefined();
        return readFileSync(file, "utf8");
      };
      const whole = await get(ticket);
      const lines = whole.split("\n");
      expect(lines.length - 1, name).toBe(SAMPLE.rows);
      expect(whole, name).toContain("\tupdated\t");
      texts.add(whole);
      const late = await get({ session, from: cursor });
      expect(late === lines.slice(read).join("\n"), `${name}, late`).toBe(true);
      const range = { ...WHOLE, schema_version: 2, compression, batch_size: 40 };
      expect((await get(range)) === whole, `${name}, as a range`).toBe(true);
    }
    // Our own client, behind `tail`, too.
    const plain = await readRows(processor.flight, { ...WHOLE, schema_version: 2 });
    const own = await readRows(processor.flight, ticket);
    expect([plain.error, own.error]).toEqual([undefined, undefined]);
    expect(own.rows).toEqual(plain.rows);
    expect(texts.size, "all clients read the same").toBeLessThanOrEqual(1);
  });
}
