/** Rows over HTTP against the real server: each form has the rows of the oracle, of `decode` and of Flight. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { tableFromIPC } from "apache-arrow";
import { connectControl } from "../../src/control/client.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import { ArrowCells } from "../../src/rows/arrow-cells.ts";
import { registerBodyCodecs } from "../../src/rows/body-codecs.ts";
import { clientLine, readGolden } from "../support/goldens.ts";
import { type Processor, ROOT, runCommand, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { csvRows, sseEvents } from "./text.ts";

const WHOLE = `start_ledger=${SAMPLE.first}&end_ledger=${SAMPLE.last}`;

let processor: Processor;
let flight: FlightClient;
beforeAll(async () => {
  processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`, "--include-deleted", "--worker-count=2"]);
  flight = new FlightClient(processor.flight);
  registerBodyCodecs();
});
afterAll(async () => {
  flight.close();
  expect(await processor.stop()).toBe(0);
});

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(`http://${processor.http}${path}`, { headers });

async function rangeText(query: string, headers: Record<string, string> = {}): Promise<string> {
  const response = await get(`/v1/rows?${WHOLE}&${query}`, headers);
  expect(response.status).toBe(200);
  return response.text();
}

const linesOf = (text: string) => text.split("\n").filter((line) => line !== "");

async function decoded(schemaVersion: number): Promise<string> {
  const flags = ["--format", "ndjson", "--schema-version", String(schemaVersion)];
  return (await runCommand(["decode", SAMPLE.folder, ...flags])).stdout;
}

/** The rows that Flight gives for a ticket, in the form of ndjson. */
async function flightLines(ticket: object): Promise<string[]> {
  const lines: string[] = [];
  for await (const { table } of flight.doGet(Buffer.from(JSON.stringify(ticket)))) {
    const cells = new ArrowCells(table);
    for (let row = 0; row < table.numRows; row++) lines.push(cells.json(row));
  }
  return lines;
}

async function startSession(request: object): Promise<string> {
  const control = connectControl(processor.control);
  const whole = { startLedger: SAMPLE.first, endLedger: SAMPLE.last };
  const { sessionId } = await control.startProcessing({ ...whole, ...request });
  control.close();
  return sessionId;
}

describe("a range", () => {
  for (const version of [1, 2]) {
    test(`of schema version ${version} has decode's rows in each form`, async () => {
      const query = `schema_version=${version}&batch_size=50`;
      const expected = await decoded(version);
      expect(await rangeText(query)).toBe(expected);
      const lines = linesOf(expected);
      const events = sseEvents(await rangeText(query, { Accept: "text/event-stream" }));
      expect(events.filter(({ event }) => event === "message").flatMap(({ data }) => data.split("\n"))).toEqual(lines);
      expect(events.at(-1)?.event).toBe("end");
      const arrow = await get(`/v1/rows?${WHOLE}&${query}`, { Accept: "application/vnd.apache.arrow.stream" });
      const table = tableFromIPC(new Uint8Array(await arrow.arrayBuffer()));
      const cells = new ArrowCells(table);
      expect(Array.from({ length: table.numRows }, (_, row) => cells.json(row))).toEqual(lines);
      const [names, ...rows] = csvRows(await rangeText(`${query}&format=csv`));
      const asText = (name: string, value: unknown) => {
        if (value === null) return null;
        return name.endsWith("_json") ? JSON.stringify(value) : String(value);
      };
      expect(rows.map((row) => row.map((cell, index) => [names![index], cell]))).toEqual(
        lines.map((line) =>
          Object.entries(JSON.parse(line) as object).map(([name, value]) => [name, asText(name, value)]),
        ),
      );
    });
  }

  test("has the oracle's rows", async () => {
    const golden = readGolden(join(ROOT, "sample", "lake.tsv")).map(clientLine);
    const rows = linesOf(await rangeText("")).map((line) => JSON.parse(line) as Record<string, unknown>);
    const cell = (name: string, value: unknown) => {
      if (name === "closed_at") return `${Date.parse(String(value)) / 1000}000000`;
      return value === null ? "\\N" : String(value);
    };
    const text = rows.map((row) =>
      Object.entries(row)
        .slice(0, 17)
        .map(([name, value]) => cell(name, value))
        .join("\t"),
    );
    expect(text).toEqual(golden);
  });

  test("is filtered, sharded and projected as Flight's", async () => {
    const range = { start_ledger: SAMPLE.first, end_ledger: SAMPLE.last };
    const contract = readGolden(join(ROOT, "sample", "lake.tsv"))[0]![6]!;
    for (const [query, ticket] of [
      [`contract_ids=${contract}`, { filters: { contract_ids: [contract] } }],
      [
        "include_deleted=false&durability=persistent",
        { filters: { include_deleted: false, durability: "persistent" } },
      ],
      [
        "schema_version=2&balances=true&min_balance=5",
        { schema_version: 2, filters: { balances: true, min_balance: "5" } },
      ],
      ["shard=0/2", { shard: { index: 0, count: 2 } }],
      ["columns=ledger_sequence,deleted", { columns: ["ledger_sequence", "deleted"] }],
      ["change_types=created&change_types=removed", { filters: { change_types: ["created", "removed"] } }],
      ["schema_version=2&compression=zstd", { schema_version: 2 }],
      ["schema_version=2&compression=lz4&dictionaries=false", { schema_version: 2 }],
    ] as const) {
      const expected = await flightLines({ ...range, ...ticket });
      expect(expected.length, query).toBeGreaterThan(0);
      expect(linesOf(await rangeText(query)), query).toEqual(expected);
    }
  });

  test("goes on at the id of any event, with no row lost or doubled", async () => {
    const headers = { Accept: "text/event-stream" };
    const whole = sseEvents(await rangeText("batch_size=50", headers));
    const rowsOf = (events: typeof whole) => events.filter(({ event }) => event === "message").map(({ data }) => data);
    for (const [index, { id, event }] of whole.entries()) {
      if (event === "end") continue;
      const rest = await get(`/v1/rows?${WHOLE}&batch_size=50`, { ...headers, "Last-Event-ID": id! });
      const expected = rowsOf(whole.slice(index + 1));
      expect(rest.status).toBe(expected.length === 0 ? 204 : 200); // 204 tells a browser to come no more
      const ndjson = await rangeText(`from=${id}`);
      expect([rowsOf(sseEvents(await rest.text())).join("\n"), ndjson.trimEnd()]).toEqual(
        Array(2).fill(expected.join("\n")),
      );
    }
  });

  test("of schema version 1 has keys and values decoded on demand, as version 2 has them", async () => {
    const parsed = async (query: string) =>
      linesOf(await rangeText(query)).map((line) => JSON.parse(line) as Record<string, unknown>);
    const [first, plain, second] = await Promise.all(["decoded=true", "", "schema_version=2&decoded=true"].map(parsed));
    const json = ({ key_json, val_json }: Record<string, unknown>) => [key_json, val_json];
    expect(first!.map(json)).toEqual(second!.map(json));
    expect(first!.map(({ key_json, val_json, ...rest }) => rest)).toEqual(plain!);
    expect(plain![0]).not.toHaveProperty("key_json");
  });

  test("is compressed as the client accepts", async () => {
    const plain = await rangeText("");
    const body = async (encoding: string) => {
      const response = await fetch(`http://${processor.http}/v1/rows?${WHOLE}`, {
        headers: { "Accept-Encoding": encoding },
        decompress: false,
      } as RequestInit);
      return [response.headers.get("content-encoding"), new Uint8Array(await response.arrayBuffer())] as const;
    };
    const [gzip, gzipped] = await body("gzip, deflate, br, zstd");
    expect([gzip, gunzipSync(gzipped).toString()]).toEqual(["gzip", plain]);
    const [zstd, packed] = await body("gzip;q=0.5, zstd");
    expect([zstd, zstdDecompressSync(packed).toString()]).toEqual(["zstd", plain]);
    const [none, bytes] = await body("gzip;q=0");
    expect([none, Buffer.from(bytes).toString()]).toEqual([null, plain]);
  });
});

describe("a session", () => {
  test("has its rows, whatever it is encoded with; each partition its own", async () => {
    for (const request of [{}, { schemaVersion: 2, compression: "lz4" }, { schemaVersion: 2, batchSize: 7 }]) {
      const session = await startSession(request);
      const response = await get(`/v1/sessions/${session}/rows?from=start`);
      expect(response.headers.get("cursor")).not.toBeNull();
      expect(await response.text()).toBe(await decoded(request.schemaVersion ?? 1));
    }
    const shared = await startSession({ partitions: 2 });
    const parts = await Promise.all(
      [0, 1].map(async (index) => (await get(`/v1/sessions/${shared}/rows?from=start&shard=${index}/2`)).text()),
    );
    expect(parts.flatMap(linesOf).sort()).toEqual(linesOf(await decoded(1)).sort());
    const { status } = await get(`/v1/sessions/${shared}/rows`);
    expect(status).toBe(409);
  });
});

test("rows of ttl are the oracle's, of a range and of a session", async () => {
  const golden = readGolden(join(ROOT, "test", "fixtures", "ledgers", "sample.ttl.tsv"));
  const session = await startSession({ datasets: ["contract_data", "ttl"] });
  const rangeLines = linesOf(await rangeText("dataset=ttl"));
  const sessionLines = linesOf(await (await get(`/v1/sessions/${session}/rows?dataset=ttl&from=start`)).text());
  expect(sessionLines).toEqual(rangeLines);
  const textOf = (value: unknown) => (value === null ? "" : String(value));
  expect(rangeLines.map((line) => Object.values(JSON.parse(line)).map(textOf))).toEqual(golden);
  const [row] = linesOf(await rangeText("dataset=ttl&decoded=true")).map((line) => JSON.parse(line));
  expect(row.key_json).toBeDefined();
  expect("val_json" in row).toBe(false);
  expect(csvRows(await rangeText("dataset=ttl&format=csv")).length).toBe(golden.length + 1);
});

test("what is wrong with a request has a status, a reason and a sentence", async () => {
  const session = await startSession({});
  for (const [path, status, reason] of [
    ["/v1/rows?start_ledger=1&end_ledger=2&colour=red", 400, "QUERY"],
    ["/v1/rows?start_ledger=x&end_ledger=2", 400, "QUERY"],
    ["/v1/rows?start_ledger=1&start_ledger=2&end_ledger=2", 400, "QUERY"],
    ["/v1/rows?end_ledger=2", 400, "KEY_MISSING"],
    ["/v1/rows?start_ledger=1", 400, "KEY_MISSING"],
    [`/v1/rows?${WHOLE}&format=csv&format=ndjson`, 400, "QUERY"],
    [`/v1/rows?${WHOLE}&contract_ids=`, 400, "QUERY"],
    [`/v1/rows?${WHOLE}&asset_codes=,&format=csv`, 400, "QUERY"],
    [`/v1/rows?${WHOLE}&format=csv&decoded=true`, 400, "QUERY"],
    ["/v1/nothing", 404, "PATH"],
    [`/v1/rows?${WHOLE}&format=xml`, 400, "FORMAT"],
    [`/v1/rows?${WHOLE}&decoded=yes`, 400, "QUERY"],
    [`/v1/rows?${WHOLE}&contract_ids=nobody`, 400, "INVALID_STRKEY"],
    [`/v1/rows?${WHOLE}&from=nowhere`, 400, "CURSOR_INVALID"],
    [`/v1/rows?${WHOLE}&dataset=code`, 400, "KEY_INVALID"],
    [`/v1/rows?${WHOLE}&dataset=ttl&balances=true`, 400, "KEY_INVALID"],
    ["/v1/rows?start_ledger=1&end_ledger=2", 416, "LEDGER_BEFORE_SOURCE"],
    ["/v1/sessions/none/rows", 404, "SESSION_UNKNOWN"],
    [`/v1/sessions/${session}/rows?schema_version=2`, 409, "SESSION_ENCODING"],
    [`/v1/sessions/${session}/rows?contract_ids=C`, 400, "QUERY"],
    [`/v1/sessions/${session}/rows?dataset=ttl`, 409, "DATASET_OF_SESSION"],
    [`/v1/sessions/${session}/rows?shard=0/3`, 409, "PARTITION_OF_SESSION"],
  ] as const) {
    const response = await get(path);
    const { error } = (await response.json()) as { error: { code: string; reason: string; message: string } };
    expect([path, response.status, error.reason]).toEqual([path, status, reason]);
    expect(error.message.length).toBeGreaterThan(10);
    expect(error.message).not.toContain("the ticket"); // which is of Flight
    const head = await fetch(`http://${processor.http}${path}`, { method: "HEAD" });
    expect([path, head.status, await head.text()]).toEqual([path, status, ""]);
  }
  expect((await get(`/v1/rows?${WHOLE}`, { Host: "stranger.example" })).status).toBe(403);
  for (const [method, path, allow] of [
    ["DELETE", `/v1/rows?${WHOLE}`, "GET, HEAD, POST"],
    ["GET", "/v1/sessions", "POST"],
    ["GET", `/v1/sessions/${session}`, "DELETE"],
    ["GET", `/v1/sessions/${session}/stop`, "POST"],
  ] as const) {
    const other = await fetch(`http://${processor.http}${path}`, { method });
    const { error } = (await other.json()) as { error: { reason: string } };
    expect([path, other.status, other.headers.get("allow"), error.reason]).toEqual([path, 405, allow, "METHOD"]);
  }
});

test("answers are of the kinds that /openapi.json says", async () => {
  interface Described {
    responses: Record<string, { content?: Record<string, unknown> }>;
  }
  const described = (await (await get("/openapi.json")).json()) as { paths: Record<string, { get?: Described }> };
  for (const [path, { get: known }] of Object.entries(described.paths)) {
    if (known === undefined) continue;
    const queries = path.endsWith("/rows")
      ? ["", ...["ndjson", "csv", "arrow", "sse"].map((each) => `?${WHOLE}&format=${each}`)]
      : [""];
    for (const query of path === "/v1/sessions/{id}/rows" ? [""] : queries) {
      const { status, headers, body } = await get(path.replace("{id}", "none") + query);
      await body?.cancel();
      const { content = {} } = known.responses[status] ?? known.responses.default ?? {};
      const types = Object.keys(content).map((type) => type.split(";")[0]!);
      expect([path + query, types]).toEqual([
        path + query,
        expect.arrayContaining([headers.get("content-type")!.split(";")[0]!]),
      ]);
    }
  }
});

test("an address has room for 280 contracts, and a longer one is 431", async () => {
  const contract = readGolden(join(ROOT, "sample", "lake.tsv"))[0]![6]!;
  const ask = (count: number) => get(`/v1/rows?${WHOLE}&contract_ids=${Array(count).fill(contract).join(",")}`);
  const [fits, over] = [await ask(280), await ask(300)];
  expect([fits.status, over.status]).toEqual([200, 431]);
  expect(linesOf(await fits.text())).toEqual(linesOf(await rangeText(`contract_ids=${contract}`)));
});

test("HEAD has the headers of GET, and leaves no reader behind", async () => {
  for (const format of ["ndjson", "csv", "arrow", "sse"]) {
    const path = `http://${processor.http}/v1/rows?${WHOLE}&format=${format}`;
    const [head, whole] = [await fetch(path, { method: "HEAD" }), await fetch(path)];
    const told = ({ status, headers }: Response) => [
      status,
      ...["content-type", "content-encoding", "vary", "cursor"].map((name) => headers.get(name)),
    ];
    expect(told(head)).toEqual(told(whole));
    expect(await head.text()).toBe("");
    await whole.text();
  }
  const metrics = async () => (await get("/metrics")).text();
  await until(async () => (await metrics()).includes("\ncontract_data_flight_clients_connected 0\n"), "no reader");
});

test.each([
  ["application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.stream"],
  ["TEXT/CSV", "text/csv; charset=utf-8; header=present"],
  ["text/csv; header=present", "text/csv; charset=utf-8; header=present"],
  ["text/csv;q=0.1, application/x-ndjson;q=0.5", "application/x-ndjson"],
  ["application/jsonl", "application/x-ndjson"],
  ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/x-ndjson"],
  ["image/png", "application/x-ndjson"],
  ["", "application/x-ndjson"],
  [";;,q=", "application/x-ndjson"],
])("who accepts %j gets %s", async (accept, type) => {
  const response = await get(`/v1/rows?${WHOLE}&columns=deleted`, { Accept: accept });
  expect([response.status, response.headers.get("content-type")]).toEqual([200, type]);
  await response.body?.cancel();
});
