/** Compressed gRPC messages. */
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import * as grpc from "@grpc/grpc-js";
import { CallFault } from "./call-status.ts";

const inflate = promisify<Uint8Array, { maxOutputLength: number }, Buffer>(gunzip);

/**
 * A message that says it is compressed, inflated on a thread of the runtime's.
 * @param encoding the answer's `grpc-encoding`; gzip alone is understood, and nothing else is asked for
 * @throws CallFault
 */
export async function gunzipped(bytes: Uint8Array, encoding: string | undefined, bytesMax: number): Promise<Buffer> {
  if (encoding !== "gzip") {
    const sentence = `it compresses messages as "${encoding ?? "nothing"}"; only gzip is understood`;
    throw new CallFault(grpc.status.UNIMPLEMENTED, sentence);
  }
  try {
    return await inflate(bytes, { maxOutputLength: bytesMax });
  } catch (thrown) {
    if ((thrown as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE") {
      throw new CallFault(grpc.status.RESOURCE_EXHAUSTED, `a message is larger than max ${bytesMax} B once inflated`);
    }
    throw new CallFault(grpc.status.INTERNAL, `a message is no gzip: ${(thrown as Error).message}`);
  }
}
