/** The consumer loop with sinks that fail, and the examples of docs/sinks.md as they are printed. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CodedError } from "../../src/error.ts";
import { type ConsumeOptions, consume } from "../../src/sinks/consume.ts";
import type { Sink } from "../../src/sinks/sink.ts";
import { pythonClient } from "../clients/toolchain.ts";
import { madeLake } from "../export/support.ts";
import { failureOf } from "../support/failure.ts";
import { type Processor, ROOT, SAMPLE, startProcessor } from "../support/processor.ts";
import { differenceOf, foldProblem } from "../support/sink-kill-run.ts";

const SELECTION = {
  ...{ start_ledger: Number(SAMPLE.first), end_ledger: Number(SAMPLE.last), batch_size: 20 },
  filters: { include_deleted: true },
};
let processor: Processor;

beforeAll(async () => {
  processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`]);
});

afterAll(async () => {
  expect(await processor.stop()).toBe(0);
});

/** Keeps rows in memory; `fail` is asked before each write and commit. */
class MemorySink implements Sink {
  rows: string[] = [];
  cursor: string | undefined;
  opened = 0;
  private waiting: string[] = [];

  constructor(private readonly fail: (step: "open" | "write" | "commit") => Error | undefined = () => undefined) {}

  async open(): Promise<string | undefined> {
    this.opened += 1;
    this.check("open");
    return this.cursor;
  }

  write({ table }: Parameters<Sink["write"]>[0]): void {
    this.check("write");
    for (const row of table) this.waiting.push(JSON.stringify(row.toJSON().ledger_key_hash));
  }

  commit(cursor: string): void {
    this.check("commit");
    this.rows.push(...this.waiting.splice(0));
    this.cursor = cursor;
  }

  close(): void {
    this.waiting = [];
  }

  private check(step: "open" | "write" | "commit"): void {
    const error = this.fail(step);
    if (error !== undefined) throw error;
  }
}

const away = () => new CodedError("UNAVAILABLE", "SINK_AWAY", "the database is away");
const run = (sink: Sink, options: Partial<ConsumeOptions> = {}) =>
  consume({ address: processor.flight, selection: SELECTION, sink, commitRows: 50, ...options });

describe("consume", () => {
  test("a sink that fails again and again loses and doubles nothing", async () => {
    const whole = new MemorySink();
    expect(await run(whole)).toMatchObject({ rows: 311, retries: 0 });
    let step = 0;
    const failing = new MemorySink(() => (++step % 7 === 3 ? away() : undefined));
    const waits: number[] = [];
    const result = await run(failing, { onRetry: (_, waitMs) => waits.push(waitMs) });
    expect(failing.rows).toEqual(whole.rows);
    expect(result.retries).toBe(waits.length);
    expect(waits.length).toBeGreaterThan(2);
  }, 60_000);

  test("what time does not mend is thrown, and so is the first failure, and one too many", async () => {
    const full = new MemorySink((step) =>
      step === "commit" ? new CodedError("DATA_LOSS", "SINK_DAMAGED", "x") : undefined,
    );
    expect((await failureOf(run(full))).reason).toBe("SINK_DAMAGED");
    expect((await failureOf(run(new MemorySink((step) => (step === "open" ? away() : undefined))))).reason).toBe(
      "SINK_AWAY",
    );
    const never = new MemorySink((step) => (step === "commit" ? away() : undefined));
    const { reason, message } = await failureOf(run(never, { retriesMax: 1 }));
    expect([reason, message]).toEqual([
      "SINK_AWAY",
      expect.stringContaining("given up after 2 failures with no commit"),
    ]);
    expect([never.opened, never.rows]).toEqual([2, []]);
  });

  test("an abort commits what has come, also while nothing comes", async () => {
    const abort = new AbortController();
    const sink = new MemorySink();
    const result = await run(sink, {
      selection: { ...SELECTION, end_ledger: 0 }, // the lake has no more: it waits
      commitIntervalMs: 20,
      signal: abort.signal,
      onCommit: ({ rowsTotal }) => {
        if (rowsTotal === 311) abort.abort();
      },
    });
    expect([result.rows, sink.rows.length]).toEqual([311, 311]);
  });

  test("a thousand rows are committed once no more come", async () => {
    using lake = madeLake(80); // some 1,400 rows, and then it waits
    const server = await startProcessor([`--source-endpoint=${lake.folder}`]);
    const abort = new AbortController();
    const commits: number[] = [];
    await consume({
      ...{ address: server.flight, sink: new MemorySink(), commitIntervalMs: 600_000, signal: abort.signal },
      selection: { start_ledger: 1, end_ledger: 0, batch_size: 200, filters: { include_deleted: true } },
      onCommit({ rows }) {
        commits.push(rows);
        abort.abort();
      },
    });
    expect(commits[0]).toBeGreaterThanOrEqual(1000);
    expect(await server.stop()).toBe(0);
  });

  test("a server that nobody runs is said at once", async () => {
    expect((await failureOf(run(new MemorySink(), { address: "127.0.0.1:1" }))).code).toBe("UNAVAILABLE");
  });
});

describe("docs/sinks.md", () => {
  const page = readFileSync(join(ROOT, "docs", "sinks.md"), "utf8");
  const code = (language: string) =>
    new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, "s").exec(page)![1]!.replaceAll("127.0.0.1:8816", processor.flight);
  const folder = mkdtempSync(join(tmpdir(), "contract-data-sinks-page-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("the sink of 20 lines", async () => {
    mkdirSync(join(folder, "node_modules"));
    symlinkSync(ROOT, join(folder, "node_modules", "contract-data-processor"));
    writeFileSync(join(folder, "counts.mjs"), code("js"));
    expect(code("js").trim().split("\n").length).toBeLessThanOrEqual(24);
    for (const rows of [311, 0]) {
      const child = Bun.spawn([process.execPath, "counts.mjs"], { cwd: folder, stdout: "pipe", stderr: "pipe" });
      const [stdout, stderr] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ]);
      expect([await child.exited, stderr]).toEqual([0, ""]);
      expect(stdout).toContain(`rows: ${rows},`);
    }
    const { rows } = JSON.parse(readFileSync(join(folder, "counts.json"), "utf8"));
    expect(Object.values<number>(rows).reduce((sum, count) => sum + count, 0)).toBe(311);
  });

  test("the Python program", async () => {
    const python = await pythonClient();
    if (python.command === undefined) return console.warn(`skipped: ${python.missing}`);
    for (let time = 0; time < 2; time++) {
      const child = Bun.spawn([python.command[0]!, "-c", code("python")], {
        cwd: folder,
        stdout: "pipe",
        stderr: "pipe",
      });
      const [stdout, stderr] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ]);
      expect(await child.exited, stderr).toBe(0);
      expect(stdout).toBe("(299, 1)\n");
    }
  });
});

test("the check of the kill runs finds a lost row, a doubled one, and a wrong state", () => {
  const row = (ledger: number, hash: string) => ({ ledger, order: 1, index: 0, hash, deleted: false });
  const golden = new Map([[1, [{ contract: "C", deleted: false, hash: "a" }]]]);
  expect(differenceOf([row(1, "a")], golden)).toBeUndefined();
  expect(differenceOf([], golden)).toContain("ledger 1 has 0 rows");
  expect(differenceOf([row(1, "a"), row(1, "a")], golden)).toContain("ledger 1 has 2 rows");
  expect(differenceOf([row(1, "a"), row(2, "a")], golden)).toContain("ledger 2 has 1 rows");
  const entries = [row(1, "a"), row(2, "a")];
  expect(foldProblem(entries, [row(2, "a")])).toBeUndefined();
  expect(foldProblem(entries, [row(1, "a")])).toContain("and the fold");
  expect(foldProblem(entries, [])).toContain("0 entries");
});
