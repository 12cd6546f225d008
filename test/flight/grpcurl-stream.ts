/** Reads a whole DoGet through grpcurl, which writes each message as JSON with its bytes in base64. */
import { Message, type RecordBatch } from "apache-arrow";
import { FlightService } from "../../src/grpc/generated/flight.ts";
import { grpcurlPath } from "../support/grpcurl.ts";

/** What there was, as the other clients of stream-bytes.ts say it. */
interface Stream {
  rows: number;
  batches: number;
  /** Of all message bodies. */
  bytes: number;
  seconds: number;
  error?: string;
}

/** @param flags of grpcurl, for TLS */
export async function streamByGrpcurl(
  address: string,
  ticket: string,
  flags: string[],
  secondsMax: number,
): Promise<Stream> {
  const begun = performance.now();
  const request = JSON.stringify({ ticket: Buffer.from(ticket).toString("base64") });
  const args = [...flags, "-max-time", String(secondsMax), "-d", request, address];
  const child = Bun.spawn([grpcurlPath(), ...args, `${FlightService.typeName}/DoGet`], { stderr: "pipe" });
  const stream = { rows: 0, batches: 0, bytes: 0, seconds: 0 };
  for await (const line of linesOf(child.stdout)) {
    const header = fieldOf(line, "dataHeader");
    if (header !== undefined) {
      const message = Message.decode(Buffer.from(header, "base64"));
      if (!message.isRecordBatch()) continue;
      stream.rows += Number((message.header() as unknown as RecordBatch & { length: number }).length); // its metadata
      stream.batches++;
    }
    stream.bytes += Buffer.byteLength(fieldOf(line, "dataBody") ?? "", "base64");
  }
  const said = await new Response(child.stderr).text();
  stream.seconds = (performance.now() - begun) / 1000;
  return (await child.exited) === 0 ? stream : { ...stream, error: said.slice(-500) };
}

/** The value of a field, on a line of its own. */
function fieldOf(line: string, field: string): string | undefined {
  const before = `  "${field}": "`;
  if (!line.startsWith(before)) return undefined;
  return line.slice(before.length, line.lastIndexOf('"'));
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  for await (const bytes of stream) {
    const chunk = Buffer.from(bytes);
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      yield Buffer.concat([...parts, chunk.subarray(from, end)]).toString("latin1");
      parts = [];
      from = end + 1;
    }
    if (from < chunk.length) parts.push(chunk.subarray(from));
  }
}
