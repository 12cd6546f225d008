/** `tail` of ranges, and what it says of a server's errors. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connectControl } from "../../src/control/client.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import { readAll } from "../../src/flight-client/read-anywhere.ts";
import { StopMode } from "../../src/grpc/generated/control.ts";
import { COMMANDS } from "../../src/main.ts";
import { type Processor, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { type CliRun, cli } from "./harness.ts";
import { beginCommand } from "./running.ts";

let processor: Processor;
beforeAll(async () => {
  processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`, "--include-deleted", "--worker-count=1"]);
});
afterAll(async () => {
  expect(await processor.stop()).toBe(0);
});

const RANGE = ["--start-ledger", String(SAMPLE.first), "--end-ledger", String(SAMPLE.last)];
const tail = (...args: string[]): Promise<CliRun> =>
  cli(["tail", "--format", "ndjson", ...args], COMMANDS, { FLIGHT_ADDRESS: processor.flight });
const decoded = async (...args: string[]) =>
  (await cli(["decode", "--format", "ndjson", SAMPLE.folder, ...args], COMMANDS)).out;
const linesOf = (text: string) => text.split("\n").filter((line) => line !== "");
const wayOn = (err: string): string[] => /^go on with (.*)$/m.exec(err)![1]!.split(" ");

describe("a range", () => {
  for (const version of ["1", "2"]) {
    test(`has the rows of decode, in schema version ${version}, and ends with 0`, async () => {
      const { code, out, err } = await tail(...RANGE, "--schema-version", version);
      expect([code, err]).toEqual([0, expect.stringMatching(/^311 rows; cursor \S+\n$/)]);
      expect(out === (await decoded("--schema-version", version))).toBe(true);
    });
  }

  test("of balances alone, as lines and as a table that says of which kind they are", async () => {
    const flags = ["--schema-version", "2", "--balances"];
    const { out } = await tail(...RANGE, ...flags);
    expect(out).toBe(await decoded(...flags));
    const [row, ...others] = linesOf(out).map((line) => JSON.parse(line));
    expect(row).toMatchObject({ balance_kind: "asset_contract", asset_code: "KALE" });
    expect(others).toEqual([]);
    const env = { FLIGHT_ADDRESS: processor.flight };
    const table = linesOf((await cli(["tail", ...RANGE, ...flags], COMMANDS, env)).out);
    expect(table).toHaveLength(3);
    expect(table[2]).toMatch(/ KALE .* 4002027568 {2}asset_contract /);
  });

  test("with filters and columns of its own", async () => {
    const rows = linesOf(await decoded()).map((line) => JSON.parse(line));
    const contract = rows.at(-1)!.contract_id;
    const columns = ["ledger_sequence", "contract_id", "key_xdr"];
    const { out } = await tail(...RANGE, "--contract-id", contract, ...columns.flatMap((name) => ["--column", name]));
    const expected = rows
      .filter((row) => row.contract_id === contract)
      .map((row) => JSON.stringify(Object.fromEntries(columns.map((name) => [name, row[name]]))));
    expect(linesOf(out)).toEqual(expected);
    expect(expected.length).toBeGreaterThan(0);
  });

  test("in pieces, by the flags that each one names for the next", async () => {
    const contract = JSON.parse(linesOf(await decoded())[0]!).contract_id;
    for (const flags of [[], ["--contract-id", contract, "--durability", "temporary"]]) {
      const whole = linesOf((await tail(...RANGE, ...flags)).out);
      expect(whole.length).toBeGreaterThan(3);
      const limit = Math.ceil(whole.length / 4);
      let { out, err } = await tail(...RANGE, ...flags, "--limit", String(limit));
      for (let piece = 0; piece < 5; piece++) {
        const next = await tail("--limit", String(limit), ...wayOn(err));
        expect(next.code, next.err).toBe(0);
        out += next.out;
        err = next.err;
        if (linesOf(next.out).length < limit) break;
      }
      expect(linesOf(out)).toEqual(whole);
    }
  });

  test("of several endpoints, one after the other", async () => {
    const client = new FlightClient(processor.flight);
    const range = { start_ledger: SAMPLE.first, end_ledger: SAMPLE.last, endpoints: 7 };
    const endpoints = await client.range(range);
    expect(endpoints).toHaveLength(7);
    expect(endpoints.flatMap(({ locations }) => locations)).toEqual([]); // one node alone names none
    const ledgers: number[] = [];
    let rows = 0;
    for await (const { table, metadata } of readAll(client, endpoints)) {
      rows += table.numRows;
      ledgers.push(metadata.ledger_first);
    }
    client.close();
    expect(rows).toBe(SAMPLE.rows);
    expect(ledgers).toEqual([...ledgers].sort((a, b) => a - b));
  });

  test("without an end goes on until an interrupt, which ends it with 0 and the way on", async () => {
    const env = { FLIGHT_ADDRESS: processor.flight };
    const live = beginCommand(["tail", "--format", "ndjson", "--start-ledger", String(SAMPLE.first)], env);
    await until(() => linesOf(live.out().toString()).length === SAMPLE.rows, "all rows");
    live.interrupt();
    expect(await live.ended).toBe(0);
    expect(live.err()).toMatch(/^311 rows; cursor \S+\ngo on with --start-ledger 58751994 --from \S+\n$/);
  });
});

describe("errors name tail's own flags", () => {
  for (const [what, args, code, message] of [
    ["a session and a range", ["--session", "x", ...RANGE], 2, "--session and --start-ledger name two things"],
    ["a range's flag alone", ["--column", "contract_id"], 2, "--column is for a range: give --start-ledger N too"],
    ["a filter of a session", ["--asset-code", "KALE"], 2, "--asset-code is for a range"],
    ["a partition of a range", ["--partition", "1", ...RANGE], 2, "--partition is for sessions"],
    ["a range that ends before it begins", ["--start-ledger", "9", "--end-ledger", "8"], 2, "--end-ledger 8 is before"],
    ["from now", ["--from", "now", ...RANGE], 2, "--from now is for sessions"],
    ["a cursor that is none", ["--from", "nonsense", ...RANGE], 2, '--from is "nonsense": start, now, or a cursor'],
    ["a cursor of another range", ["--from", "Mi45LjA", ...RANGE], 2, "--from Mi45LjA is not of what is read"],
    ["a column of the other version", [...RANGE, "--column", "key_json"], 2, "schema version 2 has it"],
    ["a ledger that is yet to come", ["--start-ledger", "58752000", "--end-ledger", "58752009"], 1, "--end-ledger 0"],
    ["a ledger before the lake", ["--start-ledger", "5", "--end-ledger", "6"], 1, "give a later --start-ledger"],
    ["a session that is not there", ["--session", "nope"], 1, '"contract-data-processor sessions" lists them all'],
  ] as const) {
    test(what, async () => {
      const run = await tail(...args);
      expect([run.code, run.out]).toEqual([code, ""]);
      expect(run.err).toContain(message);
      expect(run.err).not.toMatch(/GetFlightInfo|StartProcessing|ResumeSession|ListFlights|ticket|end_ledger/);
    });
  }
});

describe("a session that was stopped", () => {
  test("and drained: its rows, then a word that it was stopped", async () => {
    const control = connectControl(processor.control);
    const { sessionId } = await control.startProcessing({ startLedger: SAMPLE.first, endLedger: 0 });
    await until(async () => (await control.getStatus({ sessionId })).currentLedger === SAMPLE.last, "the last ledger");
    await control.stopProcessing({ sessionId });
    const { code, out, err } = await tail("--session", sessionId);
    expect([code, linesOf(out).length]).toEqual([0, SAMPLE.rows]);
    expect(err).toEndWith(`\nsession ${sessionId} was stopped after ledger ${SAMPLE.last}\n`);
    control.close();
  });

  test("and dropped: an error that says so, and how it goes on", async () => {
    const control = connectControl(processor.control);
    const { sessionId } = await control.startProcessing({ startLedger: SAMPLE.first, endLedger: 0 });
    const live = beginCommand(["tail", "--session", sessionId, "--format", "ndjson", "--quiet"], {
      FLIGHT_ADDRESS: processor.flight,
    });
    await until(() => linesOf(live.out().toString()).length === SAMPLE.rows, "all rows");
    await control.stopProcessing({ sessionId, mode: StopMode.STOP_MODE_DROP });
    expect(await live.ended).toBe(1);
    expect(live.err()).toContain(
      `session ${sessionId} was stopped, and what was not delivered was dropped: "contract-data-processor resume ${sessionId}" goes on with it`,
    );
    control.close();
  });

  test("a session that has come to its end is not called stopped", async () => {
    const control = connectControl(processor.control);
    const { sessionId } = await control.startProcessing({ startLedger: SAMPLE.first, endLedger: SAMPLE.last });
    expect((await tail("--session", sessionId, "--from", "start")).err).toMatch(/^311 rows; cursor \S+\n$/);
    control.close();
  });
});
