/** Clients of HTTP that are slow, gone, cut off, too many; and streams that fail under them. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import net from "node:net";
import type { RowRead } from "../../src/engine/row-reads.ts";
import { CodedError } from "../../src/error.ts";
import { rowBody } from "../../src/rows/row-body.ts";
import { rowChunks } from "../../src/rows/row-chunks.ts";
import type { RowFormatter } from "../../src/rows/row-formatter.ts";
import { GatedSource } from "../support/gated-source.ts";
import { type LocalServer, localServer } from "../support/local-server.ts";
import { until } from "../support/until.ts";
import { runRestarts } from "./restarts.ts";
import { csvRows, sseEvents } from "./text.ts";

const FLAGS = {
  "slow-client-grace": "300ms",
  "channel-buffer-size": "16", // more than the sessions that are to fail make: nobody is slow there
  "http-streams-max": "4",
  "worker-count": "1",
  "flush-interval": "50ms",
};

const AWAY_MS = Number(process.env.AWAY_MS ?? 1500); // longer than the first waits of a session for its source
const ARROW_END = Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);

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

/** The lines of the body that such a socket still gets. */
async function restOf(socket: net.Socket): Promise<string[]> {
  const received: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => received.push(chunk));
  socket.resume();
  await new Promise((resolve) => socket.once("close", resolve));
  const bytes = Buffer.concat(received);
  const chunks: Buffer[] = [];
  for (let at = bytes.indexOf("\r\n\r\n") + 4; ; ) {
    const end = bytes.indexOf("\r\n", at);
    const size = Number.parseInt(bytes.toString("latin1", at, end), 16);
    if (!(size > 0)) break;
    chunks.push(bytes.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
  return Buffer.concat(chunks).toString().trimEnd().split("\n");
}

/** So many lines of an answer, which is left then. */
async function linesOf(address: string, count: number): Promise<string[]> {
  const response = await fetch(address);
  expect(response.status).toBe(200);
  let text = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.split("\n").length > count) break;
  }
  return text.split("\n").slice(0, count);
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
  const lines = await restOf(socket);
  const { error } = JSON.parse(lines.pop()!) as { error: { code: string; reason: string; cursor: string } };
  expect([error.code, error.reason]).toEqual(["RESOURCE_EXHAUSTED", "SLOW_CLIENT"]);
  const next = await linesOf(`${httpOf(server)}/v1/sessions/${session}/rows?from=${error.cursor}`, 60);
  await stop(session);
  const whole = await linesOf(`${httpOf(server)}/v1/rows?start_ledger=1000&end_ledger=0`, lines.length + next.length);
  expect([...lines, ...next].join("\n") === whole.join("\n")).toBe(true); // no row is lost or doubled
}, 60_000);

test("a client that is gone leaves nothing behind; so many read at once as may", async () => {
  source.tip = 1010;
  const session = await start();
  const sockets = await Promise.all([1, 2, 3, 4].map(() => unread(rowsOf(session, "format=sse"))));
  await until(() => clientsOf(session) === 4, "four clients");
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
  const responses = await Promise.all(
    ["ndjson", "sse", "csv", "arrow"].map((format) => fetch(rowsOf(session, `format=${format}`))),
  );
  const received = responses.map(() => [] as Uint8Array[]);
  // read from now on, all four: who takes nothing may be ended as slow before
  const ends = responses.map(async ({ body }, index) => {
    try {
      for await (const chunk of body!) received[index]!.push(chunk);
      return "whole";
    } catch {
      return "cut";
    }
  });
  await until(() => clientsOf(session) === 4, "four clients");
  await until(() => server.processor.sessions.get(session).ledgerCurrent >= 1010, "the tip");
  source.failure = new CodedError("DATA_LOSS", "LEDGER_GAP", "a ledger is missing");
  source.tip = 1020;
  try {
    // CSV and Arrow have no place for an error: HTTP says that the body is not whole
    expect(await Promise.all(ends)).toEqual(["whole", "whole", "cut", "cut"]);
    const [ndjson, sse, csv, arrow] = received.map((chunks) => Buffer.concat(chunks));
    const lines = ndjson!.toString().trimEnd().split("\n");
    const { error } = JSON.parse(lines.at(-1)!) as { error: { code: string; reason: string; cursor: string } };
    expect([error.code, error.reason]).toEqual(["DATA_LOSS", "LEDGER_GAP"]);
    const events = sseEvents(sse!.toString());
    expect(events.at(-1)?.event).toBe("error");
    const rows = events.filter(({ event }) => event === "message").flatMap(({ data }) => data.split("\n"));
    expect(rows).toEqual(lines.slice(0, -1));
    expect(JSON.parse(events.at(-1)!.data)).toEqual(error);
    expect(events.filter(({ event }) => event !== "error").at(-1)?.id).toBe(error.cursor);
    // what was on its way when the connection was reset may be lost, and no more than that has come
    expect(csv!.toString().split("\n").length).toBeLessThanOrEqual(2 + rows.length);
    expect(csv!.length).toBeGreaterThan(1000);
    expect(arrow!.length).toBeGreaterThan(1000);
    expect(arrow!.subarray(-ARROW_END.length).equals(ARROW_END)).toBe(false); // Arrow's own end is not there either
  } finally {
    source.failure = undefined;
  }
}, 60_000);

test("a source that is away holds up the rows of a session that follows it, and no row is lost or doubled", async () => {
  source.tip = 1010;
  const session = await start();
  const lines: string[] = [];
  const response = await fetch(rowsOf(session));
  const reading = (async () => {
    let rest = "";
    const isLast = (line: string) => JSON.parse(line).ledger_sequence === 1020;
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      const whole = (rest + chunk).split("\n");
      rest = whole.pop()!;
      lines.push(...whole);
      if (lines.length > 0 && isLast(lines.at(-1)!)) return;
    }
  })();
  await until(() => server.processor.sessions.get(session).ledgerCurrent >= 1010, "the tip");
  source.failure = new CodedError("UNAVAILABLE", "SOURCE_UNAVAILABLE", "the source is away");
  source.tip = 1020;
  await Bun.sleep(AWAY_MS);
  source.failure = undefined;
  await reading;
  const whole = await (await fetch(`${httpOf(server)}/v1/rows?start_ledger=1000&end_ledger=1020`)).text();
  expect(whole.startsWith(lines.join("\n"))).toBe(true);
  expect(lines.length).toBeGreaterThan(500);
  await stop(session);
}, 60_000);

test("what a client leaves unread for too long ends its answer", async () => {
  let over = 0;
  async function* pieces() {
    for (;;) yield Buffer.from("row\n");
  }
  const body = rowBody(pieces(), { failed: new AbortController().signal, over: () => over++, unreadMsMax: 50 });
  const reader = body.getReader();
  expect((await reader.read()).done).toBe(false);
  await until(() => over === 1, "the end");
  expect(await reader.read().catch(() => "cut")).toBe("cut");
});

test("a server that stops says so in the way of each form, with a cursor that goes on elsewhere", async () => {
  source.tip = 1010;
  const other = await localServer(source, { ...FLAGS, "shutdown-grace": "300ms" }, []);
  const range = (query: string) => `${httpOf(other)}/v1/rows?start_ledger=1000&end_ledger=0&${query}`;
  const responses = await Promise.all(["ndjson", "sse", "csv"].map((format) => fetch(range(`format=${format}`))));
  const bodies = responses.map((response) => response.text().catch(() => "cut"));
  await until(async () => {
    const page = await (await fetch(`${httpOf(other)}/metrics`)).text();
    return page.includes("\ncontract_data_flight_clients_connected 3\n");
  }, "three readers");
  await other.close();
  const [ndjson, sse, csv] = await Promise.all(bodies);
  const lines = ndjson!.trimEnd().split("\n");
  const { error } = JSON.parse(lines.pop()!) as { error: { code: string; reason: string; cursor: string } };
  expect([error.code, error.reason]).toEqual(["UNAVAILABLE", "SERVER_STOPPING"]);
  expect(JSON.parse(sseEvents(sse!).at(-1)!.data)).toMatchObject({ code: error.code, reason: error.reason });
  expect(csv).toBe("cut");
  const rest = `${httpOf(server)}/v1/rows?start_ledger=1000&end_ledger=1010`;
  const [next, whole] = await Promise.all(
    [`${rest}&from=${error.cursor}`, rest].map(async (each) => (await fetch(each)).text()),
  );
  expect(`${lines.map((line) => `${line}\n`).join("")}${next}`).toBe(whole!);
}, 60_000);

test("where the text of a batch cannot be made, the connection is cut: no cursor says what has come", async () => {
  const metadata = JSON.stringify({ rows: 2, cursor: "behind" });
  const batch = { header: new Uint8Array(0), body: new Uint8Array(1 << 20), metadata };
  const read = { opening: [], cursor: "begin", next: async () => batch } as unknown as RowRead; // what chunks ask of it
  let pieces = 0;
  const formatter = {
    async format() {
      if (pieces++ > 0) throw new Error("the thread is gone");
      return Buffer.from("data: {}\n");
    },
  } as unknown as RowFormatter; // the part of it that chunks use
  for (const format of ["ndjson", "sse"] as const) {
    pieces = 0;
    const text: string[] = [];
    const all = (async () => {
      for await (const chunk of rowChunks(read, { format, decoded: false, formatter, isStopping: () => false }))
        text.push(Buffer.from(chunk).toString());
    })();
    await expect(all).rejects.toThrow("the thread is gone");
    expect(text.at(-1)).toBe("data: {}\n");
  }
});

test("EventSource goes on by itself through deaths of the server: no row is lost or doubled", async () => {
  const { rows, lost, isSame } = await runRestarts(2);
  expect([rows > 300, lost, isSame]).toEqual([true, 0, true]);
}, 60_000);

test("the readers of text in these tests read what is theirs", () => {
  expect(csvRows('a,"b ""c"", d",\n"",2,x\n')).toEqual([
    ["a", 'b "c", d', null],
    ["", "2", "x"],
  ]);
});
