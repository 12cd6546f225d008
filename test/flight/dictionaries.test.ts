/**
 * Schema version 2 without dictionaries, for readers that have none: by ticket, by session and by setting, with the rows
 * that there are with dictionaries.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Dictionary, type Table } from "apache-arrow";
import { readSchemaMessage } from "../../src/columns/ipc-reader.ts";
import { FlightDescriptor_DescriptorType as DescriptorType } from "../../src/grpc/generated/flight.ts";
import { Lake } from "../../src/sources/lake/lake.ts";
import { actionJson, flightCalls, readRows } from "../support/flight-rows.ts";
import { type LocalServer, localServer } from "../support/local-server.ts";
import { runCommand, SAMPLE } from "../support/processor.ts";
import { until } from "../support/until.ts";

const WORDS = [
  ...["contract_key_type", "contract_durability", "asset_type", "contract_instance_type", "change_type"],
  "balance_kind",
];
const LEDGERS = { startLedger: SAMPLE.first, endLedger: SAMPLE.last };
const RANGE = { start_ledger: SAMPLE.first, end_ledger: SAMPLE.last, schema_version: 2 };
const scratch = mkdtempSync(join(tmpdir(), "contract-data-dictionaries-"));
let source: Lake;
let server: LocalServer;
let plainByDefault: LocalServer;
let expected: string[];

beforeAll(async () => {
  source = await Lake.open(SAMPLE.folder);
  server = await localServer(source);
  plainByDefault = await localServer(source, { dictionaries: "false", "data-dir": scratch });
  expected = (await read(server, RANGE)).rows;
  expect(expected).toHaveLength(SAMPLE.rows);
});
afterAll(async () => {
  await server.close();
  await plainByDefault.close();
  await source.close();
  rmSync(scratch, { recursive: true, force: true });
});

const flightAddress = ({ processor }: LocalServer) => `127.0.0.1:${processor.addresses.flight.port}`;

/** Names of the columns in dictionaries, and the rows. */
async function read(of: LocalServer, ticket: object): Promise<{ dictionaries: string[]; rows: string[] }> {
  const rows: string[] = [];
  let schema: Table["schema"] | undefined;
  for await (const { table } of of.flight.doGet(Buffer.from(JSON.stringify(ticket)))) {
    schema = table.schema;
    for (const row of table.toArray()) rows.push(String(row));
  }
  const fields = schema!.fields.filter(({ type }) => type instanceof Dictionary);
  return { dictionaries: fields.map(({ name }) => name), rows };
}

const withThem = () => ({ dictionaries: WORDS, rows: expected });
const without = () => ({ dictionaries: [], rows: expected });

async function started(of: LocalServer, request: object): Promise<string> {
  const { sessionId } = await of.control.startProcessing({ ...LEDGERS, schemaVersion: 2, ...request });
  return sessionId;
}

const ended = (of: LocalServer, sessionId: string) =>
  until(async () => (await of.control.getStatus({ sessionId })).status === 4, "stopped");

describe("a range", () => {
  test("has them or not, as its ticket says, or else as the setting", async () => {
    expect(await read(server, RANGE)).toEqual(withThem());
    expect(await read(server, { ...RANGE, dictionaries: true })).toEqual(withThem());
    expect(await read(server, { ...RANGE, dictionaries: false })).toEqual(without());
    expect(await read(plainByDefault, RANGE)).toEqual(without());
    expect(await read(plainByDefault, { ...RANGE, dictionaries: true })).toEqual(withThem());
  });

  test.each(["none", "lz4", "zstd"])("in small batches, compression %s, some columns of it", async (compression) => {
    const some = { ...RANGE, columns: ["change_type", "ledger_sequence", "asset_type"], batch_size: 7, compression };
    const plain = await read(server, { ...some, dictionaries: false });
    expect(plain.dictionaries).toEqual([]);
    expect(plain.rows).toEqual((await read(server, some)).rows);
  });

  test("FlightInfo's schema, GetSchema and tickets agree, and tickets do not depend on the setting", async () => {
    for (const [of, dictionaries] of [
      [server, true],
      [plainByDefault, false],
    ] as const) {
      const calls = flightCalls(flightAddress(of));
      const descriptor = { type: DescriptorType.CMD, cmd: Buffer.from(JSON.stringify(RANGE)) };
      const info = await calls.getFlightInfo(descriptor);
      const { schema } = await calls.getSchema(descriptor);
      calls.close();
      expect(Buffer.from(info.schema)).toEqual(Buffer.from(schema));
      const types = readSchemaMessage(schema).filter(({ name }) => WORDS.includes(name));
      expect(types).toHaveLength(WORDS.length);
      for (const { type } of types) expect(type).toBe(dictionaries ? "Dictionary<Int8, Utf8>" : "Utf8");
      const ticket = JSON.parse(Buffer.from(info.endpoint[0]!.ticket!.ticket).toString());
      expect(ticket.dictionaries).toBe(dictionaries);
      const { range: _, ...free } = ticket;
      const other = of === server ? plainByDefault : server;
      expect(await read(other, free)).toEqual(dictionaries ? withThem() : without());
    }
  });

  test("of version 1 has none in any case", async () => {
    const old = { ...RANGE, schema_version: 1 };
    const { rows } = await read(server, old);
    for (const dictionaries of [true, false]) {
      expect(await read(server, { ...old, dictionaries })).toEqual({ dictionaries: [], rows });
      expect(await read(plainByDefault, { ...old, dictionaries })).toEqual({ dictionaries: [], rows });
    }
  });

  test("whose key is no boolean is refused by name", async () => {
    const { error } = await readRows(flightAddress(server), { ...RANGE, dictionaries: "no" });
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(error!.message).toContain('"dictionaries"');
  });
});

describe("a session", () => {
  test("has them or not, as its request says, or else as the setting; live, caught up, and in partitions", async () => {
    for (const [of, request, wanted] of [
      [server, {}, withThem],
      [server, { dictionaries: false }, without],
      [plainByDefault, {}, without],
      [plainByDefault, { dictionaries: true }, withThem],
    ] as const) {
      const session = await started(of, { ...request, batchSize: 20 });
      expect(await read(of, { session, from: "start" })).toEqual(wanted());
      await ended(of, session);
      expect(await read(of, { session, from: "start" })).toEqual(wanted()); // the source is read again
      const { request: told } = (await of.control.getSession({ sessionId: session })).session!;
      expect(told!.dictionaries).toBe(wanted === withThem);
      await of.control.deleteSession({ sessionId: session });
    }
    const session = await started(server, { dictionaries: false, partitions: 2 });
    const parts = await Promise.all(
      [0, 1].map((index) => read(server, { session, from: "start", shard: { index, count: 2 } })),
    );
    expect(parts.map(({ dictionaries }) => dictionaries)).toEqual([[], []]);
    expect(parts.flatMap(({ rows }) => rows).sort()).toEqual(expected.toSorted());
  });

  test("refuses a ticket that asks otherwise, and takes one that asks for what it is", async () => {
    const plain = await started(server, { dictionaries: false });
    const old = await started(server, { schemaVersion: 1 });
    for (const [session, dictionaries, isRefused] of [
      [plain, true, true],
      [plain, false, false],
      [old, true, true],
      [old, false, false],
    ] as const) {
      const { error } = await readRows(flightAddress(server), { session, from: "start", dictionaries });
      expect(error?.reason).toBe(isRefused ? "SESSION_ENCODING" : (undefined as never));
    }
    type Streams = { streams: { session: string; dictionaries: boolean }[] };
    const { streams } = await actionJson<Streams>(flightAddress(server), "streams");
    const told = new Map(streams.map(({ session, dictionaries }) => [session, dictionaries]));
    expect([told.get(plain), told.get(old)]).toEqual([false, false]);
  });

  test("keeps what it was started with through a restart with another setting", async () => {
    const session = await started(plainByDefault, { batchSize: 20 });
    await ended(plainByDefault, session);
    await plainByDefault.close();
    plainByDefault = await localServer(source, { "data-dir": scratch });
    expect(await read(plainByDefault, { session, from: "start" })).toEqual(without());
    expect(await read(plainByDefault, RANGE)).toEqual(withThem());
    await plainByDefault.close();
    plainByDefault = await localServer(source, { "data-dir": scratch, dictionaries: "false" });
  });

  test("is started so by the command line", async () => {
    const { stdout } = await runCommand([
      ...["start", "--start-ledger", String(SAMPLE.first), "--end-ledger", String(SAMPLE.last)],
      ...["--schema-version", "2", "--no-dictionaries", "--address", server.address],
    ]);
    expect(await read(server, { session: stdout.trim(), from: "start" })).toEqual(without());
  });
});

test("the action schema describes either form", async () => {
  type Answer = { schemas: { fields: { name: string; type: string; dictionary?: object }[] }[] };
  for (const dictionaries of [true, false, undefined]) {
    const answer = await actionJson<Answer>(flightAddress(server), "schema", { schema_version: 2, dictionaries });
    const fields = answer.schemas[0]!.fields.filter(({ name }) => WORDS.includes(name));
    expect(fields.map(({ type }) => type)).toEqual(WORDS.map(() => "utf8"));
    expect(fields.every(({ dictionary }) => (dictionary !== undefined) === (dictionaries ?? true))).toBe(true);
  }
});
