/** The log of a real server: its level while it runs, and what never stands in it. */
import { afterAll, beforeAll, expect, test } from "bun:test";

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectControl } from "../../src/control/client.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import { sha256 } from "../../src/security/api-keys.ts";
import { type Processor, ROOT, runCommand, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";

const KEY = `cdp_${"k".repeat(43)}`;
const PASSWORD = "pass-w0rd-of-the-desk";
const AUTHORIZATION = "Bearer t0ken-for-the-source";

const folder = mkdtempSync(join(tmpdir(), "log-level-"));
const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
let processor: Processor;

beforeAll(async () => {
  const keys = file("keys", `root:sha256:${sha256(KEY)}\n`);
  const access = file("access.json", JSON.stringify({ names: { root: { role: "admin" }, desk: { role: "reader" } } }));
  const env = {
    ...{ API_KEYS_FILE: keys, ACCESS_FILE: access, FLIGHT_CREDENTIALS: `desk:${PASSWORD}` },
    SOURCE_AUTHORIZATION: AUTHORIZATION,
  };
  const source = [`--source-endpoint=${SAMPLE.folder}`, "--sources=live=127.0.0.1:1"];
  processor = await startProcessor([...source, "--log-level=warn"], { env });
}, 60_000);
afterAll(async () => {
  expect(await processor.stop()).toBe(0);
  rmSync(folder, { recursive: true });
});

const command = (...args: string[]) =>
  runCommand(["log-level", ...args, "--address", processor.control], { env: { ACCESS_TOKEN: KEY } });
const lines = () =>
  processor
    .output()
    .split("\n")
    .filter((line) => line.startsWith('{"time"'));

test("the level is changed by a command and by a signal; the change of an admin alone, and audited", async () => {
  expect(await command()).toMatchObject({ stdout: "warn\n", exitCode: 0 });
  expect(await command("debug")).toMatchObject({ stdout: "debug (was warn)\n", exitCode: 0 });
  expect(await command("loud")).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining("debug, info, warn, error"),
  });
  const control = connectControl(processor.control, { token: KEY });
  const refused = await control.setLogLevel({ level: "loud" }).catch((thrown) => thrown.reason);
  expect(refused).toBe("LOG_LEVEL");
  const range = { startLedger: SAMPLE.first, endLedger: SAMPLE.last };
  const { sessionId } = await control.startProcessing(range);
  await until(() => lines().some((line) => line.includes("session completed")), "a line of level info");
  const flight = new FlightClient(processor.flight, { token: KEY });
  let rows = 0;
  for await (const { table } of flight.doGet(Buffer.from(JSON.stringify({ session: sessionId, from: "start" })))) {
    rows += table.numRows;
  }
  expect(rows).toBeGreaterThan(0);
  await until(() => lines().some((line) => line.includes("a Flight client has left")), "a line of level debug");
  expect(lines().filter((line) => line.includes("audit: SetLogLevel")).length).toBe(3); // asked for, changed, refused

  processor.kill("SIGUSR2"); // debug is on: back to LOG_LEVEL
  await until(() => lines().some((line) => line.includes('"now":"warn"')), "the signal");
  expect((await command()).stdout).toBe("warn\n");
  processor.kill("SIGUSR2");
  await until(() => lines().some((line) => line.includes('"now":"debug"')), "the signal");
  flight.close();
  control.close();
}, 60_000);

test("no secret, no ticket and no ledger stands in the log, whoever calls with what", async () => {
  const wrong = "cdp_wrong-key-of-a-stranger";
  const control = connectControl(processor.control, { token: KEY });
  const stranger = connectControl(processor.control, { token: wrong });
  expect(await stranger.listSessions({}).catch((thrown) => thrown.code)).toBe("UNAUTHENTICATED");
  const live = await control.startProcessing({ startLedger: 5, source: "live" });
  const flight = new FlightClient(processor.flight);
  await flight.login("desk", PASSWORD);
  expect(await flight.login("desk", "wr0ng-password").catch((thrown) => thrown.code)).toBe("UNAUTHENTICATED");
  const page = await fetch(`http://${processor.http}/status.json`, { headers: { authorization: `Bearer ${wrong}` } });
  expect(page.status).toBe(401);
  await page.text();
  await control.stopProcessing({ sessionId: live.sessionId });
  await control.deleteSession({ sessionId: live.sessionId, force: true });
  const output = processor.output();
  for (const secret of [KEY, wrong, PASSWORD, "wr0ng-password", AUTHORIZATION.slice(7)]) {
    expect([secret, output.includes(secret)]).toEqual([secret, false]);
  }
  const rows = readFileSync(join(ROOT, "test/fixtures/ledgers/58752000.tsv"), "utf8").split("\n").slice(0, -1);
  const bodies = rows.flatMap((row) => row.split("\t")).filter((cell) => cell.length >= 60);
  expect(bodies.length).toBeGreaterThan(100);
  expect(bodies.filter((body) => output.includes(body))).toEqual([]);
  for (const client of [flight, control, stranger]) client.close();
}, 60_000);
