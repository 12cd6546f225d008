/** Other people's Flight clients against the real server. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { connectControl } from "../../src/control/client.ts";
import { type Client, goClient, pythonClient, runClient } from "../clients/toolchain.ts";
import { clientLine, goldenRows, readGolden, withoutExpiration } from "../support/goldens.ts";
import { type Processor, ROOT, SAMPLE, startProcessor } from "../support/processor.ts";
import { sharedFolder } from "../support/shared.ts";

const SHARED_LAKE = sharedFolder("ledgers/lake");
const clients: Record<string, Client> = { pyarrow: await pythonClient(), "arrow-go": await goClient() };
const scratch = mkdtempSync(join(tmpdir(), "contract-data-clients-"));

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

for (const [name, { missing }] of Object.entries(clients))
  if (missing !== undefined) console.warn(`skipped: ${name}: ${missing}`);
const available = Object.entries(clients).filter(([, client]) => client.command !== undefined) as [
  string,
  { command: string[] },
][];

async function startSession(
  control: string,
  startLedger: number,
  endLedger: number,
  partitions?: number,
): Promise<string> {
  const client = connectControl(control);
  const { sessionId } = await client.startProcessing({ startLedger, endLedger, partitions });
  client.close();
  return sessionId;
}

/** Every client reads the whole session at once; returns each one's rows. */
async function readAll(flight: string, session: string): Promise<Record<string, string[]>> {
  const texts = await Promise.all(
    available.map(async ([name, client]) => {
      const file = join(scratch, `${name}-${session}.txt`);
      const ticket = JSON.stringify({ session, from: "start" });
      const run = await runClient(client, ["get", "-addr", flight, "-ticket", ticket, "-rows-out", file]);
      expect(run.results[0]?.error, `${name}: ${run.stderr}`).toBeUndefined();
      expect(run.exitCode, run.stderr).toBe(0);
      return [name, readFileSync(file, "utf8")] as const;
    }),
  );
  const [first, ...others] = texts;
  for (const [name, text] of others)
    expect(text === first![1], `${name} and ${first![0]} got the same bytes`).toBe(true);
  return Object.fromEntries(texts.map(([name, text]) => [name, withoutExpiration(text)]));
}

/** One process for each partition of a session, side by side; returns each one's rows. */
async function readPartitions(
  name: string,
  client: { command: string[] },
  flight: string,
  session: string,
  count: number,
): Promise<string[][]> {
  return await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const file = join(scratch, `${name}-${session}-${index}.txt`);
      const ticket = JSON.stringify({ session, shard: { index, count }, from: "start" });
      const run = await runClient(client, ["get", "-addr", flight, "-ticket", ticket, "-rows-out", file]);
      expect(run.results[0]?.error, `${name}: ${run.stderr}`).toBeUndefined();
      return withoutExpiration(readFileSync(file, "utf8"));
    }),
  );
}

describe.skipIf(available.length === 0)("the sample, through a session", () => {
  let processor: Processor;
  beforeAll(async () => {
    processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`, "--include-deleted", "--worker-count=2"]);
  });
  afterAll(async () => {
    expect(await processor.stop()).toBe(0);
  });

  test("every client gets the oracle's rows, all of them, in order, from one session", async () => {
    const expected = readGolden(join(ROOT, "sample", "lake.tsv")).map(clientLine);
    const session = await startSession(processor.control, SAMPLE.first, SAMPLE.last);
    for (const [name, rows] of Object.entries(await readAll(processor.flight, session))) {
      expect(rows.length, name).toBe(SAMPLE.rows);
      expect(rows, name).toEqual(expected);
    }
  });

  test("the legacy path and ticket lead to the newest session, with the schema of 18 columns", async () => {
    const session = await startSession(processor.control, SAMPLE.first, SAMPLE.last);
    for (const [name, client] of available) {
      const byTicket = await runClient(client, ["get", "-addr", processor.flight, "-ticket", "contract-data-stream"]);
      const byPath = await runClient(client, ["get", "-addr", processor.flight, "-path", "contract,data"]);
      for (const run of [byTicket, byPath]) {
        const result = run.results[0]!;
        expect(result.rows, `${name}: ${run.stderr}`).toBe(SAMPLE.rows);
        expect(JSON.parse(result.lastAppMetadata).session).toBe(session);
        expect(result.schema!.fields.map((field) => field.name).join(" ")).toBe(
          "contract_id contract_key_type contract_durability asset_code asset_issuer asset_type balance_holder balance last_modified_ledger deleted ledger_sequence closed_at ledger_key_hash key_xdr val_xdr contract_instance_type contract_instance_wasm_hash expiration_ledger_seq",
        );
        expect(result.schema!.metadata.schema_version).toBe("1.0");
      }
    }
  });

  test("every endpoint of a session with partitions, one after the other, makes the oracle's rows", async () => {
    const expected = readGolden(join(ROOT, "sample", "lake.tsv"))
      .map(clientLine)
      .sort();
    for (const [name, client] of available) {
      const session = await startSession(processor.control, SAMPLE.first, SAMPLE.last, 4);
      const file = join(scratch, `${name}-${session}.txt`);
      const args = ["get", "-addr", processor.flight, "-path", `contract,data,${session}`, "-rows-out", file];
      const run = await runClient(client, args);
      expect(run.results[0]?.error, `${name}: ${run.stderr}`).toBeUndefined();
      expect(withoutExpiration(readFileSync(file, "utf8")).sort(), name).toEqual(expected);
    }
  });

  test("an unknown ticket is refused at once, with a code and a reason", async () => {
    for (const [name, client] of available) {
      for (const [ticket, code] of [
        ['{"session":"00000000-0000-0000-0000-000000000000"}', "NotFound"],
        ['{"session":"x","color":"red"}', "InvalidArgument"],
        ["nonsense", "InvalidArgument"],
      ] as const) {
        const run = await runClient(client, ["get", "-addr", processor.flight, "-ticket", ticket]);
        expect(run.exitCode, name).toBe(1);
        expect(run.results[0]!.error!.code.replaceAll(/[_ ]/g, "").toLowerCase(), `${name} ${ticket}`).toBe(
          code.toLowerCase(),
        );
      }
    }
  });
});

describe.skipIf(available.length === 0)("many batches", () => {
  test("100 MB from one DoGet of a replayed sample, three times a client on fresh connections, without a stall", async () => {
    const bytes = 100_000_000;
    const processor = await startProcessor([
      `--source-endpoint=repeat:${SAMPLE.folder}`,
      "--include-deleted",
      "--worker-count=2",
    ]);
    try {
      for (const [name, client] of available) {
        for (let run = 0; run < 3; run++) {
          // 7 ledgers make about 259 kB of Arrow data
          const ledgers = Math.ceil(bytes / 250_000) * 7;
          const session = await startSession(processor.control, 1000, 1000 + ledgers - 1);
          const result = await runClient(client, [
            "get",
            "-addr",
            processor.flight,
            "-ticket",
            JSON.stringify({ session, from: "start" }),
            "-max-seconds",
            "100",
          ]);
          expect(result.results[0]?.error, `${name} run ${run}: ${result.stderr}`).toBeUndefined();
          expect(result.results[0]!.rows, `${name} run ${run}`).toBe((ledgers / 7) * SAMPLE.rows);
          expect(result.results[0]!.bytes).toBeGreaterThan(bytes * 0.9);
        }
      }
    } finally {
      expect(await processor.stop()).toBe(0);
    }
  }, 300_000);

  test.skipIf(SHARED_LAKE === undefined)(
    "the lake of 200 dense ledgers equals the oracle's rows",
    async () => {
      const golden = goldenRows(gunzipSync(readFileSync(`${SHARED_LAKE}.tsv.gz`))).map(clientLine);
      const processor = await startProcessor([
        `--source-endpoint=${SHARED_LAKE}`,
        "--include-deleted",
        "--worker-count=3",
      ]);
      try {
        const session = await startSession(processor.control, 63103900, 63104099);
        for (const [name, rows] of Object.entries(await readAll(processor.flight, session))) {
          expect(rows.length, name).toBe(golden.length);
          expect(
            rows.findIndex((row, index) => row !== golden[index]),
            name,
          ).toBe(-1);
        }
        // The same shared out to four consumers, each a process of its own.
        const sorted = golden.toSorted();
        for (const [name, client] of available) {
          const shared = await startSession(processor.control, 63103900, 63104099, 4);
          const parts = await readPartitions(name, client, processor.flight, shared, 4);
          const together = parts.flat().sort();
          expect(together.length, name).toBe(sorted.length);
          expect(
            together.findIndex((row, index) => row !== sorted[index]),
            name,
          ).toBe(-1);
          const contracts = parts.map((rows) => new Set(rows.map((row) => row.split("\t", 1)[0])));
          expect(contracts.every(({ size }) => size > 0)).toBe(true);
          expect(contracts.reduce((all, { size }) => all + size, 0)).toBe(
            new Set(contracts.flatMap((each) => [...each])).size,
          );
        }
      } finally {
        expect(await processor.stop()).toBe(0);
      }
    },
    120_000,
  );
});
