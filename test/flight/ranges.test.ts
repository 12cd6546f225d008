/** Range tickets, and what Flight tells about them, against the real server. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { describeSchema, type FieldDescription } from "../../src/columns/schema-description.ts";
import type { CodedError } from "../../src/error.ts";
import {
  CancelFlightInfoRequest,
  CancelFlightInfoResult,
  CancelStatus,
  FlightEndpoint,
  type FlightInfo,
  RenewFlightEndpointRequest,
} from "../../src/grpc/generated/flight.ts";
import { type Client, goClient, pythonClient, runClient } from "../clients/toolchain.ts";
import { failureMessage } from "../support/failure.ts";
import { actionJson, collect, flightCalls, flightTotals, readRows } from "../support/flight-rows.ts";
import { clientLine, readGolden, withoutExpiration } from "../support/goldens.ts";
import { type Processor, ROOT, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";

const WHOLE = { start_ledger: SAMPLE.first, end_ledger: SAMPLE.last, filters: { include_deleted: true } };
const golden = readGolden(join(ROOT, "sample", "lake.tsv"));
const clients: Record<string, Client> = { pyarrow: await pythonClient(), "arrow-go": await goClient() };
for (const [name, { missing }] of Object.entries(clients))
  if (missing !== undefined) console.warn(`skipped: ${name}: ${missing}`);

let processor: Processor;
beforeAll(async () => {
  processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`, "--worker-count=2", "--ranges-max=3"]);
});
afterAll(async () => {
  expect(await processor.stop()).toBe(0);
});

async function rowsOf(ticket: object | string): Promise<string[]> {
  const { rows, error } = await readRows(processor.flight, ticket);
  expect(error, JSON.stringify(ticket)).toBeUndefined();
  return rows;
}

async function ticketError(ticket: object | string): Promise<CodedError> {
  const { error } = await readRows(processor.flight, ticket);
  if (error === undefined) throw new Error(`${JSON.stringify(ticket)} was accepted`);
  return error;
}

async function infoOf(command: object | string): Promise<FlightInfo> {
  const calls = flightCalls(processor.flight);
  try {
    const cmd = Buffer.from(typeof command === "string" ? command : JSON.stringify(command));
    return await calls.getFlightInfo({ type: 2, cmd });
  } finally {
    calls.close();
  }
}

const textOf = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString("utf8");

describe("a range", () => {
  for (const [name, client] of Object.entries(clients)) {
    test.skipIf(client.command === undefined)(`is the oracle's rows for ${name}, however it is asked for`, async () => {
      const expected = golden.map(clientLine);
      const file = join(process.env.TMPDIR ?? "/tmp", `range-${process.pid}-${name}.txt`);
      const hashes = new Set<string>();
      for (const args of [
        ["-ticket", JSON.stringify(WHOLE)],
        ["-ticket", `contract_data:${SAMPLE.first}:${SAMPLE.last}:{"include_deleted":true}`],
        ["-cmd", JSON.stringify({ ...WHOLE, endpoints: 3 })],
        ["-ticket", JSON.stringify({ ...WHOLE, compression: "lz4", batch_size: 50 })],
        ["-ticket", JSON.stringify({ ...WHOLE, compression: "zstd" })],
      ]) {
        const get = ["get", "-addr", processor.flight, "-rows-out", file, ...args];
        const run = await runClient({ command: client.command! }, get);
        expect(run.results[0]?.error, `${args.join(" ")} ${run.stderr}`).toBeUndefined();
        hashes.add(run.results[0]!.sha256!);
        expect(withoutExpiration(await Bun.file(file).text())).toEqual(expected);
      }
      expect(hashes.size).toBe(1);
    });

    test.skipIf(client.command === undefined)(
      `has schema version 2 for ${name}, dictionaries and all, compressed too`,
      async () => {
        const hashes = new Set<string>();
        for (const compression of ["none", "lz4", "zstd"]) {
          const ticket = JSON.stringify({ ...WHOLE, schema_version: 2, compression, batch_size: 100 });
          const run = await runClient({ command: client.command! }, [
            ...["get", "-addr", processor.flight, "-ticket", ticket, "-hash"],
          ]);
          const result = run.results[0]!;
          expect(result.error, run.stderr).toBeUndefined();
          expect(result.rows).toBe(SAMPLE.rows);
          expect(result.schema!.metadata.schema_version).toBe("2.0");
          hashes.add(result.sha256!);
        }
        expect(hashes.size).toBe(1);
      },
    );
  }

  test("goes on at any cursor, with no row lost or repeated", async () => {
    const ticket = { ...WHOLE, batch_size: 37 };
    const whole = await readRows(processor.flight, ticket);
    expect(whole.rows).toHaveLength(SAMPLE.rows);
    for (const { rows, metadata } of whole.batches) {
      expect(await rowsOf({ ...ticket, batch_size: 50, from: metadata.cursor })).toEqual(whole.rows.slice(rows));
    }
    expect(whole.batches.at(-1)!.metadata.ledger_complete).toBe(SAMPLE.last);
  });

  test("is filtered, sharded and projected as its ticket says", async () => {
    const all = await rowsOf(WHOLE);
    const contract = golden[0]![6]!;
    const ofContract = await rowsOf({ ...WHOLE, filters: { contract_ids: [contract], include_deleted: true } });
    expect(ofContract).toEqual(all.filter((row) => row.startsWith(contract)));
    const shards = await Promise.all([0, 1, 2].map((index) => rowsOf({ ...WHOLE, shard: { index, count: 3 } })));
    expect(shards.flat().sort()).toEqual([...all].sort());
    expect(shards.filter((shard) => shard.length > 0).length, "the sample has three contracts").toBeGreaterThan(1);
    const columns = ["ledger_sequence", "contract_id"];
    expect(await rowsOf({ ...WHOLE, columns })).toEqual(
      all.map((row) => row.split("|")).map((row) => `${row[10]}|${row[0]}`),
    );
    const deleted = all.filter((row) => row.split("|")[9] === "true").length;
    expect(await rowsOf({ ...WHOLE, filters: {} }), "INCLUDE_DELETED holds where the ticket is silent").toHaveLength(
      all.length - deleted,
    );
    expect(await rowsOf({ start_ledger: SAMPLE.first, end_ledger: SAMPLE.last })).toHaveLength(all.length - deleted);
  });

  test("is refused with a reason where its ticket is wrong", async () => {
    for (const [ticket, code, says] of [
      [{ ...WHOLE, colour: 1 }, "INVALID_ARGUMENT", '"colour"'],
      [{ start_ledger: 5 }, "INVALID_ARGUMENT", '"end_ledger" is missing'],
      [{ start_ledger: 0, end_ledger: 5 }, "INVALID_ARGUMENT", '"start_ledger"'],
      [{ start_ledger: 6, end_ledger: 5 }, "INVALID_ARGUMENT", "ledgers 6 to 5"],
      [{ ...WHOLE, start_ledger: "1" }, "INVALID_ARGUMENT", '"start_ledger"'],
      [{ ...WHOLE, columns: ["nope"] }, "INVALID_ARGUMENT", "nope"],
      [{ ...WHOLE, columns: [] }, "INVALID_ARGUMENT", "columns"],
      [{ ...WHOLE, schema_version: 9 }, "INVALID_ARGUMENT", "schema version 9"],
      [{ ...WHOLE, compression: "brotli" }, "INVALID_ARGUMENT", "none, lz4, zstd"],
      [{ ...WHOLE, shard: { index: 3, count: 3 } }, "INVALID_ARGUMENT", '"index"'],
      [{ ...WHOLE, filters: { contract_ids: ["x"] } }, "INVALID_ARGUMENT", "x"],
      [{ ...WHOLE, filters: { colour: 1 } }, "INVALID_ARGUMENT", '"colour"'],
      [{ ...WHOLE, from: "bm9uc2Vuc2U" }, "INVALID_ARGUMENT", "cursor"],
      ["contract_data:5", "INVALID_ARGUMENT", "contract_data:"],
      ["contract_data:1:2:{", "INVALID_ARGUMENT", "JSON"],
      ["{", "INVALID_ARGUMENT", "JSON"],
      ["x".repeat(300_000), "INVALID_ARGUMENT", "300000"],
      [{ start_ledger: 1, end_ledger: 5 }, "OUT_OF_RANGE", String(SAMPLE.first)],
      [{ start_ledger: SAMPLE.last, end_ledger: SAMPLE.last + 10 }, "OUT_OF_RANGE", String(SAMPLE.last)],
    ] as const) {
      const error = await ticketError(ticket);
      expect(error.code, JSON.stringify(ticket).slice(0, 100)).toBe(code);
      expect(error.message).toContain(says);
    }
  });

  test("beyond RANGES_MAX is refused, and its place is free again when a client leaves", async () => {
    const follow = { start_ledger: SAMPLE.first, end_ledger: 0 };
    const abort = new AbortController();
    const open = [1, 2, 3].map(() => readRows(processor.flight, follow, { signal: abort.signal }));
    await until(async () => (await flightTotals(processor.flight)).ranges === 3, "three ranges");
    const error = await ticketError(WHOLE);
    expect(`${error.code} ${error.reason}`).toBe("RESOURCE_EXHAUSTED RANGES_MAX");
    abort.abort();
    await Promise.all(open);
    await until(async () => (await flightTotals(processor.flight)).ranges === 0, "no range");
    expect(await rowsOf(WHOLE)).toHaveLength(SAMPLE.rows);
  });
});

describe("GetFlightInfo of a range", () => {
  test("is ordered, with as many endpoints as asked for, and knows totals once they are known", async () => {
    const command = { ...WHOLE, partitions: 4, batch_size: 41 };
    const before = await infoOf(command);
    expect(before.ordered).toBe(true);
    expect(before.endpoint).toHaveLength(4);
    expect([before.totalRecords, before.totalBytes]).toEqual([-1, -1]);
    const rows: string[] = [];
    for (const { ticket, expirationTime } of before.endpoint) {
      expect(expirationTime!.seconds * 1000).toBeGreaterThan(Date.now());
      rows.push(...(await rowsOf(textOf(ticket!.ticket))));
    }
    expect(rows).toEqual(await rowsOf(WHOLE));
    const after = await infoOf(command);
    expect(after.totalRecords).toBe(SAMPLE.rows);
    expect(after.totalBytes).toBeGreaterThan(100_000);
    expect((await infoOf({ ...WHOLE, endpoints: 1000 })).endpoint).toHaveLength(7);
    expect((await infoOf({ ...WHOLE, endpoints: 4, partitions: 4 })).endpoint).toHaveLength(4);
    expect(await failureMessage(infoOf({ ...WHOLE, endpoints: 4, partitions: 3 }))).toContain(
      'older name of "endpoints"',
    );
    expect(await failureMessage(infoOf({ ...WHOLE, end_ledger: 0, endpoints: 2 }))).toContain('"endpoints"');
  });

  test("refuses what cannot be read, and what is not ours", async () => {
    expect(await failureMessage(infoOf({ ...WHOLE, end_ledger: SAMPLE.last + 1 }))).toContain(
      `ends with ${SAMPLE.last}`,
    );
    expect(await failureMessage(infoOf("SELECT 1"))).toContain("none of ours");
  });

  test("CancelFlightInfo ends its DoGets, and its tickets", async () => {
    const info = await infoOf({ start_ledger: SAMPLE.first, end_ledger: 0 });
    const ticket = textOf(info.endpoint[0]!.ticket!.ticket);
    const reading = readRows(processor.flight, ticket);
    await until(async () => (await flightTotals(processor.flight)).ranges === 1, "the range");
    const calls = flightCalls(processor.flight);
    const cancel = async (body: Uint8Array) => {
      const [result] = await collect(
        calls.doAction({ type: "CancelFlightInfo", body }) as AsyncIterable<{ body: Uint8Array }>,
      );
      return CancelFlightInfoResult.decode(result!.body).status;
    };
    expect(await cancel(CancelFlightInfoRequest.encode({ info }))).toBe(CancelStatus.CANCEL_STATUS_CANCELLED);
    const { error, rows } = await reading;
    expect(`${error!.code} ${error!.reason}`).toBe("CANCELLED FLIGHT_CANCELLED");
    expect(rows.length).toBeLessThanOrEqual(SAMPLE.rows);
    expect((await ticketError(ticket)).reason).toBe("FLIGHT_CANCELLED");
    const endpoint = { ticket: { ticket: Buffer.from('{"session":"x"}') } };
    expect(await cancel(CancelFlightInfoRequest.encode({ info: { endpoint: [endpoint] } }))).toBe(
      CancelStatus.CANCEL_STATUS_NOT_CANCELLABLE,
    );
    expect(await failureMessage(cancel(Buffer.from("nonsense")))).toContain("CancelFlightInfoRequest");
    calls.close();
  });

  test("an expired ticket is refused, and RenewFlightEndpoint mends it", async () => {
    const ticket = { ...WHOLE, range: "r", expires_at: Date.now() - 1000 };
    expect((await ticketError(ticket)).reason).toBe("TICKET_EXPIRED");
    const calls = flightCalls(processor.flight);
    const body = RenewFlightEndpointRequest.encode({
      endpoint: { ticket: { ticket: Buffer.from(JSON.stringify(ticket)) } },
    });
    const [result] = await collect(
      calls.doAction({ type: "RenewFlightEndpoint", body }) as AsyncIterable<{ body: Uint8Array }>,
    );
    calls.close();
    const renewed = FlightEndpoint.decode(result!.body);
    expect(renewed.expirationTime!.seconds * 1000).toBeGreaterThan(Date.now());
    expect(await rowsOf(textOf(renewed.ticket!.ticket))).toHaveLength(SAMPLE.rows);
  });

  test("GetSchema is that of the ticket's version and columns; PollFlightInfo is complete at once", async () => {
    const calls = flightCalls(processor.flight);
    const cmd = Buffer.from(JSON.stringify({ ...WHOLE, columns: ["contract_id"] }));
    const one = await calls.getSchema({ type: 2, cmd });
    const all = await calls.getSchema({ type: 2, cmd: Buffer.from(JSON.stringify(WHOLE)) });
    expect(one.schema.length).toBeLessThan(all.schema.length);
    const poll = await calls.pollFlightInfo({ type: 2, cmd });
    calls.close();
    expect(poll.progress).toBe(1);
    expect(poll.flightDescriptor).toBeUndefined();
    expect(poll.info!.endpoint).toHaveLength(1);
  });
});

describe("actions", () => {
  test("are listed with descriptions, and an unknown one is refused with their names", async () => {
    const calls = flightCalls(processor.flight);
    const listed = await collect(calls.listActions({}) as AsyncIterable<{ type: string; description: string }>);
    expect(listed.map(({ type }) => type)).toEqual([
      "CancelFlightInfo",
      "RenewFlightEndpoint",
      "sessions",
      "session",
      "streams",
      "schema",
      "server-info",
    ]);
    expect(listed.every(({ description }) => description.length > 30)).toBe(true);
    expect(await failureMessage(collect(calls.doAction({ type: "drop-tables" }) as AsyncIterable<unknown>))).toContain(
      "server-info",
    );
    calls.close();
  });

  test("schema describes every version, and says whether a client's schema fits", async () => {
    type Answer = {
      schemas: Array<{
        schema_version: number;
        fields: FieldDescription[];
        compatible?: boolean;
        problems?: string[];
      }>;
    };
    const described = await actionJson<Answer>(processor.flight, "schema");
    expect(described.schemas.map(({ schema_version }) => schema_version)).toEqual([1, 2]);
    expect(described.schemas.map(({ fields }) => fields)).toEqual([describeSchema(1).fields, describeSchema(2).fields]);
    expect(described.schemas[0]!.fields).toHaveLength(18);
    const calls = flightCalls(processor.flight);
    const { schema } = await calls.getSchema({ type: 2, cmd: Buffer.from(JSON.stringify(WHOLE)) });
    calls.close();
    const fit = await actionJson<Answer>(processor.flight, "schema", {
      schema: Buffer.from(schema).toString("base64"),
    });
    expect(fit.schemas.map(({ compatible }) => compatible)).toEqual([true, false]);
    expect(fit.schemas[1]!.problems!.join()).toContain("key_xdr");
    expect(await failureMessage(actionJson(processor.flight, "schema", { schema: "AAAA" }))).toContain(
      "IPC schema message",
    );
    expect(await failureMessage(actionJson(processor.flight, "schema", { color: 1 }))).toContain('"color"');
  });

  test("server-info says what is offered", async () => {
    const info = await actionJson<Record<string, unknown>>(processor.flight, "server-info");
    expect(info).toMatchObject({ schema_versions: [1, 2], compressions: ["none", "lz4", "zstd"] });
    expect(info.ranges).toMatchObject({ offered: true, ledger_latest: SAMPLE.last });
  });
});

test("what a read-only server does not offer answers UNIMPLEMENTED with a sentence", async () => {
  const calls = flightCalls(processor.flight);
  for (const open of [() => calls.doPut(), () => calls.doExchange(), () => calls.handshake()]) {
    const call = open();
    call.end();
    expect(await failureMessage(collect(call as AsyncIterable<unknown>))).toContain("is not offered");
  }
  calls.close();
});

test("a live stream as source refuses ranges, with the remedy", async () => {
  const live = await startProcessor(["--source-endpoint=127.0.0.1:9", "--worker-count=1"]);
  try {
    const { error } = await readRows(live.flight, WHOLE);
    expect(`${error!.code} ${error!.reason}`).toBe("FAILED_PRECONDITION SOURCE_NOT_SEEKABLE");
    expect(error!.message).toContain("SOURCE_ENDPOINT");
    const info = await actionJson<{ ranges: { offered: boolean } }>(live.flight, "server-info");
    expect(info.ranges.offered).toBe(false);
  } finally {
    expect(await live.stop()).toBe(0);
  }
});
