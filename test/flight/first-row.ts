/**
 * How soon a client has its first row, from the moment at which `serve` says that it is ready: with a session that was
 * started with it (as `make serve` does), client start-up and connection included. Ends with 1 when over a second.
 *
 *   bun test/flight/first-row.ts [--runs N]
 */
import { parseArgs } from "node:util";
import { NEWEST_SESSION_TICKET } from "../../src/flight/tickets.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import { SAMPLE, startProcessor } from "../support/processor.ts";

const FIRST_ROW_MS_MAX = 1000;

const { values } = parseArgs({ options: { runs: { type: "string", default: "5" } } });
const times: number[] = [];
for (let run = 0; run < Number(values.runs); run++) {
  const processor = await startProcessor([
    `--source-endpoint=${SAMPLE.folder}`,
    `--start-ledger=${SAMPLE.first}`,
    `--end-ledger=${SAMPLE.last}`,
  ]);
  const ready = performance.now();
  const client = new FlightClient(processor.flight);
  for await (const { table } of client.doGet(Buffer.from(NEWEST_SESSION_TICKET))) {
    if (table.numRows === 0) continue;
    times.push(performance.now() - ready);
    break;
  }
  client.close();
  await processor.stop();
}
times.sort((a, b) => a - b);
const slowest = times.at(-1)!;
console.log(`first row ${times.map((ms) => ms.toFixed(0)).join(", ")} ms after ready (target ${FIRST_ROW_MS_MAX} ms)`);
process.exit(slowest <= FIRST_ROW_MS_MAX ? 0 : 1);
