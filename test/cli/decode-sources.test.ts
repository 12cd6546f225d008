/** `decode` of everything that SOURCE_ENDPOINT may name: the rows of the lake, whatever its ledgers come through. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { COMMANDS } from "../../src/main.ts";
import { openLedgerInput } from "../../src/sources/file/ledger-file.ts";
import { lakeKey } from "../../src/sources/lake/lake-layout.ts";
import { batchOf, SINGLE, TemporaryLake } from "../sources/lake-fixture.ts";
import { RawLedgerServer, type ScriptedCall } from "../sources/raw-ledger-service.ts";
import { PUBNET } from "../support/networks.ts";
import { PROGRAM, runCommand, SAMPLE } from "../support/processor.ts";
import { RpcServer } from "../support/rpc-server.ts";
import { until } from "../support/until.ts";
import { type CliRun, cli } from "./harness.ts";
import { beginCommand } from "./running.ts";

const scratch = mkdtempSync(join(tmpdir(), "contract-data-sources-"));
const ledgers = new Map<number, Uint8Array>();
let raw: RawLedgerServer;
let rpc: RpcServer;

beforeAll(async () => {
  let sequence = SAMPLE.first;
  for await (const { bytes } of (await openLedgerInput(SAMPLE.folder)).ledgers) ledgers.set(sequence++, bytes.slice());
  raw = await RawLedgerServer.start(async (call: ScriptedCall) => {
    for (let next = call.startLedger; next <= SAMPLE.last && !call.cancelled; next++) {
      await call.send(next, ledgers.get(next));
    }
  });
  rpc = new RpcServer(ledgers, PUBNET);
  const marked = [...ledgers.values()].flatMap((bytes) => {
    const mark = Buffer.alloc(4);
    mark.writeUInt32BE((0x80000000 | bytes.length) >>> 0);
    return [mark, bytes];
  });
  writeFileSync(join(scratch, "meta.xdr"), Buffer.concat(marked));
});
afterAll(() => {
  rpc[Symbol.dispose]();
  raw[Symbol.dispose]();
  rmSync(scratch, { recursive: true });
});

const decode = (...args: string[]): Promise<CliRun> => cli(["decode", "--format", "ndjson", ...args], COMMANDS);
const range = (first: number, last: number) => ["--start-ledger", String(first), "--end-ledger", String(last)];
const linesOf = (text: string) => text.split("\n").filter((line) => line !== "");
const sequenceOf = (line: string): number => JSON.parse(line).ledger_sequence;

/** What every source is written as, by what it is. */
const SOURCES: Record<string, () => string> = {
  "a raw-ledger service": () => raw.address,
  "an RPC server": () => `rpc+${rpc.url}`,
  "a lake folder": () => SAMPLE.folder,
  "a lake by its URL": () => `file://${SAMPLE.folder}`,
  "a file of core's meta stream": () => `meta:${join(scratch, "meta.xdr")}`,
  "a join of a lake and a service": () => `${SAMPLE.folder}|${raw.address}`,
  "a repeated lake": () => `repeat:${SAMPLE.folder}`,
};

describe("a range", () => {
  for (const [what, address] of Object.entries(SOURCES)) {
    test(`of ${what}`, async () => {
      const whole = await decode(SAMPLE.folder);
      expect([whole.code, linesOf(whole.out).length]).toEqual([0, SAMPLE.rows]);
      expect(await decode(address(), ...range(SAMPLE.first, SAMPLE.last))).toEqual(whole);
      const ofLast = linesOf(whole.out).filter((line) => sequenceOf(line) === SAMPLE.last);
      const contract: string = JSON.parse(ofLast[0]!).contract_id;
      const expected = ofLast.filter((line) => JSON.parse(line).contract_id === contract);
      const filtered = await decode(address(), ...range(SAMPLE.last, SAMPLE.last), "--contract-id", contract);
      expect([filtered.code, linesOf(filtered.out)]).toEqual([0, expected]);
    });
  }

  test("within a lake's file, and within a file", async () => {
    const lake = new TemporaryLake({ ...SINGLE, ledgersPerBatch: 7 }, { networkPassphrase: PUBNET }); // all in one file
    const batch = batchOf(SAMPLE.first, SAMPLE.last, (sequence) => ledgers.get(sequence)!);
    lake.write(lakeKey(lake.layout, SAMPLE.first), Bun.zstdCompressSync(batch));
    const whole = linesOf((await decode(SAMPLE.folder)).out);
    for (const ledger of [SAMPLE.last - 1, SAMPLE.last]) {
      const expected = whole.filter((line) => sequenceOf(line) === ledger);
      expect(expected).not.toBeEmpty();
      expect(linesOf((await decode(lake.folder, ...range(ledger, ledger))).out)).toEqual(expected);
    }
    lake[Symbol.dispose]();
    const file = join(import.meta.dir, "../fixtures/ledgers/load-test-ledgers.xdr.zstd"); // ledgers 88 and 92
    const rows = linesOf((await decode(file)).out);
    const expectations: [number, number, string[]][] = [
      [1, 88, rows.slice(0, 500)],
      [89, 91, []],
      [89, 100, rows.slice(500)],
    ];
    for (const [first, last, expected] of expectations) {
      expect(linesOf((await decode(file, ...range(first, last))).out)).toEqual(expected);
    }
  });
});

describe("without an end", () => {
  test("a service is decoded until an interrupt, each ledger at once, which ends it with 0", async () => {
    const calls: ScriptedCall[] = [];
    const service = await RawLedgerServer.start((call) => void calls.push(call));
    const live = beginCommand(["decode", service.address, "--start-ledger", String(SAMPLE.first), "--format", "table"]);
    await until(() => calls.length > 0, "the call");
    for (let next = SAMPLE.first; next <= SAMPLE.last; next++) await calls[0]!.send(next, ledgers.get(next));
    await until(() => live.out().toString().split("\n").length - 3 === SAMPLE.rows, "all rows");
    live.interrupt();
    expect([await live.ended, live.err()]).toEqual([0, ""]);
    expect(live.out().toString()).toEndWith(`${SAMPLE.rows} rows\n`);
    await calls[0]!.cancellation();
    service[Symbol.dispose]();
  });

  test("an RPC server is read from its newest ledger on", async () => {
    const live = beginCommand(["decode", `rpc+${rpc.url}`, "--format", "ndjson"]);
    const expected = linesOf((await decode(SAMPLE.folder, ...range(SAMPLE.last, SAMPLE.last))).out).length;
    await until(() => linesOf(live.out().toString()).length === expected, "the newest ledger's rows");
    live.interrupt();
    expect([await live.ended, live.err()]).toEqual([0, ""]);
  });

  test("--end-ledger 0 follows a lake", async () => {
    const folder = join(scratch, "growing");
    cpSync(SAMPLE.folder, folder, { recursive: true });
    const newest = join("FC7F83FF--58752000-58815999", "FC7F83FF--58752000.xdr.zst");
    mkdirSync(join(scratch, "aside"));
    renameSync(join(folder, newest), join(scratch, "aside", "newest"));
    const live = beginCommand(["decode", folder, "--end-ledger", "0", "--format", "ndjson"]);
    const before = linesOf((await decode(SAMPLE.folder, ...range(SAMPLE.first, SAMPLE.last - 1))).out).length;
    await until(() => linesOf(live.out().toString()).length === before, "the rows that are there");
    renameSync(join(scratch, "aside", "newest"), join(folder, newest));
    await until(() => linesOf(live.out().toString()).length === SAMPLE.rows, "the rows of the ledger that has come");
    live.interrupt();
    expect(await live.ended).toBe(0);
  });

  test("a reader that leaves ends it with 0", async () => {
    const command = [
      "bash",
      "-c",
      `"$0" "$@" decode repeat:sample/lake --start-ledger 1000 --format ndjson | head -n 400 | wc -l; echo "\${PIPESTATUS[0]}"`,
      ...PROGRAM,
    ];
    expect(await runCommand([], { command })).toEqual({ exitCode: 0, stdout: "400\n0\n", stderr: "" });
  });

  test("what the source waits for is told", async () => {
    const address = raw.address.replace(/\d+$/, "1"); // nobody listens there
    const live = beginCommand(["decode", address, "--start-ledger", "5"]);
    await until(() => live.err() !== "", "a word on stderr");
    expect(live.err()).toStartWith(`contract-data-processor: waiting: raw ledgers from ${address}: UNAVAILABLE`);
    live.interrupt();
    expect(await live.ended).toBe(0);
  });
});

describe("what is none, or two", () => {
  test("a word that is the name of a file and of a source is refused, and ./ names the file", async () => {
    const name = raw.address.replace("127.0.0.1", "localhost");
    cpSync(join(SAMPLE.folder, "FC7F83FF--58752000-58815999", "FC7F83FF--58752000.xdr.zst"), join(scratch, name));
    const command = [...PROGRAM, "decode", "--format", "tsv"];
    const refused = await runCommand([name], { command, cwd: scratch });
    expect(refused).toMatchObject({ exitCode: 2, stdout: "" });
    expect(refused.stderr).toContain(
      `${name} is the name of a source and of a file here: write ./${name} for the file, or grpc://${name} for the service`,
    );
    const read = await runCommand([`./${name}`], { command, cwd: scratch });
    expect([read.exitCode, linesOf(read.stdout).length]).toEqual([0, 301]);
  });

  test("a word that is neither", async () => {
    const { code, err } = await decode(join(scratch, "nowhere.xdr"));
    expect([code, err]).toEqual([1, expect.stringContaining("there is no such file or folder")]);
    const other = await decode("ftp://host/lake");
    expect(other).toMatchObject({ code: 2, out: "" });
    expect(other.err).toContain('"ftp://host/…" is no source: a file, or host:port of a raw-ledger server');
  });

  test("a service that does not tell its newest ledger needs --start-ledger", async () => {
    const { code, err } = await decode(raw.address);
    expect([code, err]).toEqual([2, expect.stringContaining("name the first with --start-ledger N")]);
  });

  test("ranges that cannot be", async () => {
    const backwards = await decode(SAMPLE.folder, ...range(9, 8));
    expect([backwards.code, backwards.err]).toEqual([2, expect.stringContaining("--end-ledger 8 is before")]);
    const after = await decode(SAMPLE.folder, "--start-ledger", "58752001");
    expect([after.code, after.err]).toEqual([1, expect.stringContaining("--end-ledger 0 beside it waits")]);
    const before = await decode(SAMPLE.folder, "--end-ledger", "5");
    expect([before.code, before.err]).toEqual([
      1,
      expect.stringContaining(`holds ledgers ${SAMPLE.first} to ${SAMPLE.last}, and --end-ledger is 5`),
    ]);
  });

  test("a network that is not the source's", async () => {
    const { code, err } = await decode(raw.address, ...range(SAMPLE.first, SAMPLE.last), "--network-passphrase", "foo");
    expect([code, err]).toEqual([1, expect.stringContaining('not of the network "foo"')]);
  });
});

test("the rows before a cut come before the error, as Arrow too", async () => {
  const { tableFromIPC } = await import("apache-arrow");
  const cut = join(scratch, "cut.xdr");
  writeFileSync(cut, readFileSync(join(scratch, "meta.xdr")).subarray(0, -10));
  const before = linesOf((await decode(SAMPLE.folder, ...range(SAMPLE.first, SAMPLE.last - 1))).out).length;
  expect(linesOf((await decode(cut)).out)).toHaveLength(before);
  const running = beginCommand(["decode", cut, "--format", "arrow"]);
  expect(await running.ended).toBe(1);
  expect(tableFromIPC(running.out()).numRows).toBe(before);
});
