/** How a call ends: the status that the server's trailers say, or the one that gRPC gives to what happened in their place. */
import * as grpc from "@grpc/grpc-js";
import type { Header } from "../../http2/hpack/static-table.ts";
import { Http2ErrorCode } from "../../http2/http2-frames.ts";

/** A status as it came over the wire. */
export interface CallStatus {
  code: grpc.status;
  details: string;
  /** What our own servers send with it. */
  reason?: string;
}

/** An answer that breaks gRPC's rules, or one over a limit: it ends the call with a status. */
export class CallFault extends Error {
  constructor(
    readonly code: grpc.status,
    message: string,
  ) {
    super(message);
    this.name = "CallFault";
  }
}

/** By gRPC's doc/http-grpc-status-mapping.md; UNKNOWN for all others. */
const OF_HTTP_STATUS: Readonly<Record<string, grpc.status>> = {
  "400": grpc.status.INTERNAL,
  "401": grpc.status.UNAUTHENTICATED,
  "403": grpc.status.PERMISSION_DENIED,
  "404": grpc.status.UNIMPLEMENTED,
  "429": grpc.status.UNAVAILABLE,
  "502": grpc.status.UNAVAILABLE,
  "503": grpc.status.UNAVAILABLE,
  "504": grpc.status.UNAVAILABLE,
};

/** By gRPC's doc/PROTOCOL-HTTP2.md; INTERNAL for all others. */
const OF_RESET: Readonly<Record<number, grpc.status>> = {
  [Http2ErrorCode.REFUSED_STREAM]: grpc.status.UNAVAILABLE,
  [Http2ErrorCode.CANCEL]: grpc.status.CANCELLED,
  [Http2ErrorCode.ENHANCE_YOUR_CALM]: grpc.status.RESOURCE_EXHAUSTED,
  [Http2ErrorCode.INADEQUATE_SECURITY]: grpc.status.PERMISSION_DENIED,
};

/** What the headers or trailers say with which a stream ends. */
export function statusOfTrailers(headers: readonly Header[]): CallStatus {
  const code = headerValue(headers, "grpc-status");
  if (code === undefined || !/^\d{1,3}$/.test(code)) {
    return statusOfHeaders(headers) ?? { code: grpc.status.UNKNOWN, details: "the stream ended without a status" };
  }
  const details = percentDecoded(headerValue(headers, "grpc-message") ?? "");
  return { code: Number(code) as grpc.status, details, reason: headerValue(headers, "reason") };
}

/** What is wrong with the headers that an answer begins with; undefined where it is one of gRPC. */
export function statusOfHeaders(headers: readonly Header[]): CallStatus | undefined {
  const status = headerValue(headers, ":status");
  if (status?.startsWith("1")) return undefined; // the answer is yet to come
  if (status !== undefined && status !== "200") {
    return { code: OF_HTTP_STATUS[status] ?? grpc.status.UNKNOWN, details: `Received HTTP status code ${status}` };
  }
  const type = headerValue(headers, "content-type");
  if (type === undefined || type.startsWith("application/grpc")) return undefined;
  return { code: grpc.status.UNKNOWN, details: `it answers with content of type ${type}, which is not gRPC` };
}

/** What it means that the server has given a stream up. */
export function statusOfReset(code: number): CallStatus {
  return {
    code: OF_RESET[code] ?? grpc.status.INTERNAL,
    details: `the source ended the stream with HTTP/2 code ${code}`,
  };
}

/** The first header of that name. */
export function headerValue(headers: readonly Header[], name: string): string | undefined {
  return headers.find((header) => header[0] === name)?.[1];
}

/** gRPC's form of a text: UTF-8, with what is not printable ASCII as %XX. What is not of that form stays as it is. */
function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
