/** examples/python and the snippet of docs/clients.md, installed by path as a stranger would: every row once, though connections are cut; frames of others take it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pythonInterpreter } from "../clients/toolchain.ts";
import { CutProxy } from "../support/cut-proxy.ts";
import { type Processor, ROOT, SAMPLE, startProcessor } from "../support/processor.ts";

const scratch = mkdtempSync(join(tmpdir(), "contract-data-python-"));
const proxy = await CutProxy.listen();
let processor: Processor;
beforeAll(async () => {
  processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`]);
  proxy.leadTo(processor.flight);
});
afterAll(async () => {
  proxy.close();
  await processor.stop();
  rmSync(scratch, { recursive: true, force: true });
});

const PROGRAM = `
import sys, duckdb, contract_data
address = "grpc://" + sys.argv[1]
keys, cursor, cuts = [], "start", 0
for batch in contract_data.stream(address, start_ledger=58751994, end_ledger=58752000, batch_size=7, filters={"include_deleted": True}):
    keys += [tuple(row.values()) for row in batch.rows.select(["ledger_sequence", "transaction_order", "change_index"]).to_pylist()]
    if len(keys) % 20 == 0:
        print("cut", flush=True)
        sys.stdin.readline()
print("rows", len(keys), len(set(keys)), batch.ledger_complete, keys == sorted(keys))
rows = contract_data.read(address, start_ledger=58751994, end_ledger=58752000)
print("table", rows.num_rows, duckdb.sql("select count(*) from rows").fetchall()[0][0])
rest = contract_data.read(address, start_ledger=58751994, end_ledger=58752000, cursor=batch.cursor, filters={"include_deleted": True}, batch_size=7)
print("rest", rest.num_rows)
try:
    contract_data.read(address, start_ledger=0, end_ledger=1)
except Exception as error:
    print(type(error).__name__)
`;

test("installed by path, it reads every row once across cut connections", async () => {
  const { command, missing } = await pythonInterpreter();
  if (command === undefined) return console.warn(`skipped: ${missing}`);
  const target = join(scratch, "site");
  const pip = [...command, "-m", "pip", "install", "--quiet", "--no-deps", "--target", target];
  const sources = join(scratch, "python"); // pip builds where the sources are
  cpSync(join(ROOT, "examples", "python"), sources, { recursive: true });
  const installed = Bun.spawnSync([...pip, sources], { stderr: "pipe" });
  expect([installed.exitCode, installed.exitCode === 0 ? "" : installed.stderr.toString()]).toEqual([0, ""]);

  const child = Bun.spawn([...command, "-c", PROGRAM, proxy.address], {
    env: { ...process.env, PYTHONPATH: target },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  const said: string[] = [];
  let cuts = 0;
  let rest = "";
  for await (const chunk of child.stdout) {
    rest += Buffer.from(chunk).toString();
    const lines = rest.split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      if (line !== "cut") {
        said.push(line);
        continue;
      }
      cuts += 1;
      proxy.cut();
      child.stdin.write("\n");
      await child.stdin.flush();
    }
  }
  expect([await child.exited, await new Response(child.stderr).text()]).toEqual([0, ""]);
  expect(cuts).toBeGreaterThan(1);
  expect(said).toEqual([
    `rows ${SAMPLE.rows} ${SAMPLE.rows} ${SAMPLE.last} True`,
    "table 299 299",
    "rest 0",
    "ArrowInvalid",
  ]);

  const [code] = /(?<=```python\n)[\s\S]*?(?=```)/.exec(readFileSync(join(ROOT, "docs", "clients.md"), "utf8"))!;
  const here = code.replace(/\((?=start_ledger)/g, `("grpc://${processor.flight}", `);
  const printed = Bun.spawnSync([...command, "-c", here], { env: { ...process.env, PYTHONPATH: target } });
  expect(printed.stderr.toString()).toBe("");
  expect(printed.stdout.toString()).toContain("4002027568");
}, 600_000);
