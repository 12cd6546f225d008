/** What tests of lakes in stores compare: the sample's ledgers, rows and cursors, by every way to read them. */
import { COMMANDS } from "../../../src/main.ts";
import type { Lake } from "../../../src/sources/lake/lake.ts";
import { type CliRun, cli } from "../../cli/harness.ts";
import { localServer } from "../../support/local-server.ts";
import { PUBNET } from "../../support/networks.ts";
import { SAMPLE } from "../../support/processor.ts";
import { until } from "../../support/until.ts";
import type { TemporaryLake } from "../lake-fixture.ts";

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
  const server = await localServer(lake, { "network-passphrase": PUBNET }, []);
  const ticket = Buffer.from(JSON.stringify({ start_ledger: SAMPLE.first, end_ledger: SAMPLE.last }));
  const seen: string[] = [];
  try {
    for await (const { table, metadata } of server.flight.doGet(ticket)) {
      for (const row of table)
        seen.push(JSON.stringify(row, (_, value) => (typeof value === "bigint" ? `${value}` : value)));
      seen.push(String(metadata.cursor));
    }
  } finally {
    await server.close();
    await lake.close();
  }
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
