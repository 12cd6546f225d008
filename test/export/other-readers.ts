/**
 * Readers of an export that take long to install: Spark, which reads the files as they are, whatever they are partitioned by, and
 * DuckLake, as docs/analytics.md has it.
 *
 *   bun test/export/other-readers.ts
 */
import { expect } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { analyticsPython, otherReadersPython, runClient } from "../clients/toolchain.ts";
import { ROOT, SAMPLE } from "../support/processor.ts";
import { exportSample } from "./support.ts";

type Row = [of: string, cells: Record<string, unknown>];

const scripts = join(ROOT, "test", "clients", "python");
const scratch = mkdtempSync(join(tmpdir(), "export-readers-"));
const places = [join(scratch, "rows"), join(scratch, "by-contract")];
try {
  const [analytics, readers] = [await analyticsPython(), await otherReadersPython()];
  for (const { missing } of [analytics, readers]) if (missing !== undefined) throw new Error(missing);
  expect((await exportSample(places[0]!)).code).toBe(0);
  expect((await exportSample(places[1]!, "--partition-by", "contract")).code).toBe(0);
  await spark(analytics.command![0]!, readers.command![0]!);
  ducklake(readers.command![0]!);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

async function spark(analytics: string, python: string): Promise<void> {
  const rows = async (...command: string[]): Promise<Row[]> => {
    const { exitCode, results, stderr } = await runClient<Row>({ command }, []);
    expect(exitCode, stderr).toBe(0);
    return results;
  };
  const sorted = (all: readonly Row[], of: string): string[] =>
    all.flatMap(([name, cells]) => (name === of ? [JSON.stringify(Object.entries(cells).sort())] : [])).sort();
  const files = join(places[0]!, "*.parquet");
  const expected = sorted(await rows(analytics, join(scripts, "parquet_check.py"), "rows", files), "pyarrow");
  expect(expected.length).toBe(SAMPLE.rows);
  const read = await rows(python, join(scripts, "spark_check.py"), ...places);
  for (const place of places) expect(sorted(read, place)).toEqual(expected);
  console.log(`Spark has read ${SAMPLE.rows} rows from each of ${places.length} exports, all as pyarrow has them`);
}

/** Its extension lies where `install` would have put it. */
function ducklake(python: string): void {
  const home = dirname(dirname(python));
  const [extension] = new Bun.Glob("lib/*/site-packages/duckdb_ext/extensions/*/*/ducklake.duckdb_extension").scanSync(
    home,
  );
  const [version, platform] = extension!.split("/").slice(-3);
  const installed = join(scratch, ".duckdb", "extensions", version!, platform!, "ducklake.duckdb_extension");
  cpSync(join(home, extension!), installed);
  const page = readFileSync(join(ROOT, "docs", "analytics.md"), "utf8");
  const block = [...page.matchAll(/```python\n([\s\S]*?)```/g)].find(([, code]) => code!.includes("ducklake"))![1]!;
  const { stdout, stderr } = Bun.spawnSync([python, "-c", block], {
    cwd: scratch,
    env: { ...process.env, HOME: scratch },
    stderr: "pipe",
  });
  expect([stderr.toString(), stdout.toString()]).toEqual(["", `[(${SAMPLE.rows}, 249, Decimal('4002027568'))]\n`]);
  console.log(`DuckLake has ${SAMPLE.rows} rows without a copy`);
}
