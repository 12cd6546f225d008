/** The Flight port is open before sessions are restored: until then it says so, and never that a session is unknown. */
import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FlightDescriptor_DescriptorType as DescriptorType } from "../../src/grpc/generated/flight.ts";
import { failureMessage } from "../support/failure.ts";
import { flightCalls, readRows } from "../support/flight-rows.ts";
import { GatedSource } from "../support/gated-source.ts";
import { localServer } from "../support/local-server.ts";
import { SAMPLE } from "../support/processor.ts";
import { until } from "../support/until.ts";

const scratch = mkdtempSync(join(tmpdir(), "contract-data-starting-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A port that is free now. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

test("a client that comes while sessions are being restored is told to try again, and then gets its session", async () => {
  const source = await GatedSource.open();
  const lake = join(scratch, "lake");
  cpSync(SAMPLE.folder, lake, { recursive: true });
  const flags = { "data-dir": join(scratch, "state"), sources: `second=${lake}` };
  const before = await localServer(source, flags);
  // Restoring goes in order, and the first session's source is not there for a while.
  const range = { startLedger: SAMPLE.first, endLedger: SAMPLE.last };
  const slow = (await before.control.startProcessing({ ...range, source: "second" })).sessionId;
  const session = (await before.control.startProcessing({ startLedger: 100, endLedger: 120 })).sessionId;
  const first = await readRows(`127.0.0.1:${before.processor.addresses.flight.port}`, { session, from: "start" });
  expect(first.error).toBeUndefined();
  await before.close();

  const manifest = join(lake, ".config.json");
  const content = readFileSync(manifest);
  renameSync(manifest, `${manifest}.kept`);
  expect(spawnSync("mkfifo", [manifest]).status).toBe(0); // whoever opens it waits for what is written into it
  const port = await freePort();
  const starting = localServer(source, { ...flags, "flight-address": `127.0.0.1:${port}` });
  const flight = `127.0.0.1:${port}`;
  const get = async (ticket: object | string) => {
    const { error, rows } = await readRows(flight, ticket);
    return error === undefined ? `${rows.length} rows` : `${error.code} ${error.reason}`;
  };
  await until(async () => (await get({ session })) === "UNAVAILABLE STARTING", "the port is open");
  for (const ticket of [{ session }, { session: slow }, "contract-data-stream", { start_ledger: 100, end_ledger: 101 }])
    expect(await get(ticket), JSON.stringify(ticket)).toBe("UNAVAILABLE STARTING");
  const calls = flightCalls(flight);
  const descriptor = { type: DescriptorType.PATH, path: ["contract", "data", session] };
  for (const call of [calls.getFlightInfo(descriptor), calls.getSchema(descriptor), calls.pollFlightInfo(descriptor)])
    expect(await failureMessage(call)).toContain("still starting");
  writeFileSync(manifest, content);
  const after = await starting;
  expect(await get({ session, from: "start" })).toBe(`${first.rows.length} rows`);
  expect(await get({ session: slow, from: "start" })).toBe(`${SAMPLE.rows} rows`);
  expect((await calls.getFlightInfo({ type: 1, path: ["contract", "data"] })).totalRecords).toBe(first.rows.length);
  calls.close();
  await after.close();
  await source.close();
}, 60_000);
