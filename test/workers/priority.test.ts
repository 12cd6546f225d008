/** Decode workers stand behind the other threads of their process, however nice that was started. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { connectControl } from "../../src/control/client.ts";
import { PUBNET } from "../support/networks.ts";
import { PROGRAM, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";

const WORKERS = 2;
const NICE_AT = 16; // among the fields of /proc/…/stat behind the name

function nicenessOfThreads(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
    try {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8");
      return [Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[NICE_AT])];
    } catch {
      return []; // it has just ended
    }
  });
}

test.skipIf(process.platform !== "linux")("decode workers are nicer than their process by five", async () => {
  const command = ["nice", "-n", "1", ...PROGRAM];
  const processor = await startProcessor(
    [`--source-endpoint=repeat:${SAMPLE.folder}`, `--network-passphrase=${PUBNET}`, `--worker-count=${WORKERS}`],
    { command },
  );
  try {
    const control = connectControl(processor.control);
    await control.startProcessing({ startLedger: 1000, endLedger: 0 }); // with work for each of them
    control.close();
    const own = nicenessOfThreads(process.pid)[0]! + 1;
    const workers = () => nicenessOfThreads(processor.pid).filter((niceness) => niceness === own + 5);
    await until(() => workers().length === WORKERS, "the workers' niceness");
    expect(nicenessOfThreads(processor.pid)[0]).toBe(own);
  } finally {
    await processor.stop();
  }
});
