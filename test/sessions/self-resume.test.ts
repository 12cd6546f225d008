/** Continuous sessions that are resumed by themselves: after a worker's death, and when their source comes after the server. */
import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GetStatusResponse_Status as Status } from "../../src/grpc/generated/control.ts";
import { recordThreads } from "../regressions/threads.ts";
import { TemporaryLake } from "../sources/lake-fixture.ts";
import { failureOf } from "../support/failure.ts";
import { GatedSource } from "../support/gated-source.ts";
import { type LocalServer, type LogLine, localServer } from "../support/local-server.ts";
import { until } from "../support/until.ts";

const opened: Array<() => unknown> = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

async function gated(): Promise<GatedSource> {
  const source = await GatedSource.open();
  opened.push(() => source.close());
  return source;
}

const status = (server: LocalServer, sessionId: string) => server.control.getStatus({ sessionId });

test("a session that loses a worker fails, says when it goes on, and does; one that is stopped meanwhile does not", async () => {
  const source = await gated();
  const threads = recordThreads();
  const lines: LogLine[] = [];
  const server = await localServer(source, { "channel-buffer-size": "2" }, lines);
  opened.push(() => server.close());
  const sessions = await Promise.all(
    [1000, 2000].map(async (startLedger) => (await server.control.startProcessing({ startLedger })).sessionId),
  );
  const [kept, stopped] = sessions as [string, string];
  const stop = new AbortController();
  opened.push(() => stop.abort());
  const ledgers: number[] = [];
  const read = async (session: string) => {
    const ticket = Buffer.from(JSON.stringify({ session, from: "start" }));
    for await (const { table } of server.flight.doGet(ticket, stop.signal)) {
      const column = table.getChild("ledger_sequence")!;
      if (session === kept) for (let row = 0; row < table.numRows; row++) ledgers.push(Number(column.get(row)));
    }
  };
  const reading = sessions.map((session) => failureOf(read(session)));
  await until(() => ledgers.length > 1_000, "under way");
  threads.stop();
  for (const thread of threads.decoders.slice(0, 2)) await thread.terminate();
  for (const each of reading) expect((await each).reason).toBe("WORKER_DIED");
  await until(async () => (await status(server, stopped)).status === Status.ERROR, "failed");
  expect((await status(server, stopped)).errorMessage).toMatch(/; it is resumed by itself in \d+ s$/);
  await server.control.stopProcessing({ sessionId: stopped });
  expect((await status(server, stopped)).errorMessage).not.toContain("resumed");

  await until(async () => (await status(server, kept)).status === Status.RUNNING, "goes on by itself");
  const before = (await status(server, kept)).currentLedger;
  read(kept).catch(() => {}); // it waits for a client
  await until(async () => (await status(server, kept)).currentLedger > before, "gets on");
  expect((await server.control.getSession({ sessionId: kept })).session!.resumes).toBeGreaterThanOrEqual(1);
  expect(lines.some(({ message, session }) => message === "session resumed" && session === kept)).toBe(true);
  await Bun.sleep(1_500); // longer than the first wait
  expect((await status(server, stopped)).status).toBe(Status.ERROR);
}, 120_000);

test("a session whose source is away when the server starts goes on when it is there", async () => {
  const folder = mkdtempSync(join(tmpdir(), "contract-data-resume-"));
  opened.push(() => rmSync(folder, { recursive: true, force: true }));
  const lake = new TemporaryLake().putAll(1, 5);
  opened.push(() => lake[Symbol.dispose]());
  const source = await gated();
  const flags = { "data-dir": folder, sources: `named=${lake.folder}`, "network-passphrase": "test" };
  let server = await localServer(source, flags);
  const { sessionId } = await server.control.startProcessing({ startLedger: 1, source: "named" });
  const { sessionId: cancelled } = await server.control.startProcessing({ startLedger: 1, source: "named" });
  await until(async () => (await status(server, sessionId)).currentLedger === 5, "read");
  await server.close();

  renameSync(lake.folder, `${lake.folder}.away`);
  server = await localServer(source, flags, []);
  opened.push(() => server.close());
  const waiting = await status(server, sessionId);
  expect(waiting.status).toBe(Status.UNKNOWN);
  expect(waiting.errorMessage).toMatch(
    /^waits for its source: .*: there is no such file or folder; it is resumed by itself in \d+ s$/,
  );
  const read = async () => {
    for await (const _ of server.flight.doGet(Buffer.from(JSON.stringify({ session: sessionId }))));
  };
  expect((await failureOf(read())).toRecord()).toMatchObject({ code: "UNAVAILABLE", reason: "SESSION_WAITING" });
  await server.control.stopProcessing({ sessionId: cancelled });

  await Bun.sleep(1_500); // one try in vain
  expect((await status(server, sessionId)).status).toBe(Status.UNKNOWN);
  renameSync(`${lake.folder}.away`, lake.folder);
  lake.putAll(6, 8);
  await until(async () => (await status(server, sessionId)).currentLedger === 8, "goes on");
  expect(await status(server, sessionId)).toMatchObject({ status: Status.RUNNING, errorMessage: "" });
  expect((await server.control.getMetrics({ sessionId })).ledgersProcessed).toBe(8);
  expect((await status(server, cancelled)).status).toBe(Status.STOPPED);
}, 120_000);
