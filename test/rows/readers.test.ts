/** Clients of HTTP that are slow, gone, cut off, too many; and streams that fail under them. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import net from "node:net";
import { CodedError } from "../../src/error.ts";
import { GatedSource } from "../support/gated-source.ts";
import { type LocalServer, localServer } from "../support/local-server.ts";
import { until } from "../support/until.ts";
import { runRestarts } from "./restarts.ts";
import { csvRows, sseEvents } from "./text.ts";

const FLAGS = {
  "slow-client-grace": "300ms",
  "channel-buffer-size": "16", // more than the sessions that are to fail make: nobody is slow there
  "http-streams-max": "3",
  "worker-count": "1",
  "flush-interval": "50ms",
};

let source: GatedSource;
let server: LocalServer;
beforeAll(async () => {
  source = await GatedSource.open();
  server = await localServer(source, FLAGS, []);
});
afterAll(() => server.close());

const httpOf = ({ processor }: LocalServer) => `http://127.0.0.1:${processor.addresses.http.port}`;
const rowsOf = (session: string, query = "") => `${httpOf(server)}/v1/sessions/${session}/rows?from=start&${query}`;

async function start(request: { startLedger?: number; endLedger?: number } = {}): Promise<string> {
  const { sessionId } = await server.control.startProcessing({
    startLedger: 1000,
    endLedger: 0,
    batchSize: 60,
    ...request,
  });
  return sessionId;
}

async function stop(sessionId: string): Promise<void> {
  await server.control.stopProcessing({ sessionId });
  await server.control.deleteSession({ sessionId, force: true });
}

const clientsOf = (session: string) => server.processor.sessions.get(session).clients;

/** A socket that has asked, and reads nothing unless it is told to. */
async function unread(address: string): Promise<net.Socket> {
  const { hostname, port, pathname, search } = new URL(address);
  const socket = net.connect(Number(port), hostname);
  await new Promise((resolve) => socket.once("connect", resolve));
  socket.pause();
  socket.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: ${hostname}\r\nConnection: close\r\n\r\n`);
  return socket;
}

async function restOf(socket: net.Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
  });
  socket.resume();
  await new Promise((resolve) => socket.once("close", resolve));
  return text;
}

test("a client that reads nothing is ended for the others, with its cursor, as over Flight", async () => {
  source.tip = Number.POSITIVE_INFINITY;
  const session = await start();
  const socket = await unread(rowsOf(session));
  await until(() => clientsOf(session) === 1, "its client");
  const leave = new AbortController();
  let rows = 0;
  for await (const { metadata } of server.flight.doGet(Buffer.from(JSON.stringify({ session })), leave.signal)) {
    rows += metadata.rows;
    // the socket's buffers hold some megabytes: what comes behind them waits, and everybody with it
    if (clientsOf(session) === 1 && rows > 0) break;
  }
  leave.abort();
  const last = (await restOf(socket)).trimEnd().split("\n").at(-3) ?? "";
  const { error } = JSON.parse(last) as { error: { code: string; reason: string; cursor: string } };
  expect([error.code, error.reason]).toEqual(["RESOURCE_EXHAUSTED", "SLOW_CLIENT"]);
  const next = await fetch(`${httpOf(server)}/v1/sessions/${session}/rows?from=${error.cursor}`);
  expect(next.status).toBe(200);
  await next.body?.cancel();
  await stop(session);
}, 60_000);

test("a client that is gone leaves nothing behind; so many read at once as may", async () => {
  source.tip = 1010;
  const session = await start();
  const sockets = await Promise.all([1, 2, 3].map(() => unread(rowsOf(session, "format=sse"))));
  await until(() => clientsOf(session) === 3, "three clients");
  const refused = await fetch(rowsOf(session));
  const { error } = (await refused.json()) as { error: { reason: string; message: string } };
  expect([refused.status, error.reason]).toEqual([429, "HTTP_STREAMS_MAX"]);
  for (const socket of sockets) socket.destroy();
  await until(() => clientsOf(session) === 0, "no client");
  const again = await fetch(rowsOf(session, "format=sse"));
  expect(again.status).toBe(200);
  await again.body?.cancel();
  await until(() => clientsOf(session) === 0, "no client");
  await stop(session);
}, 60_000);

test("an error in mid-stream reaches the client in the way of its form", async () => {
  source.tip = 1010;
  const session = await start();
  const texts = ["ndjson", "sse", "csv"].map((format) => fetch(rowsOf(session, `format=${format}`)));
  const [ndjson, sse, csv] = await Promise.all(texts);
  const cut = csv!.text().then(
    () => "whole",
    () => "cut",
  );
  await until(() => clientsOf(session) === 3, "three clients");
  await until(() => server.processor.sessions.get(session).ledgerCurrent >= 1010, "the tip");
  source.failure = new CodedError("DATA_LOSS", "LEDGER_GAP", "a ledger is missing");
  source.tip = 1020;
  try {
    const lines = (await ndjson!.text()).trimEnd().split("\n");
    const { error } = JSON.parse(lines.at(-1)!) as { error: { code: string; reason: string; cursor: string } };
    expect([error.code, error.reason]).toEqual(["DATA_LOSS", "LEDGER_GAP"]);
    const events = sseEvents(await sse!.text());
    expect(events.at(-1)?.event).toBe("error");
    const rows = events.filter(({ event }) => event === "message").flatMap(({ data }) => data.split("\n"));
    expect(rows).toEqual(lines.slice(0, -1));
    expect(JSON.parse(events.at(-1)!.data)).toEqual(error);
    expect(events.filter(({ event }) => event !== "error").at(-1)?.id).toBe(error.cursor);
    expect(await cut).toBe("cut");
  } finally {
    source.failure = undefined;
  }
}, 60_000);

test("EventSource goes on by itself through restarts of the server: no row is lost or doubled", async () => {
  const { rows, lost, isSame } = await runRestarts(1);
  expect([rows > 300, lost, isSame]).toEqual([true, 0, true]);
}, 60_000);

test("the readers of text in these tests read what is theirs", () => {
  expect(csvRows('a,"b ""c"", d",\n"",2,x\n')).toEqual([
    ["a", 'b "c", d', null],
    ["", "2", "x"],
  ]);
});
