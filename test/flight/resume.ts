/**
 * A client is killed at random points and goes on from its last cursor each time. `make soak` runs it with 50 kills:
 *
 *   bun test/flight/resume.ts [--kills N]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { connectControl } from "../../src/control/client.ts";
import { readRows } from "../support/flight-rows.ts";
import { SAMPLE, startProcessor } from "../support/processor.ts";
import { randomFrom, seedOf } from "../support/random.ts";
import { committed } from "./resume-consumer.ts";

const CYCLES_PER_KILL = 20; // of the sample: more than a consumer reads from one kill to the next, what it reads while it is being killed included
const BATCH_ROWS = 60;

interface ResumeResult {
  kills: number;
  starts: number;
  rows: number;
  expected: number;
  equal: boolean;
  seed: number;
}

export async function runResume(kills: number): Promise<ResumeResult> {
  const seed = seedOf();
  const random = randomFrom(seed);
  const ledgers = (kills + 1) * CYCLES_PER_KILL * 7;
  const processor = await startProcessor([
    `--source-endpoint=repeat:${SAMPLE.folder}`,
    "--include-deleted",
    "--worker-count=2",
    "--channel-buffer-size=6",
  ]);
  const folder = mkdtempSync(join(tmpdir(), "contract-data-resume-"));
  const file = join(folder, "rows.txt");
  try {
    const control = connectControl(processor.control);
    const range = { startLedger: 1000, endLedger: 1000 + ledgers - 1 };
    const { sessionId } = await control.startProcessing({ ...range, batchSize: BATCH_ROWS });
    control.close();
    const ticket = JSON.stringify({ session: sessionId });
    const step = (CYCLES_PER_KILL / 4) * SAMPLE.rows;
    let killed = 0;
    let starts = 0;
    for (let done = false; !done; starts++) {
      const consumer = Bun.spawn(
        [process.execPath, join(import.meta.dir, "resume-consumer.ts"), processor.flight, ticket, file],
        { stdout: "ignore", stderr: "inherit" },
      );
      const end = consumer.exited.then(() => true);
      if (killed < kills) {
        // Somewhere within the next step, by what is committed: machines differ in speed.
        const target = committed(file).rows.length + Math.ceil(random() * step);
        let over = false;
        void end.then(() => {
          over = true;
        });
        while (!over && committed(file).rows.length < target) await Bun.sleep(2);
        consumer.kill("SIGKILL");
        killed += over ? 0 : 1;
      }
      await end;
      done = consumer.exitCode === 0;
    }
    const { rows } = committed(file);
    const whole = { start_ledger: range.startLedger, end_ledger: range.endLedger, filters: { include_deleted: true } };
    const { rows: expected, error } = await readRows(processor.flight, whole);
    if (error !== undefined) throw error;
    const equal = rows.length === expected.length && rows.every((row, index) => row === expected[index]);
    return { kills: killed, starts, rows: rows.length, expected: expected.length, equal, seed };
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await processor.stop();
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { kills: { type: "string", default: "50" } } });
  const result = await runResume(Number(values.kills));
  console.log(JSON.stringify(result));
  process.exit(result.equal && result.kills === Number(values.kills) ? 0 : 1);
}
