/** Exports of Parquet files: their rows are the oracle's, their bytes always the same, and what is wrong is found. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FlightClient } from "../../src/flight-client/client.ts";
import { analyticsPython } from "../clients/toolchain.ts";
import { readGolden } from "../support/goldens.ts";
import { PROGRAM, type Processor, ROOT, SAMPLE, startProcessor } from "../support/processor.ts";
import { contentOf, exportSample, madeFlags, madeLake, run, SAMPLE_RANGE } from "./support.ts";

const SCRIPT = join(ROOT, "test", "clients", "python", "parquet_check.py");
const LEDGERS_MADE = 24;
const LIVES = Number(process.env.EXPORT_LIVES ?? 3);
const KILLS_MS_MAX = 20_000 + LIVES * 10_000;
const scratch = mkdtempSync(join(tmpdir(), "export-"));
const place = (name: string): string => join(scratch, name);
const python = await analyticsPython();
if (python.missing !== undefined) console.warn(`skipping readers of Parquet: ${python.missing}`);

const lake = madeLake(LEDGERS_MADE);
const MADE = madeFlags(lake, LEDGERS_MADE);
const exportMade = (to: string, ...flags: string[]) => run("export", "parquet", ...MADE, "--to", place(to), ...flags);
let processor: Processor;

beforeAll(async () => {
  processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`]);
  expect((await exportSample(place("sample"))).code).toBe(0);
  expect((await exportMade("made")).code).toBe(0);
});

afterAll(async () => {
  rmSync(scratch, { recursive: true, force: true });
  lake[Symbol.dispose]();
  expect(await processor.stop()).toBe(0);
});

async function pythonRows(pattern: string): Promise<Map<string, Record<string, unknown>[]>> {
  const child = Bun.spawn([...python.command!, SCRIPT, "rows", pattern], { stdout: "pipe", stderr: "pipe" });
  const [out, err] = [await new Response(child.stdout).text(), await new Response(child.stderr).text()];
  expect(await child.exited, err).toBe(0);
  const rows = new Map<string, Record<string, unknown>[]>();
  for (const line of out.trim().split("\n")) {
    const [reader, row] = JSON.parse(line) as [string, Record<string, unknown>];
    rows.set(reader, [...(rows.get(reader) ?? []), row]);
  }
  return rows;
}

/** As the script prints values. */
function printed(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (value === null || value === undefined || typeof value === "boolean") return value ?? null;
  return String(value);
}

describe("rows", () => {
  test.skipIf(python.missing !== undefined)(
    "pyarrow, DuckDB and Polars read every column as Flight gives it, and the oracle's rows",
    async () => {
      const client = new FlightClient(processor.flight);
      const ticket = {
        start_ledger: SAMPLE.first,
        end_ledger: SAMPLE.last,
        schema_version: 2,
        filters: { include_deleted: true },
      };
      const ours: Record<string, unknown>[] = [];
      for await (const { table } of client.doGet(Buffer.from(JSON.stringify(ticket)))) {
        for (const row of table) {
          const cells = Object.entries(row.toJSON()).map(([name, value]) => {
            if (name === "balance") return [name, printed(row.balance_text)]; // of at most 38 digits here
            return [name, name === "closed_at" ? String(Number(value) * 1000) : printed(value)];
          });
          ours.push(Object.fromEntries(cells));
        }
      }
      client.close();
      expect(ours.length).toBe(SAMPLE.rows);
      const read = await pythonRows(join(place("sample"), "*.parquet"));
      expect([...read.keys()].sort()).toEqual(["duckdb", "polars", "pyarrow"]);
      for (const [reader, rows] of read) expect(rows, reader).toEqual(ours);
      const golden = readGolden(join(ROOT, "sample", "lake.tsv")).map((row) => [
        row[0],
        row[6],
        row[16],
        row[17],
        row[18],
        row[19],
      ]);
      const columns = ["ledger_sequence", "contract_id", "deleted", "ledger_key_hash", "key_xdr", "val_xdr"];
      expect(read.get("duckdb")!.map((row) => columns.map((name) => String(row[name] ?? "")))).toEqual(
        golden as string[][],
      );
    },
  );

  test("a server's files and manifests are the same bytes", async () => {
    const served = await run(
      "export",
      "parquet",
      "--address",
      processor.flight,
      ...SAMPLE_RANGE,
      "--to",
      place("served"),
    );
    expect(served.code, served.err).toBe(0);
    const [ours, theirs] = [contentOf(place("sample")), contentOf(place("served"))];
    expect([...theirs.keys()]).toEqual([...ours.keys()]);
    for (const [name, bytes] of theirs) expect(bytes === ours.get(name), name).toBe(true);
    const verified = await run("export", "verify", "--from", place("served"));
    expect([verified.code, verified.out]).toEqual([0, expect.stringContaining("and their ledgers follow each other;")]);
  });

  test.skipIf(python.missing !== undefined)("by contract, the same rows lie in 16 folders", async () => {
    expect((await exportMade("by-contract", "--partition-by", "contract")).code).toBe(0);
    const folders = readdirSync(place("by-contract")).filter((name) => name.startsWith("contracts="));
    expect(folders.length).toBeGreaterThan(8);
    const key = (row: Record<string, unknown>) => JSON.stringify(row);
    const parts = (await pythonRows(join(place("by-contract"), "*", "*.parquet"))).get("polars")!;
    const whole = (await pythonRows(join(place("made"), "*.parquet"))).get("polars")!;
    expect(parts.map(key).sort()).toEqual(whole.map(key).sort());
    const manifests = [...contentOf(place("by-contract"))].filter(([name]) => name.startsWith("_export/chunks/"));
    const files = manifests.flatMap(([, bytes]) => JSON.parse(Buffer.from(bytes, "base64").toString()).files);
    for (const folder of folders) {
      const [, least, most] = /=(...)-(...)$/.exec(folder)!;
      const isHere = (prefix: string) => prefix >= least! && prefix <= most!;
      const expected = whole.filter((row) => isHere(String(row.contract_id).slice(0, 3))).length;
      const own = files.filter(({ name }: { name: string }) => name.startsWith(`${folder}/`));
      expect(
        own.reduce((sum: number, { rows }: { rows: number }) => sum + rows, 0),
        folder,
      ).toBe(expected);
    }
    expect((await run("export", "verify", "--from", place("by-contract"))).code).toBe(0);
  });
});

describe("the same again", () => {
  test("changes nothing, and says so", async () => {
    const before = contentOf(place("made"));
    const again = await exportMade("made");
    expect([again.code, again.err]).toEqual([0, ""]);
    expect(again.out).toContain("7 chunks, 0 written now");
    expect(contentOf(place("made"))).toEqual(before);
  });

  test("parts of a range in any order hold each ledger once", async () => {
    for (const [first, last] of [
      [9, 14],
      [3, 10],
      [1, LEDGERS_MADE],
    ]) {
      const range = ["--start-ledger", String(first), "--end-ledger", String(last), "--chunk-ledgers", "4"];
      const part = await run("export", "parquet", "--source", lake.folder, ...range, "--to", place("parts"));
      expect(part.code, part.err).toBe(0);
    }
    const verified = await run("export", "verify", "--from", place("parts"), "--format", "json");
    const whole = await run("export", "verify", "--from", place("made"), "--format", "json");
    expect([verified.code, verified.out.split("\n").length]).toEqual([0, 2]);
    expect(JSON.parse(verified.out).rows).toBe(JSON.parse(whole.out).rows);
    expect(JSON.parse(verified.out).isChained).toBe(true);
  });

  test("two exporters at once to the same place agree", async () => {
    const narrow = ["--start-ledger", "5", "--end-ledger", "18", "--chunk-ledgers", "4", "--source", lake.folder];
    const ends = await Promise.all([
      exportMade("shared"),
      run("export", "parquet", ...narrow, "--to", place("shared")),
      exportMade("shared"),
    ]);
    for (const { code, err } of ends) expect(code, err).toBe(0);
    const verified = await run("export", "verify", "--from", place("shared"), "--format", "json");
    const whole = await run("export", "verify", "--from", place("made"), "--format", "json");
    expect(verified.code, verified.out).toBe(0);
    expect(JSON.parse(verified.out).rows).toBe(JSON.parse(whole.out).rows);
  });

  test(
    "SIGKILL at any instant, and the same command gives the same bytes",
    async () => {
      const main = [...PROGRAM, "export", "parquet", ...MADE, "--to", place("killed")];
      const count = () => {
        try {
          return readdirSync(place("killed")).length;
        } catch {
          return 0;
        }
      };
      let kills = 0;
      for (let lives = 0; lives < LIVES; lives++) {
        const child = Bun.spawn(main, { cwd: ROOT, stdout: "ignore", stderr: "ignore" });
        const before = count();
        while (child.exitCode === null && count() === before) await Bun.sleep(0); // a file has come, or a part of one
        await Bun.sleep(Math.random() * 20); // any instant of the next files
        child.kill("SIGKILL");
        if ((await child.exited) === 0) break;
        kills += 1;
      }
      expect(kills).toBeGreaterThan(1);
      expect((await exportMade("killed")).code).toBe(0);
      expect(contentOf(place("killed"))).toEqual(contentOf(place("made")));
      expect((await run("export", "verify", "--from", place("killed"))).code).toBe(0);
    },
    KILLS_MS_MAX,
  );

  test("an interrupted export says how to go on, and leaves no half chunk", async () => {
    const interrupt = new AbortController();
    interrupt.abort();
    const { cli } = await import("../cli/harness.ts");
    const { COMMANDS } = await import("../../src/main.ts");
    const ended = await cli(
      ["export", "parquet", ...MADE, "--to", place("cut")],
      COMMANDS,
      {},
      { interrupt: interrupt.signal },
    );
    expect([ended.code, ended.err]).toEqual([130, expect.stringContaining("the same command goes on")]);
    expect((await exportMade("cut")).code).toBe(0);
    expect(contentOf(place("cut"))).toEqual(contentOf(place("made")));
  });
});

describe("a place that cannot be used is refused with one sentence, and stays as it is", () => {
  test.each([
    ["a file", (to: string) => writeFileSync(to, "mine"), "it is no folder"],
    ["below a file", (to: string) => writeFileSync(to, "mine"), "is no folder", "rows"],
    [
      "a folder with other files",
      (to: string) => {
        mkdirSync(to);
        writeFileSync(join(to, "mine.txt"), "mine");
      },
      'it holds other things, such as "mine.txt"',
    ],
    [
      "a folder with another export",
      (to: string) => cpSync(place("made"), to, { recursive: true }),
      "its network_passphrase is|its chunk_ledgers is",
    ],
  ] as [string, (to: string) => void, string, string?][])("%s", async (name, make, sentence, below = "") => {
    const to = place(`refused ${name}`);
    make(to);
    const before = name.startsWith("a folder") ? contentOf(to) : readFileSync(to, "utf8");
    const refused = await exportSample(join(to, below));
    expect(refused.code, refused.out).toBe(2);
    expect(refused.err.trim().split("\n").length).toBe(1);
    expect(refused.err).toMatch(new RegExp(sentence));
    expect(name.startsWith("a folder") ? contentOf(to) : readFileSync(to, "utf8")).toEqual(before);
  });

  test("one without room: what was committed stays, and no half file", async () => {
    const full = place("full");
    const command = [...PROGRAM, "export", "parquet", ...MADE, "--to", full];
    // a limit of the process stands in for a full disk: 8 KiB a file are room for the manifests, and for no Parquet file
    const shell = ["bash", "-c", 'trap "" XFSZ; ulimit -f 8; exec "$@"', "bash", ...command];
    const child = Bun.spawn(shell, { cwd: ROOT, stdout: "pipe", stderr: "pipe", env: { ...process.env, CI: "" } });
    const err = await new Response(child.stderr).text();
    expect([await child.exited, err.trim().split("\n").length]).toEqual([2, 1]);
    expect(err).toMatch(/do not fit there \(E\w+\): make room/);
    expect([...contentOf(full).keys()].filter((name) => name.endsWith(".parquet"))).toEqual([]);
    expect((await exportMade("full")).code).toBe(0);
    expect(contentOf(full)).toEqual(contentOf(place("made")));
  });

  test("a dry run, a range the wrong way round, two places to read", async () => {
    const dry = await exportMade("dry", "--dry-run");
    expect([dry.code, dry.out]).toEqual([0, expect.stringContaining("writes 7 of 7 chunks")]);
    expect(readdirSync(scratch)).not.toContain("dry");
    const there = await exportMade("made", "--dry-run");
    expect(there.out).toContain("writes 0 of 7 chunks");
    const backwards = await run(
      "export",
      "parquet",
      "--source",
      lake.folder,
      "--start-ledger",
      "9",
      "--end-ledger",
      "8",
      "--to",
      "x",
    );
    expect([backwards.code, backwards.err]).toEqual([2, expect.stringContaining("is before --start-ledger 9")]);
    const both = await exportMade("both", "--address", processor.flight);
    expect([both.code, both.err]).toEqual([2, expect.stringContaining("two places to read")]);
    const past = await run("export", "parquet", ...MADE.with(5, String(LEDGERS_MADE + 1)), "--to", place("past"));
    expect([past.code, past.err]).toEqual([1, expect.stringContaining(`is ${LEDGERS_MADE}: end there`)]);
    const away = await run("export", "parquet", "--address", "127.0.0.1:1", ...SAMPLE_RANGE, "--to", place("away"));
    expect([away.code, away.err]).toEqual([1, expect.stringContaining("127.0.0.1:1")]);
    expect(readdirSync(scratch).filter((name) => ["past", "away"].includes(name))).toEqual([]);
    const none = await run("export", "verify", "--from", place("nothing"));
    expect([none.code, none.err]).toEqual([2, expect.stringContaining("there is no export")]);
    const web = await exportSample("https://host/place");
    expect([web.code, web.err]).toEqual([2, expect.stringContaining("no place for an export")]);
  });
});
