/** What tests of lakes in stores compare: the sample's ledgers, rows and cursors, by every way to read them. */
import { expect } from "bun:test";
import { COMMANDS } from "../../../src/main.ts";
import type { Lake } from "../../../src/sources/lake/lake.ts";
import { type CliRun, cli } from "../../cli/harness.ts";
import { FaultyProxy, type StoreFault } from "../../support/faulty-proxy.ts";
import { localServer } from "../../support/local-server.ts";
import { SAMPLE } from "../../support/processor.ts";
import { randomFrom, seedOf } from "../../support/random.ts";
import { until } from "../../support/until.ts";
import type { TemporaryLake } from "../lake-fixture.ts";

/** Runs with faults: 200 in `make soak`. */
const RUNS = Number(process.env.STORE_RUNS ?? 10);

/** Each object's first ledger with a hash of its bytes. */
export async function ledgersOf(
  lake: Lake,
  first: number = SAMPLE.first,
  last: number = SAMPLE.last,
): Promise<string[]> {
  const seen: string[] = [];
  for await (const { ledgerFirst, bytes } of lake.read(first, last, new AbortController().signal)) {
    seen.push(`${ledgerFirst} ${Bun.hash(bytes)}`);
  }
  return seen;
}

/** Every row of the sample's ledgers as a range gives it, and the cursor of each batch behind its rows. Closes the lake. */
export async function rowsAndCursors(lake: Lake): Promise<string[]> {
  const server = await localServer(lake, { "network-passphrase": lake.manifest!.networkPassphrase });
  const ticket = Buffer.from(JSON.stringify({ start_ledger: SAMPLE.first, end_ledger: SAMPLE.last }));
  const seen: string[] = [];
  for await (const { table, metadata } of server.flight.doGet(ticket)) {
    for (const row of table)
      seen.push(JSON.stringify(row, (_, value) => (typeof value === "bigint" ? `${value}` : value)));
    seen.push(String(metadata.cursor));
  }
  await server.close();
  await lake.close();
  return seen;
}

/** `decode` of a place, as text, with variables that libraries read too. */
export async function decodeWith(env: Record<string, string>, address: string): Promise<CliRun> {
  const before = { ...process.env };
  Object.assign(process.env, env);
  try {
    return await cli(["decode", "--format", "tsv", address], COMMANDS, env);
  } finally {
    for (const name of Object.keys(env)) delete process.env[name];
    Object.assign(process.env, before);
  }
}

/** A session follows a lake of ledgers 100 to 102, and takes 103 and 104 as they come. @param put makes a ledger be there */
export async function expectFollowed(lake: Lake, put: (ledger: number) => Promise<void>): Promise<void> {
  const server = await localServer(lake, { "network-passphrase": "test" });
  const { sessionId } = await server.control.startProcessing({ startLedger: 100 });
  const at = (ledger: number) => () => server.processor.sessions.get(sessionId).ledgerCurrent >= ledger;
  await until(at(102), "at ledger 102");
  for (const ledger of [103, 104]) {
    await put(ledger);
    await until(at(ledger), `at ledger ${ledger}`);
  }
  await server.close();
  await lake.close();
}

/** The key of a ledger's object, below the lake's root. */
export function keyOf(made: TemporaryLake, ledger: number): string {
  return made.pathOf(ledger).slice(made.folder.length + 1);
}

/**
 * Seeded runs over a store whose answers break: each gives the ledgers, or UNAVAILABLE, in time.
 * @param target of the store
 * @param open a lake at the sample, through an endpoint
 */
export async function expectFaultsBorne(
  target: string,
  open: (endpoint: string) => Promise<Lake>,
  expected: readonly string[],
): Promise<void> {
  const whole = Array<StoreFault>(8).fill("none");
  const faults: StoreFault[] = [...whole, "refused", "cut", "stalled", "slow", "429", "503", "short"];
  const seed = seedOf();
  let complete = 0;
  for (let run = 0; run < RUNS; run++) {
    const random = randomFrom(seed + run);
    const told: string[] = [];
    using proxy = new FaultyProxy(target, (request) => {
      const fault = faults[Math.floor(random() * faults.length)]!;
      told.push(`${fault}: ${request}`);
      return fault;
    });
    const begun = performance.now();
    const seen = await open(proxy.endpoint)
      .then((lake) => ledgersOf(lake))
      .catch((thrown) => thrown as Error);
    if (seen instanceof Error)
      expect(seen, `SEED=${seed} run ${run}\n${told.join("\n")}`).toMatchObject({ code: "UNAVAILABLE" });
    else {
      expect(seen, `SEED=${seed} run ${run}`).toEqual([...expected]);
      complete += 1;
    }
    expect(performance.now() - begun, `SEED=${seed} run ${run}\n${told.join("\n")}`).toBeLessThan(60_000);
  }
  expect(complete, `SEED=${seed}`).toBeGreaterThan(RUNS / 2);
}
