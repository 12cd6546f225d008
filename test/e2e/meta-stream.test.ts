/** Core's meta stream as the source of a server of its own, and the same ledgers from a folder. */
import { expect, test } from "bun:test";
import { createServer } from "node:net";
import { connectControl } from "../../src/control/client.ts";
import { Fifo, record, sampleLedgers } from "../sources/meta/meta-fixture.ts";
import { readRows } from "../support/flight-rows.ts";
import { PUBNET } from "../support/networks.ts";
import { PROGRAM, type Processor, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";

const RANGE = { startLedger: SAMPLE.first, endLedger: SAMPLE.last };

function start(source: string): Promise<Processor> {
  return startProcessor([], {
    env: {
      SOURCE_ENDPOINT: source,
      NETWORK_PASSPHRASE: PUBNET,
      WORKER_COUNT: "1",
      INCLUDE_DELETED: "true",
      MAX_MEMORY_MB: "320",
    },
  });
}

/** All of a session's rows. */
async function rowsOf({ control, flight }: Processor): ReturnType<typeof readRows> {
  const client = connectControl(control);
  try {
    const { sessionId } = await client.startProcessing(RANGE);
    return await readRows(flight, { session: sessionId, from: "start" });
  } finally {
    client.close();
  }
}

test("rows are those of the folder, and cursors mean the same there", async () => {
  using fifo = new Fifo();
  const stream = sampleLedgers().map(record);
  const [folder, meta] = [await start(SAMPLE.folder), await start(`meta:${fifo.path}`)];
  try {
    const theirs = await rowsOf(folder);
    const reading = rowsOf(meta);
    const writer = fifo.writer();
    await writer.write(Buffer.concat([...stream.slice(0, 3), stream[3]!.subarray(0, 70_000)]));
    await until(() => has(meta, SAMPLE.first + 2), "three ledgers have come");
    await writer.kill(); // inside the fourth
    const next = fifo.writer(); // which replays
    await next.write(Buffer.concat(stream.slice(1)));
    const ours = await reading;
    expect([ours.error, ours.rows.length]).toEqual([undefined, SAMPLE.rows]);
    expect(ours.rows).toEqual(theirs.rows);
    expect(ours.batches.at(-1)!.metadata.cursor).toBe(theirs.batches.at(-1)!.metadata.cursor);
    for (const { rows, metadata } of ours.batches) {
      const ticket = { session: theirs.batches[0]!.metadata.session, from: metadata.cursor };
      const rest = await readRows(folder.flight, ticket);
      expect(rest.rows).toEqual(theirs.rows.slice(rows));
    }
    expect(await meta.stop()).toBe(0); // with the writer still there
  } finally {
    meta.kill("SIGKILL");
    folder.kill("SIGKILL");
  }
});

/** Whether the server's session has that ledger. */
async function has({ control }: Processor, ledger: number): Promise<boolean> {
  const client = connectControl(control);
  try {
    const { sessions } = await client.listSessions({});
    if (sessions.length === 0) return false;
    return (await client.getStatus({ sessionId: sessions[0]!.sessionId })).currentLedger >= ledger;
  } finally {
    client.close();
  }
}

test("over TCP", async () => {
  const stream = Buffer.concat(sampleLedgers().map(record));
  const server = createServer((socket) => void socket.write(stream));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const meta = await start(`meta+tcp://127.0.0.1:${(server.address() as { port: number }).port}`);
  try {
    const { rows, error } = await rowsOf(meta);
    expect([error, rows.length]).toEqual([undefined, SAMPLE.rows]);
    expect(await meta.stop()).toBe(0);
  } finally {
    meta.kill("SIGKILL");
    server.close();
  }
});

test("a FIFO that is not there: the session waits and says for what", async () => {
  using fifo = new Fifo({ make: false });
  const meta = await start(`meta:${fifo.path}`);
  const client = connectControl(meta.control);
  try {
    await client.startProcessing({ startLedger: SAMPLE.first });
    await until(async () => {
      const { message } = (await client.listSessions({})).sessions[0]!;
      return message.includes(`${fifo.path}: there is no such file`);
    }, "the session says for what it waits");
    fifo.make();
    await fifo.write(Buffer.concat(sampleLedgers().map(record))).exited;
    await until(() => has(meta, SAMPLE.last), "the ledgers have come");
    expect(await meta.stop()).toBe(0);
  } finally {
    client.close();
    meta.kill("SIGKILL");
  }
});

test("an inherited descriptor", async () => {
  const stream = Buffer.concat(sampleLedgers().map(record));
  using fifo = new Fifo();
  void fifo.write(stream);
  const meta = await startProcessor(["--source-endpoint=meta:fd:3", `--network-passphrase=${PUBNET}`], {
    command: ["sh", "-c", 'exec 3<"$0"; exec "$@"', fifo.path, ...PROGRAM],
  });
  try {
    const { error, rows } = await rowsOf(meta);
    expect(error).toBeUndefined();
    expect(rows.length).toBeGreaterThan(0);
    expect(await meta.stop()).toBe(0);
  } finally {
    meta.kill("SIGKILL");
  }
});
