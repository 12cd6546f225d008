/** Exports that many workers write: the bytes are those of one, whatever is killed, and what cannot be done is said. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { COMMANDS } from "../../src/main.ts";
import { cli } from "../cli/harness.ts";
import { contentOf, madeFlags, madeLake, run, SAMPLE_RANGE } from "../export/support.ts";
import { ROOT, SAMPLE } from "../support/processor.ts";
import { backfill, LEASE, rowsOf, spawnWorker, worker } from "./support.ts";

const LEDGERS = 24;
const CHUNKS = 7; // at multiples of four: 1 to 3, 4 to 7, … 24
const scratch = mkdtempSync(join(tmpdir(), "backfill-"));
const place = (name: string): string => join(scratch, name);
const lake = madeLake(LEDGERS);
const MADE = madeFlags(lake, LEDGERS);
const start = (to: string, ...flags: string[]) => backfill("start", place(to), ...MADE, ...LEASE, ...flags);
const work = (to: string, ...flags: string[]) => worker(place(to), lake.folder, ...flags);

beforeAll(async () => {
  expect((await start("alone")).code).toBe(0);
  const alone = await work("alone");
  expect([alone.code, alone.out]).toEqual([0, expect.stringContaining("job 1 is complete")]);
});

afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
  lake[Symbol.dispose]();
});

describe("workers together", () => {
  test("write what one writes, and what export parquet writes", async () => {
    const dry = await start("together", "--dry-run");
    expect([dry.code, dry.out]).toEqual([0, expect.stringContaining(`writes ${CHUNKS} of ${CHUNKS} chunks`)]);
    const begun = await Promise.all([start("together"), start("together"), start("together", "--json")]);
    expect(begun.map(({ code }) => code)).toEqual([0, 0, 0]);
    const workers = await Promise.all(["0", "1", "2"].map((index) => work("together", "--index", index, "--json")));
    for (const { code, err } of workers) expect(code, err).toBe(0);
    const chunks = workers.map(({ out }) => JSON.parse(out).chunks as number);
    expect(chunks.reduce((sum, each) => sum + each)).toBe(CHUNKS);
    expect(Math.min(...chunks)).toBeGreaterThan(0);
    expect(rowsOf(place("together"))).toEqual(rowsOf(place("alone")));
    expect((await run("export", "parquet", ...MADE, "--to", place("exported"))).code).toBe(0);
    const wholes = (path: string) => path.startsWith(join("_export", "wholes"));
    expect(contentOf(place("exported"))).toEqual(
      new Map([...rowsOf(place("alone"))].filter(([path]) => !wholes(path))),
    );
    const verified = await run("export", "verify", "--from", place("together"), "--format", "json");
    const whole = JSON.parse(
      readFileSync(join(place("together"), "_export/wholes/0000000001-0000000024.json"), "utf8"),
    );
    expect([verified.code, JSON.parse(verified.out).digest]).toEqual([0, whole.digest]);
    expect((await backfill("watch", place("together"))).code).toBe(0);
    expect((await start("together")).out).toContain("is there: complete");
    expect((await backfill("cancel", place("together"))).code).toBe(1);
  });

  test("a job goes on behind what an export has written", async () => {
    const part = MADE.with(5, "14");
    expect((await run("export", "parquet", ...part, "--to", place("behind"))).code).toBe(0);
    expect((await start("behind")).out).toContain("of 8 chunks to write"); // the export ends inside a chunk
    expect((await work("behind")).code).toBe(0);
    const [verified, whole] = [await run("export", "verify", "--from", place("behind")), rowsOf(place("behind"))];
    expect([verified.code, verified.out]).toEqual([0, expect.stringContaining("their ledgers follow each other")]);
    expect([...whole.keys()].filter((path) => path.startsWith(join("_export", "wholes"))).length).toBe(1);
  });

  test("killed at any instant, again and again, they leave the same bytes", async () => {
    expect((await start("killed", "--tries", "20")).code).toBe(0);
    const there = () => contentOf(place("killed")).size;
    for (let lives = 0; lives < 2; lives++) {
      const workers = [spawnWorker(place("killed"), lake.folder), spawnWorker(place("killed"), lake.folder)];
      const before = there();
      while (there() < before + 5 && workers.some(({ exitCode }) => exitCode === null)) await Bun.sleep(1);
      for (const each of workers) each.kill("SIGKILL");
      await Promise.all(workers.map(({ exited }) => exited));
    }
    const status = JSON.parse((await backfill("status", place("killed"), "--json")).out);
    expect([status.state, status.taken.length]).toEqual(["open", expect.any(Number)]);
    expect(status.taken.length).toBeGreaterThan(0); // somebody was killed at work
    const ends = await Promise.all([work("killed"), work("killed")]);
    for (const { code, err } of ends) expect(code, err).toBe(0);
    expect(rowsOf(place("killed"))).toEqual(rowsOf(place("alone")));
  }, 60_000);
});

describe("what cannot be done", () => {
  test("a damaged ledger: its chunk is set aside with the reason, and done once the ledger is mended", async () => {
    const broken = place("broken-lake");
    cpSync(lake.folder, broken, { recursive: true });
    const file = lake.pathOf(10).replace(lake.folder, broken);
    const sound = readFileSync(file);
    cpSync(lake.pathOf(9), file);
    expect((await start("aside", "--tries", "2")).code).toBe(0);
    const ended = await worker(place("aside"), broken);
    expect([ended.code, ended.out]).toEqual([1, expect.stringContaining(`1 of ${CHUNKS} chunks were set aside`)]);
    const status = JSON.parse((await backfill("status", place("aside"), "--json")).out);
    expect(status).toMatchObject({ state: "incomplete", chunks_there: CHUNKS - 1, ledgers: 24, ledgers_there: 20 });
    expect(status.set_aside).toMatchObject([
      { chunk: "0000000008-0000000011", tries: 2, reason: "LEDGER_OUT_OF_STEP" },
    ]);
    expect((await backfill("status", place("aside"))).out).toContain("0000000008-0000000011 after 2 tries");
    expect((await backfill("watch", place("aside"))).code).toBe(1);
    const refused = await start("aside");
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("--again begins a new one")]);
    expect((await start("aside", "--again")).out).toContain(`job 2 is begun: 1 of ${CHUNKS}`);
    writeFileSync(file, sound);
    expect((await worker(place("aside"), broken)).code).toBe(0);
    expect(rowsOf(place("aside"))).toEqual(rowsOf(place("alone")));
  });

  test("a worker with another network's source ends alone, and costs the chunk nothing", async () => {
    const flags = [...SAMPLE_RANGE, "--source", SAMPLE.folder, ...LEASE, "--tries", "1"];
    const named = [...flags, "--network-passphrase", "another network"];
    expect((await backfill("start", place("network"), ...named)).code).toBe(0);
    const wrong = await worker(place("network"), SAMPLE.folder);
    expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining("not of the network")]);
    const status = JSON.parse((await backfill("status", place("network"), "--json")).out);
    expect([status.state, status.set_aside, status.taken, status.workers]).toEqual(["open", [], [], []]);
    const short = await worker(place("network"), lake.folder);
    expect([short.code, short.err]).toEqual([1, expect.stringContaining(`is ${LEDGERS}: end there`)]);
  });

  test("ledgers that do not follow each other leave the job incomplete", async () => {
    const source = `repeat:${SAMPLE.folder}`; // which begins a chain of its own with each chunk
    const range = ["--start-ledger", "58752001", "--end-ledger", "58752004", "--chunk-ledgers", "2"];
    expect((await backfill("start", place("chain"), "--source", source, ...range)).code).toBe(0);
    const ended = await worker(place("chain"), source);
    expect([ended.code, ended.out]).toEqual([1, expect.stringContaining("ledger 58752002 follows")]);
  });

  test("a manifest of the whole that was changed is found", async () => {
    cpSync(place("alone"), place("changed"), { recursive: true });
    const whole = join(place("changed"), "_export/wholes/0000000001-0000000024.json");
    writeFileSync(whole, readFileSync(whole, "utf8").replace(/"rows": \d+/, '"rows": 7'));
    const verified = await run("export", "verify", "--from", place("changed"));
    expect([verified.code, verified.out]).toEqual([
      1,
      expect.stringContaining("it does not follow from the manifests"),
    ]);
  });
});

describe("a job", () => {
  test("that is cancelled ends its workers, and begins anew only when it is asked to", async () => {
    expect((await start("cancelled")).code).toBe(0);
    const other = await backfill("start", place("cancelled"), ...MADE.with(5, "12"));
    expect([other.code, other.err]).toEqual([1, expect.stringContaining("job 1 of ledgers 1 to 24 is under way")]);
    expect((await backfill("cancel", place("cancelled"), "--json")).out).toContain('"cancelled"');
    const ended = await work("cancelled");
    expect([ended.code, ended.out]).toEqual([1, expect.stringContaining("job 1 is cancelled")]);
    expect((await start("cancelled")).code).toBe(1);
    expect((await start("cancelled", "--again")).code).toBe(0);
    expect((await work("cancelled")).code).toBe(0);
    expect(rowsOf(place("cancelled"))).toEqual(rowsOf(place("alone")));
  });

  test("is given back by a worker that is interrupted, at once and at no cost", async () => {
    expect((await start("interrupted", "--tries", "1")).code).toBe(0);
    const interrupt = new AbortController();
    const argv = ["worker", "--to", place("interrupted"), "--source", lake.folder];
    const running = cli(argv, COMMANDS, {}, { interrupt: interrupt.signal });
    while (!(await backfill("status", place("interrupted"))).out.includes("in hand")) await Bun.sleep(1);
    interrupt.abort();
    const ended = await running;
    expect([ended.code, ended.err]).toEqual([130, expect.stringContaining("given back")]);
    expect((await work("interrupted")).code).toBe(0);
    expect(rowsOf(place("interrupted"))).toEqual(rowsOf(place("alone")));
  });

  test("has to be there, and so has a source", async () => {
    expect(await work("nothing")).toMatchObject({ code: 2, err: expect.stringContaining("there is no export") });
    const none = await backfill("status", place("exported"));
    expect([none.code, none.err]).toEqual([2, expect.stringContaining("there is no job")]);
    const away = await cli(["worker", "--to", place("alone")], COMMANDS);
    expect([away.code, away.err]).toEqual([2, expect.stringContaining("SOURCE_ENDPOINT is not set")]);
    const index = await cli(["worker", "--to", place("alone"), "--source", lake.folder], COMMANDS, {
      JOB_COMPLETION_INDEX: "x",
    });
    expect([index.code, index.err]).toEqual([2, expect.stringContaining('JOB_COMPLETION_INDEX is "x"')]);
  });
});

describe("as it is written down", () => {
  test("docs/backfill.md: its commands, line by line", async () => {
    const [, block] = /^```sh\n([\s\S]*?)^```/m.exec(readFileSync(join(ROOT, "docs", "backfill.md"), "utf8"))!;
    const outs: string[] = [];
    for (const line of block!.trim().split("\n")) {
      const [, ...words] = line.split(" ");
      const argv = words.map((word) => (word === "rows" ? place("page") : word.replace("sample/lake", SAMPLE.folder)));
      const { code, out, err } = await cli(argv, COMMANDS);
      expect(code, err).toBe(0);
      outs.push(out);
    }
    expect(outs.join("")).toMatch(/job 1 is begun: [\s\S]* is complete: [\s\S]*complete and as they were written/);
  });

  test("deploy/kubernetes/backfill.yaml: each pod's commands, with its index", async () => {
    const parts = readFileSync(join(ROOT, "deploy", "kubernetes", "backfill.yaml"), "utf8").split("\n---\n");
    const [map, , job] = parts.map((part) => Bun.YAML.parse(part)) as [
      { data: Record<string, string> },
      unknown,
      IndexedJob,
    ];
    expect(Object.keys(map.data)).toEqual(["SOURCE_ENDPOINT", "BACKFILL_PLACE", "BACKFILL_FIRST", "BACKFILL_LAST"]);
    const [from, to] = [String(SAMPLE.first), String(SAMPLE.last)];
    const env: Record<string, string> = {
      ...{ SOURCE_ENDPOINT: SAMPLE.folder, BACKFILL_PLACE: place("pods"), BACKFILL_FIRST: from, BACKFILL_LAST: to },
    };
    const { initContainers, containers } = job.spec.template.spec;
    const pods = Array.from({ length: job.spec.completions }, async (_, index) => {
      for (const { args } of [...initContainers, ...containers]) {
        const argv = args.map((word) => word.replace(/^\$\((\w+)\)$/, (_whole, name: string) => env[name]!));
        const { code, err } = await cli(argv, COMMANDS, { ...env, JOB_COMPLETION_INDEX: String(index) });
        expect(code, err).toBe(0);
      }
    });
    await Promise.all(pods);
    expect((await run("export", "verify", "--from", place("pods"))).code).toBe(0);
  });
});

interface IndexedJob {
  spec: {
    completions: number;
    template: { spec: { initContainers: { args: string[] }[]; containers: { args: string[] }[] } };
  };
}
