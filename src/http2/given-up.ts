/** What a client is told whose connection the server ends. */
import { CodedError } from "../error.ts";
import { Http2ErrorCode } from "./http2-frames.ts";

/** What GOAWAY says where node:http2 has ended its session; it does not tell for which of the two. */
export const GIVEN_UP = "the server gives this connection up: a ping had no answer in time, or a frame was wrong";
/** What it says where the client has just sent something. */
export const FAULT =
  "a frame was wrong, or there were more calls at once than the connection may have (CONNECTION_STREAMS_MAX)";

/** The error code of RFC 9113 section 7 that goes with an error. */
export function goawayCodeOf(error: Error): number {
  if (!(error instanceof CodedError)) return Http2ErrorCode.NO_ERROR;
  if (error.code === "RESOURCE_EXHAUSTED") return Http2ErrorCode.ENHANCE_YOUR_CALM;
  return error.code === "INVALID_ARGUMENT" ? Http2ErrorCode.PROTOCOL_ERROR : Http2ErrorCode.NO_ERROR;
}
