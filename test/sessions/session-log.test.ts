/** What the log says of sessions and their clients: the real server, over the sample. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GetStatusResponse_Status as Status } from "../../src/grpc/generated/control.ts";
import { GatedSource } from "../support/gated-source.ts";
import { type LogLine, localServer } from "../support/local-server.ts";
import { until } from "../support/until.ts";

const folder = mkdtempSync(join(tmpdir(), "contract-data-log-"));
let source: GatedSource;
beforeAll(async () => {
  source = await GatedSource.open();
});
afterAll(async () => {
  await source.close();
  rmSync(folder, { recursive: true, force: true });
});

test("every step of a session's life, with its id and labels, and the comings and goings of clients", async () => {
  const lines: LogLine[] = [];
  const open = () => localServer(source, { "data-dir": folder }, lines);
  const steps = () =>
    lines.filter(({ message }) => /session|filters|client/.test(message)).map(({ message }) => message);
  source.tip = 120;
  let server = await open();
  const labels = new Map([["team", "a"]]);
  const { sessionId } = await server.control.startProcessing({ startLedger: 100, labels });
  const stop = new AbortController();
  const ticket = Buffer.from(JSON.stringify({ session: sessionId, from: "start" }));
  for await (const _ of server.flight.doGet(ticket, stop.signal)) break;
  stop.abort();
  await until(() => steps().includes("a Flight client has left"), "the client left");
  await until(async () => (await server.control.getStatus({ sessionId })).currentLedger === 120, "at the tip");
  await server.control.configureFilters({ sessionId, includeDeleted: false });
  await server.control.stopProcessing({ sessionId });
  await server.control.resumeSession({ sessionId });
  await until(async () => (await server.control.getStatus({ sessionId })).status === Status.RUNNING, "running");
  await server.close();
  server = await open();
  await server.control.deleteSession({ sessionId, force: true });
  const bounded = await server.control.startProcessing({ startLedger: 100, endLedger: 110 });
  await until(() => steps().includes("session completed"), "completed");
  await server.close();

  expect(steps()).toEqual([
    "session started",
    "a Flight client has joined",
    "a Flight client has left",
    "filters changed",
    "session stopped",
    "session resumed",
    "session restored",
    "session stopped",
    "session deleted",
    "session started",
    "session completed",
  ]);
  const of = (message: string) => lines.find((line) => line.message === message)!;
  const name = { session: sessionId, labels: { team: "a" } };
  expect(of("session started")).toMatchObject({
    ...name,
    ...{ level: "info", ledgerStart: 100, ledgerEnd: "continuous", filtered: false, source: "gated sample" },
  });
  expect(of("a Flight client has joined")).toMatchObject({ level: "debug", kind: "session", id: sessionId });
  expect(of("filters changed")).toMatchObject({ ...name, level: "info", fromLedger: 121 });
  expect(of("session stopped")).toMatchObject({ ...name, level: "info", ledger: 120 });
  expect(of("session restored")).toMatchObject({ ...name, level: "info", ledgerStart: 100, ledgerNext: 121 });
  expect(of("session completed")).toMatchObject({ session: bounded.sessionId, ledger: 110 });
}, 120_000);
