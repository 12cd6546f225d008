/**
 * A client that names no session never gets a part of its rows for all: where the newest session has partitions, the
 * path without an id is refused as its ticket is, with the way to read them all.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { connectControl } from "../../src/control/client.ts";
import { FlightDescriptor_DescriptorType } from "../../src/grpc/generated/flight.ts";
import { goClient, pythonClient, pythonInterpreter, runClient } from "../clients/toolchain.ts";
import { collect, flightCalls } from "../support/flight-rows.ts";
import { type Processor, SAMPLE, startProcessor } from "../support/processor.ts";

const COUNT = 4;
let processor: Processor;
let session: string;
beforeAll(async () => {
  processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`, "--include-deleted", "--worker-count=2"]);
  const control = connectControl(processor.control);
  const request = { startLedger: SAMPLE.first, endLedger: SAMPLE.last, batchSize: 20, partitions: COUNT };
  session = (await control.startProcessing(request)).sessionId;
  control.close();
});
afterAll(async () => {
  expect(await processor.stop()).toBe(0);
});

const PATH = { type: FlightDescriptor_DescriptorType.PATH, path: ["contract", "data"] };

test("GetFlightInfo and PollFlightInfo of the path refuse it and name the session; ListFlights has all endpoints", async () => {
  const calls = flightCalls(processor.flight);
  for (const call of [calls.getFlightInfo(PATH), calls.pollFlightInfo(PATH)]) {
    const error = await call.then(
      () => undefined,
      (thrown: unknown) => String(thrown),
    );
    expect(error).toContain(`shared out to ${COUNT} partitions`);
    expect(error).toContain(`["contract","data","${session}"]`);
  }
  const [newest] = await collect(calls.listFlights({}) as AsyncIterable<{ endpoint: unknown[] }>);
  expect(newest!.endpoint).toHaveLength(COUNT);
  calls.close();
});

for (const [name, client] of [
  ["pyarrow", await pythonClient()],
  ["arrow-go", await goClient()],
] as const) {
  if (client.command === undefined) console.warn(`skipped: ${client.missing}`);
  test.skipIf(client.command === undefined)(
    `${name}: the path alone is an error, the session's path has all rows`,
    async () => {
      const get = (path: string) =>
        runClient(client as { command: string[] }, ["get", "-addr", processor.flight, "-path", path]);
      const refused = await get("contract,data");
      expect(JSON.stringify(refused)).toContain(`shared out to ${COUNT} partitions`);
      const { results, stderr } = await get(`contract,data,${session}`);
      expect(results[0]!.error, stderr).toBeUndefined();
      expect(results[0]!.rows).toBe(SAMPLE.rows);
    },
  );
}

/** The Python code that the console shows for that newest session. */
async function consoleSnippet(newest: object): Promise<string> {
  const file: string = new URL("../../src/ops/console/overview.js", import.meta.url).pathname;
  const { pythonOf } = (await import(file)) as { pythonOf(address: string, flight: object, newest: object): string };
  return pythonOf(`grpc://${processor.flight}`, {}, newest);
}

const python = await pythonInterpreter();
test.skipIf(python.command === undefined)("the console's snippet reads all partitions", async () => {
  const code = await consoleSnippet({ id: session, partitions: COUNT });
  const child = Bun.spawn([python.command![0]!, "-c", code], { stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  expect(await child.exited, stderr).toBe(0);
  const rows = [...stdout.matchAll(/(\d+) \['contract_id'/g)].map(([, count]) => Number(count));
  expect(rows.reduce((sum, count) => sum + count, 0)).toBe(SAMPLE.rows);
  expect(await consoleSnippet({ id: session })).toContain("for endpoint in info.endpoints:");
});
