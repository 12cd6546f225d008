/**
 * `bun bench/start.ts`: how long the binary takes from its start until it says that it is ready, with the sample lake as
 * its source, in turns with the same from source. It builds dist/contract-data-processor first.
 *
 *   bun bench/start.ts [--rounds 15]
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT, SAMPLE, startProcessor } from "../test/support/processor.ts";
import { Report } from "./support/report.ts";

const { values: flags } = parseArgs({ options: { rounds: { type: "string", default: "15" } } });
const report = new Report("start");
const built = spawnSync(process.execPath, [join(ROOT, "scripts/build.ts")], { stdio: "inherit" });
if (built.status !== 0) throw new Error("the binary could not be built");

async function startMs(command?: string[]): Promise<number> {
  const begun = performance.now();
  const processor = await startProcessor(
    [`--source-endpoint=${SAMPLE.folder}`],
    command === undefined ? {} : { command },
  );
  const ms = performance.now() - begun;
  processor.kill("SIGKILL");
  await processor.exited;
  return ms;
}

const ours: number[] = [];
const fromSource: number[] = [];
for (let round = 0; round < Number(flags.rounds); round++) {
  ours.push(await startMs([join(ROOT, "dist/contract-data-processor")]));
  fromSource.push(await startMs());
}
report.figure("start to ready", ours);
report.figure(
  "start to ready, compared",
  ours.map((ms, round) => ms / fromSource[round]!),
);
process.exitCode = report.finish();
