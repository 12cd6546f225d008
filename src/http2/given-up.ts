/** What a client is told whose connection the server ends. */
import { CodedError } from "../error.ts";
import { Http2ErrorCode } from "./http2-frames.ts";

/** What GOAWAY says where node:http2 has ended its session; it does not tell for which of the two. */
export const GIVEN_UP = "the server gives this connection up: a ping had no answer in time, or a frame was wrong";
/** What it says where the client has just sent something. */
export const FAULT =
  "a frame was wrong, or there were more calls at once than the connection may have (CONNECTION_STREAMS_MAX)";

/** A header block that cannot be read: later ones refer to it, so that the connection ends (RFC 9113 section 4.3). */
export class HeaderBlockError extends CodedError {
  constructor(message: string) {
    super("INVALID_ARGUMENT", "HTTP2_PROTOCOL", message);
  }
}

/** The error code of RFC 9113 section 7 that goes with an error. */
export function goawayCodeOf(error: Error): number {
  if (!(error instanceof CodedError)) return Http2ErrorCode.NO_ERROR;
  if (error instanceof HeaderBlockError) return Http2ErrorCode.COMPRESSION_ERROR;
  if (error.code === "RESOURCE_EXHAUSTED") return Http2ErrorCode.ENHANCE_YOUR_CALM;
  return error.code === "INVALID_ARGUMENT" ? Http2ErrorCode.PROTOCOL_ERROR : Http2ErrorCode.NO_ERROR;
}
