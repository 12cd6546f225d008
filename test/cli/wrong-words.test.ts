/** What was typed or set wrong: exit code 2 and one sentence. What failed at work: exit code 1. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../src/config/load.ts";
import { parseTicket } from "../../src/flight/tickets.ts";
import { COMMANDS } from "../../src/main.ts";
import { thrownBy } from "../support/failure.ts";
import { PORTS, type Processor, runCommand, SAMPLE, startProcessor } from "../support/processor.ts";
import { type CliRun, cli } from "./harness.ts";

const scratch = mkdtempSync(join(tmpdir(), "contract-data-words-"));
let processor: Processor;
beforeAll(async () => {
  processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`, "--worker-count=1"]);
});
afterAll(async () => {
  await processor.stop();
  rmSync(scratch, { recursive: true });
});

const run = (...argv: string[]): Promise<CliRun> => cli(argv, COMMANDS);
const start = (...argv: string[]) => run("start", "--address", processor.control, ...argv);

describe("one rule for every command", () => {
  const file = join(SAMPLE.folder, "FC7F83FF--58752000-58815999", "FC7F83FF--58752000.xdr.zst");
  for (const [line, code] of [
    [["decode", "--format", "xml", file], 2],
    [["decode", "--contract-id", "CABC", file], 2],
    [["decode", "--schema-version", "2", "--format", "tsv", file], 2],
    [["decode", "--min-balance", "1".repeat(40), file], 2],
    [["decode", join(scratch, "nowhere")], 1],
    [["tail", "--from", "now"], 2],
    [["tail", "--address", "127.0.0.1:1"], 1],
    [["gaps", SAMPLE.folder, "--end-ledger", "5"], 2],
    [["gaps", scratch], 1],
    [["status", "nope", "--address", "127.0.0.1:1"], 1],
    [["serve", "--worker-count", "0"], 2],
    [["serve", "--end-ledger", "5", ...PORTS, "--source-endpoint", SAMPLE.folder], 2],
    [["serve", ...PORTS, "--source-endpoint", join(scratch, "nowhere")], 1],
  ] as const) {
    test(`${line.slice(0, 3).join(" ")}: ${code}`, async () => {
      const { code: found, out, err } = await run(...line);
      expect([found, out], err).toEqual([code, ""]);
      expect(err).toMatch(/^contract-data-processor: [^\n]+\n$/);
    });
  }

  test("what the server refuses of a request's words is 2 too", async () => {
    const { code, err } = await start("--start-ledger", "58751994", "--partitions", "400");
    expect([code, err]).toEqual([2, expect.stringContaining("over PARTITIONS_MAX")]);
  });
});

test("serve of a lake of another network says so in one sentence, and does not begin", async () => {
  const argv = ["serve", ...PORTS, "--source-endpoint", SAMPLE.folder, "--network-passphrase", "foo"];
  const { exitCode, stdout, stderr } = await runCommand(argv);
  expect([exitCode, stdout]).toEqual([2, ""]);
  expect(stderr).toContain('NETWORK_PASSPHRASE is "foo", and the lake');
  expect(stderr).toContain('is of "Public Global Stellar Network ; September 2015" by its manifest');
});

test("start of a range before the lake ends with 1, the reason and the session's id", async () => {
  const { code, out, err } = await start("--start-ledger", "5", "--end-ledger", "9");
  expect([code, out]).toEqual([1, expect.stringMatching(/^[0-9a-f-]{36}\n$/)]);
  expect(err).toContain(`session ${out.trim()} has failed: `);
  expect(err).toContain(`holds ledgers ${SAMPLE.first} to ${SAMPLE.last}`);
  expect((await start("--start-ledger", String(SAMPLE.first))).code).toBe(0);
});

test("one port for two listeners names both settings", () => {
  const refusal = (env: Record<string, string>) => thrownBy(() => loadConfig({ env })).message;
  const both = "GRPC_ADDRESS and FLIGHT_ADDRESS both say port 8816: give each a port of its own";
  expect(refusal({ GRPC_ADDRESS: ":8816" })).toBe(both);
  expect(refusal({ GRPC_ADDRESS: "127.0.0.1:8816", FLIGHT_ADDRESS: "127.0.0.1:8816" })).toBe(both);
  expect(refusal({ HEALTH_PORT: "50054" })).toContain("GRPC_ADDRESS and HEALTH_PORT both say port 50054");
  loadConfig({ env: { GRPC_ADDRESS: "127.0.0.1:8816", FLIGHT_ADDRESS: "127.0.0.2:8816" } });
  loadConfig({ env: { GRPC_ADDRESS: ":0", FLIGHT_ADDRESS: ":0", HEALTH_PORT: "0" } });
});

describe("a ticket's wrong value is told with what is there", () => {
  for (const [ticket, message] of [
    [
      { start_ledger: 1, end_ledger: 2, schema_version: "2" },
      '"schema_version" in the ticket is the text "2": write a number, 2, without quotes',
    ],
    [{ session: "" }, '"session" in the ticket must not be empty: leave it out, or give a text'],
    [{ session: 7 }, '"session" in the ticket is 7, and must be a text'],
    [{ start_ledger: [1], end_ledger: 2 }, '"start_ledger" in the ticket is a list, and must be an integer from 1 to'],
    [
      { start_ledger: 1, end_ledger: 2, assets: ["USDC"] },
      'assets[0] in the ticket: "USDC" is neither native nor CODE:G…',
    ],
    [
      { start_ledger: 1, end_ledger: 2, filters: { min_balance: "9".repeat(39) } },
      `min_balance is "${"9".repeat(39)}": a whole number from 0 to 170141183460469231731687303715884105727 is accepted`,
    ],
  ] as const) {
    test(message, () => {
      expect(thrownBy(() => parseTicket(Buffer.from(JSON.stringify(ticket)))).message).toContain(message);
    });
  }
});

test("a broken manifest says what to do", async () => {
  const folder = join(scratch, "lake");
  cpSync(SAMPLE.folder, folder, { recursive: true });
  writeFileSync(join(folder, ".config.json"), "{");
  const { code, err } = await run("decode", folder);
  expect([code, err]).toEqual([1, expect.stringContaining("correct the file, or remove it")]);
  rmSync(join(folder, ".config.json"));
  expect((await run("decode", folder)).code).toBe(0);
});

describe("a key in an address that is none is shown nowhere", () => {
  const KEY = "s3cretKEY";
  const ADDRESSES = [
    `rpc+htps://host/${KEY}`,
    `s3://id:${KEY}@bucket/p`,
    `grpc://u:${KEY}@127.0.0.1:1`,
    `meta+tcp://u:${KEY}@h:1`,
  ];
  test.each(ADDRESSES)("%s", async (address) => {
    for (const words of [
      ["decode", address],
      ["serve", "--source-endpoint", address],
      ["serve", "--sources", `a=${address}`],
    ]) {
      const { code, err } = await run(...words);
      expect([words, code, err.includes(KEY)]).toEqual([words, 2, false]);
    }
  });
});

test.each(["sample/lake|", "|", "", "meta:relative", "repeat:s3://b/p", "meta:fd:x"])(
  "%p is no source and no file: exit code 2",
  async (words) => {
    expect(await run("decode", words)).toMatchObject({ code: 2, err: expect.stringContaining("is no source") });
  },
);

test.each(["rpc+http://127.0.0.1:1/k", "sample/lake|x", "meta:/file", "127.0.0.1:1"])(
  "gaps of %p says that it is no lake",
  async (words) => {
    expect(await run("gaps", words)).toMatchObject({ code: 2, err: expect.stringContaining("is no lake") });
  },
);
