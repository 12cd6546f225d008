/**
 * The body of every batch begins at a multiple of 8 bytes in its FlightData message: measured on the messages as they
 * come over the wire, and by what pyarrow makes of them.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as grpc from "@grpc/grpc-js";
import { alignedHeader, alignedMetadata } from "../../src/delivery/body-alignment.ts";
import { decodeFlightData, encodeFlightData } from "../../src/flight/flight-data.ts";
import { pythonInterpreter, runClient } from "../clients/toolchain.ts";
import { type Processor, SAMPLE, startProcessor } from "../support/processor.ts";

let processor: Processor;
beforeAll(async () => {
  processor = await startProcessor([
    ...[`--source-endpoint=${SAMPLE.folder}`, `--start-ledger=${SAMPLE.first}`, `--end-ledger=${SAMPLE.last}`],
    ...["--include-deleted", "--worker-count=2"],
  ]);
});
afterAll(async () => {
  expect(await processor.stop()).toBe(0);
});

/** The messages of a DoGet, as bytes. */
async function messagesOf(ticket: object | string): Promise<Uint8Array[]> {
  const client = new grpc.Client(processor.flight, grpc.credentials.createInsecure());
  const bytes = Buffer.from(typeof ticket === "string" ? ticket : JSON.stringify(ticket));
  const request = Buffer.concat([Uint8Array.of(0x0a, ...varint(bytes.length)), bytes]); // Ticket.ticket
  const path = "/arrow.flight.protocol.FlightService/DoGet";
  const same = (buffer: Buffer) => buffer;
  const messages: Uint8Array[] = [];
  try {
    for await (const message of client.makeServerStreamRequest(path, same, same, request)) messages.push(message);
  } finally {
    client.close();
  }
  return messages;
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

/** Where the body begins in the message; undefined where it has none. */
function bodyOffset(message: Uint8Array): number | undefined {
  const { dataBody } = decodeFlightData(message);
  return dataBody === undefined || dataBody.length === 0 ? undefined : dataBody.byteOffset - message.byteOffset;
}

const range = { start_ledger: SAMPLE.first, end_ledger: SAMPLE.last, filters: { include_deleted: true } };

describe("every body of", () => {
  const asked: [string, object | string][] = [["the newest session", "contract-data-stream"]];
  for (const schema_version of [1, 2]) {
    for (const compression of ["none", "lz4", "zstd"]) {
      const name = `version ${schema_version}, compression ${compression}`;
      asked.push([name, { ...range, schema_version, compression, batch_size: 3 }]);
    }
  }
  asked.push(["one column", { ...range, columns: ["balance"], batch_size: 1 }]);
  test.each(asked)("%s", async (_, ticket) => {
    const offsets = (await messagesOf(ticket)).map(bodyOffset).filter((offset) => offset !== undefined);
    expect(offsets.length).toBeGreaterThan(0);
    expect(offsets.map((offset) => offset % 8)).toEqual(offsets.map(() => 0));
  });
});

const python = await pythonInterpreter();
if (python.missing !== undefined) console.warn(`skipped: ${python.missing}`);

test.skipIf(python.command === undefined)("pyarrow reads the padded messages, metadata and dictionaries", async () => {
  const script = `
import json, sys
import pyarrow.flight as flight
client = flight.connect("grpc://" + sys.argv[1])
rows = 0
for chunk in client.do_get(flight.Ticket(sys.argv[2])):
    chunk.data.validate(full=True)
    assert json.loads(chunk.app_metadata.to_pybytes())["rows"] == chunk.data.num_rows
    rows += chunk.data.num_rows
print(json.dumps({"rows": rows}))
`;
  const ticket = JSON.stringify({ ...range, schema_version: 2, batch_size: 3 });
  const run = await runClient({ command: python.command! }, ["-c", script, processor.flight, ticket]);
  expect(run.exitCode, run.stderr).toBe(0);
  expect(run.results[0]!.rows).toBe(SAMPLE.rows);
});

test("any lengths of header, metadata and body", () => {
  for (const body of [1, 8, 127, 128, 16_383, 16_384, 2 << 20]) {
    const dataBody = new Uint8Array(body);
    for (let length = 1; length < 300; length++) {
      const dataHeader = alignedHeader(new Uint8Array(length), body);
      expect(bodyOffset(encodeFlightData({ dataHeader, dataBody }))! % 8).toBe(0);
      const json = Buffer.from(`{"a":"${"b".repeat(length)}"}`);
      const appMetadata = alignedMetadata(json, 300 - length, body);
      const message = { dataHeader: new Uint8Array(300 - length), appMetadata, dataBody };
      expect(bodyOffset(encodeFlightData(message))! % 8).toBe(0);
      expect(JSON.parse(Buffer.from(appMetadata).toString())).toEqual({ a: "b".repeat(length) });
      expect(appMetadata.length - json.length).toBeLessThan(16);
    }
  }
});
