/** Callers who may use some sessions or contracts only: what they see, and what they are refused. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { CodedError } from "../../src/error.ts";
import { readAll } from "../../src/flight-client/read-anywhere.ts";
import { runCommand, SAMPLE } from "../support/processor.ts";
import { CONTRACT, type GuardedServer, OTHER_CONTRACT, startGuarded } from "./support.ts";

const LEDGERS = { startLedger: SAMPLE.first, endLedger: SAMPLE.last };
const RANGE = { start_ledger: SAMPLE.first, end_ledger: SAMPLE.last };

let server: GuardedServer;
let own: string;
let foreign: string;
const ended = (work: Promise<unknown>) =>
  work.then(
    () => "OK",
    (thrown) => CodedError.from(thrown).reason,
  );

beforeAll(async () => {
  server = await startGuarded();
  own = (await server.control("some-operator").startProcessing({ ...LEDGERS, labels: new Map([["team", "a"]]) }))
    .sessionId;
  foreign = (await server.control("operator").startProcessing(LEDGERS)).sessionId;
}, 60_000);

afterAll(async () => {
  await server.close();
});

test("the control plane shows and changes the caller's own sessions", async () => {
  const some = server.control("some-operator");
  expect((await some.listSessions({})).sessions.map(({ sessionId }) => sessionId)).toEqual([own]);
  expect((await server.control("operator").listSessions({})).sessions).toHaveLength(2);
  expect(await ended(some.getSession({ sessionId: own }))).toBe("OK");
  for (const work of [
    () => some.getSession({ sessionId: foreign }),
    () => some.getStatus({ sessionId: foreign }),
    () => some.getMetrics({ sessionId: foreign }),
    () => some.stopProcessing({ sessionId: foreign }),
    () => some.resumeSession({ sessionId: foreign }),
    () => some.deleteSession({ sessionId: foreign, force: true }),
    () => some.configureFilters({ sessionId: foreign }),
    () => some.configureFilters({}),
    () => some.startProcessing(LEDGERS),
    () => some.startProcessing({ ...LEDGERS, labels: new Map([["team", "b"]]) }),
  ]) {
    expect(await ended(work())).toBe("SCOPE");
  }
  expect(await ended(server.control("some-reader").stopProcessing({ sessionId: own }))).toBe("ROLE");
});

test("Flight reads the caller's own sessions, and lists no others", async () => {
  const some = server.flight("some-reader");
  const newest = await some.session(); // the newest of those that it may read
  expect(newest.id).toBe(own);
  let rows = 0;
  for await (const { metadata } of some.doGet(newest.tickets[0]!)) rows += metadata.rows;
  expect(rows).toBe(SAMPLE.rows);
  expect(await ended(some.session(foreign))).toBe("SCOPE");
  const { tickets } = await server.flight("reader").session(foreign);
  expect(await ended(Array.fromAsync(some.doGet(tickets[0]!)))).toBe("SCOPE");
  expect(await ended(Array.fromAsync(some.doGet(Buffer.from("contract-data-stream"))))).toBe("SCOPE");
});

test("Flight reads ranges of the caller's own contracts", async () => {
  const some = server.flight("some-reader");
  const of = (...contract_ids: string[]) => ({ ...RANGE, filters: { contract_ids } });
  const endpoints = await some.range(of(CONTRACT));
  expect(await ended(Array.fromAsync(readAll(some, endpoints)))).toBe("OK");
  for (const range of [RANGE, of(), of(OTHER_CONTRACT), of(CONTRACT, OTHER_CONTRACT)]) {
    expect(await ended(some.range(range))).toBe("SCOPE");
    const ticket = Buffer.from(JSON.stringify(range)); // a client may write a ticket by itself
    expect(await ended(Array.fromAsync(some.doGet(ticket)))).toBe("SCOPE");
  }
  expect(await ended(server.flight("some-operator").range(of(CONTRACT)))).toBe("SCOPE"); // sessions alone are given to it
  expect(await ended(server.flight("reader").range(RANGE))).toBe("OK");
});

test("our own commands send a key of a file or of the environment", async () => {
  const { processor, keys, folder } = server;
  const file = `${folder}/key`;
  await Bun.write(file, `${keys.operator}\n`);
  const address = ["--address", processor.control];
  const list = (flags: string[], env = {}) => runCommand(["sessions", ...address, ...flags], { env });
  expect(await list(["--token-file", file])).toMatchObject({ exitCode: 0 });
  expect(await list([], { ACCESS_TOKEN: keys.operator })).toMatchObject({ exitCode: 0 });
  expect((await list([])).stderr).toContain("this server asks who is calling");
  expect((await list(["--token-file", `${file}.gone`])).exitCode).toBe(2);
  const tail = ["tail", "--address", processor.flight, "--session", own, "--format", "ndjson", "--token-file", file];
  expect((await runCommand(tail)).stdout.trim().split("\n")).toHaveLength(SAMPLE.rows);
}, 60_000);
