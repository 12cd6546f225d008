/** What a failed connection means, in the terms of somebody who typed an address. */
import type { ChannelCredentials } from "@grpc/grpc-js";
import { CodedError } from "../error.ts";
import { TlsCredentials } from "./tls-credentials.ts";
import { tlsSentence } from "./tls-fault.ts";

/** A server of ours as a command calls it. */
interface Peer {
  /** Such as `control server`, for sentences. */
  what: string;
  /** host:port, as it was dialled. */
  address: string;
  /** The setting that names its port, and the port that it has by default: `GRPC_ADDRESS, 50054 by default`. */
  port: string;
  credentials: ChannelCredentials;
}

/** As the commands name them. */
const FLAGS = { ca: "--ca-file", cert: "--cert-file", key: "--key-file" };

/**
 * The error of a call that ended without an answer from a server; any other error as it is.
 *
 * @param error what `errorOf` made of the call's end
 * @returns UNAVAILABLE / SERVER_TLS where the TLS handshake has failed, UNAVAILABLE / WRONG_PORT where something answers that is not gRPC, UNAVAILABLE / SERVER_UNREACHABLE where
 * nobody answers; both keep what grpc-js said as the cause
 */
export function explainUnreachable(error: unknown, { what, address, port, credentials }: Peer): unknown {
  if (!(error instanceof CodedError) || error.reason !== "GRPC_UNAVAILABLE") return error;
  const isPlain = !(credentials instanceof TlsCredentials);
  const tlsFault = isPlain ? plainFault(error.message) : tlsSentence(credentials.failure, FLAGS);
  if (tlsFault !== undefined) {
    return new CodedError("UNAVAILABLE", "SERVER_TLS", `the ${what} at ${address}: ${tlsFault}`, { cause: error });
  }
  if (/Protocol error|NGHTTP2_PROTOCOL_ERROR|HTTP_1_1_REQUIRED/.test(error.message)) {
    const sentence = `what answers at ${address} does not speak gRPC (an HTTP port?): the ${what} is at the port of ${port}`;
    return new CodedError("UNAVAILABLE", "WRONG_PORT", sentence, { cause: error });
  }
  const sentence = `cannot reach the ${what} at ${address}: is it running? Start one with "contract-data-processor serve", or name another with --address`;
  return new CodedError("UNAVAILABLE", "SERVER_UNREACHABLE", sentence, { cause: error });
}

/** grpc-js says so where a connection is made, and ended before anything comes. */
function plainFault(message: string): string | undefined {
  if (!message.includes("Last error: Failed to connect")) return undefined;
  return "it ends each connection before it says anything; does it speak TLS? Then give --ca-file FILE with its authority, or --tls where that is a public one";
}
