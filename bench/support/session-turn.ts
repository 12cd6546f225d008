/** One session over a made lake, read to its end by Go clients: what its server spends on it. */
import { connectControl } from "../../src/control/client.ts";
import { DATASET_DEFAULT, type Dataset } from "../../src/vocabulary/dataset.ts";
import { runClient } from "../../test/clients/toolchain.ts";
import type { Processor } from "../../test/support/processor.ts";
import { cpuSeconds } from "./process-cpu.ts";

/**
 * A client for each dataset reads all of it.
 * @returns the server's CPU seconds, and the rows of each dataset
 */
export async function sessionTurn(
  { pid, control: address, flight }: Processor,
  command: string[],
  range: { startLedger: number; endLedger: number },
  datasets: readonly Dataset[] = [DATASET_DEFAULT],
): Promise<{ seconds: number; rows: Map<Dataset, number> }> {
  const control = connectControl(address);
  const before = cpuSeconds(pid);
  const { sessionId } = await control.startProcessing({ ...range, datasets: [...datasets] });
  const rows = new Map<Dataset, number>();
  const read = async (dataset: Dataset) => {
    const ticket = JSON.stringify({ session: sessionId, dataset, from: "start" });
    const { results } = await runClient({ command }, ["get", "-addr", flight, "-ticket", ticket]);
    if (!results[0]?.rows) throw new Error(`client: ${JSON.stringify(results)}`);
    rows.set(dataset, results[0].rows);
  };
  await Promise.all(datasets.map(read));
  control.close();
  return { seconds: cpuSeconds(pid) - before, rows };
}
