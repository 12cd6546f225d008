/** Every block of code of README and docs is run by a test, or says beside it why not: `<!-- not run: … -->`. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Processor, ROOT, SAMPLE, startProcessor } from "../support/processor.ts";

/** The tests that run the blocks of a page; each names the page. */
const RUN_BY: Record<string, string[]> = {
  "README.md": ["test/docs/captured.test.ts", "test/e2e/readme.test.ts", "test/library/library.test.ts"],
  "docs/analytics.md": ["test/export/analytics.test.ts"],
  "docs/backfill.md": ["test/backfill/backfill.test.ts"],
  "docs/clients.md": ["test/e2e/python-package.test.ts", "test/e2e/examples.test.ts"],
  "docs/cluster.md": ["test/cluster/page.test.ts"],
  "docs/flight.md": ["test/e2e/readme.test.ts"],
  "docs/http.md": ["test/docs/blocks.test.ts"],
  "docs/operations.md": ["test/e2e/readme.test.ts", "test/e2e/load-balancer.test.ts"],
  "docs/security.md": ["test/e2e/security-page.test.ts"],
  "docs/sinks.md": ["test/sinks/consume.test.ts", "test/sinks/postgres.test.ts", "test/sinks/ttl.test.ts"],
};
const BLOCK = /^```(\w+)\n([\s\S]*?)^```\n(<!-- not run: .+ -->)?/gm;

const read = (page: string) => readFileSync(join(ROOT, page), "utf8");
const pages = ["README.md", ...[...new Bun.Glob("docs/*.md").scanSync({ cwd: ROOT })].sort()];

test.each(pages)("%s", (page) => {
  const unmarked = [...read(page).matchAll(BLOCK)].filter(([, , , mark]) => mark === undefined);
  if (unmarked.length === 0) return expect(RUN_BY[page]).toBeUndefined();
  expect(RUN_BY[page], `${unmarked.length} blocks are neither run nor marked`).toBeDefined();
  for (const file of RUN_BY[page]!) {
    expect([file, existsSync(join(ROOT, file))]).toEqual([file, true]);
    expect([file, read(file).includes(page.replace("docs/", ""))]).toEqual([file, true]);
  }
});

let processor: Processor;
beforeAll(async () => {
  const range = [`--start-ledger=${SAMPLE.first}`, `--end-ledger=${SAMPLE.last}`];
  processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`, ...range]);
});
afterAll(() => processor.stop());

test.if(Bun.which("curl") !== null)("docs/http.md: curl, line by line", async () => {
  const [, , code] = [...read("docs/http.md").matchAll(BLOCK)].find(([, language]) => language === "sh")!;
  const status = await (await fetch(`http://${processor.http}/status.json`)).json();
  const id = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/.exec(JSON.stringify(status))![0];
  for (const line of code!.trim().split("\n")) {
    const command = line.replace("127.0.0.1:8089", processor.http).replace("<id>", id);
    const { exitCode, stdout } = Bun.spawnSync(["sh", "-c", `${command} --silent --show-error --fail`]);
    expect([line, exitCode]).toEqual([line, 0]);
    expect([line, stdout.toString().includes("ledger_sequence")]).toEqual([line, true]);
  }
});
