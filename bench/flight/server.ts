/**
 * Our Flight server of `make bench-flight`: the service's transport, codec and DoGet loop with all work-arounds, over
 * one batch in memory; the ticket is "<body bytes>:<batches>". With the files of a certificate and its key it speaks TLS.
 * Prints its port.
 */
import { readFileSync } from "node:fs";
import * as grpc from "@grpc/grpc-js";
import { Field, Int64, makeData, RecordBatch, Schema, Struct, Table, tableToIPC } from "apache-arrow";
import { addFlightService } from "../../src/flight/flight-server.ts";
import type { FlightProducer, OutgoingBatch, OutgoingStream } from "../../src/flight/producer.ts";
import { grpcServerOptions, listenGrpc } from "../../src/grpc/listen.ts";
import { messagesOf } from "../../test/flight/conformance-fixture.ts";

const none = async (): Promise<never> => {
  throw new Error("DoGet only");
};

const producer: FlightProducer = {
  actions: [],
  listFlights: none,
  getFlightInfo: none,
  pollFlightInfo: none,
  getSchema: none,
  async doGet(ticket): Promise<OutgoingStream> {
    const [bytes, batches] = Buffer.from(ticket).toString().split(":").map(Number) as [number, number];
    const schema = new Schema([new Field("number", new Int64(), true)]);
    const child = makeData({
      type: new Int64(),
      length: bytes / 8,
      data: new BigInt64Array(bytes / 8).map((_, i) => BigInt(i)),
    });
    const data = makeData({ type: new Struct(schema.fields), length: bytes / 8, children: [child] });
    const [opening, batch] = messagesOf(tableToIPC(new Table(schema, new RecordBatch(schema, data)), "stream"));
    const outgoing: OutgoingBatch = { message: batch!, rows: bytes / 8, release: () => {} };
    let left = batches;
    return { opening: [opening!], next: async () => (left-- > 0 ? outgoing : undefined), close: () => {} };
  },
};

const server = new grpc.Server(grpcServerOptions());
addFlightService(server, producer, { onUnexpected: (error, method) => console.error(method, error) });
const [cert, key] = process.argv.slice(2).map((file) => readFileSync(file, "utf8"));
const tls = cert === undefined || key === undefined ? undefined : { cert, key, requiresClientCert: false };
const { port } = await listenGrpc(server, { host: "127.0.0.1", port: 0, tls });
console.log(port);
