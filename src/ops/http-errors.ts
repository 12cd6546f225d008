/** Errors as answers of HTTP. */
import { quoted } from "../base/text.ts";
import type { Code } from "../codes.ts";
import { CodedError } from "../error.ts";
import type { OpsHono } from "./ops-hono.ts";

const STATUS = {
  CANCELLED: 499, // "client closed request", as web servers log it
  INVALID_ARGUMENT: 400,
  DEADLINE_EXCEEDED: 504,
  NOT_FOUND: 404,
  PERMISSION_DENIED: 403,
  RESOURCE_EXHAUSTED: 429,
  FAILED_PRECONDITION: 409,
  OUT_OF_RANGE: 416,
  UNIMPLEMENTED: 501,
  INTERNAL: 500,
  UNAVAILABLE: 503,
  DATA_LOSS: 500,
  UNAUTHENTICATED: 401,
} as const satisfies Record<Code, number>;

/** Paths below it answer for programs, with `errorJson`. */
export const API_ROOT = "/v1/";

/** The status that stands for a gRPC code. */
export function httpStatusOf({ code }: CodedError): (typeof STATUS)[Code] {
  return STATUS[code];
}

/** `{"error":{"code","reason","message"}}`, as a body. */
export function errorJson(error: CodedError): { error: { code: Code; reason: string; message: string } } {
  return { error: error.toRecord() };
}

/**
 * Answers every other method of a path below API_ROOT with 405; call it when the path has its routes.
 * @param allow the methods that there are, as the header Allow has them
 * @param what they do, behind `POST …`
 */
export function refuseOtherMethods(app: OpsHono, path: string, allow: string, what: string): void {
  app.all(path, (context) => {
    const message = `${context.req.method} is not a method of ${quoted(context.req.path)}: ${allow} ${what}`;
    return context.json(errorJson(new CodedError("UNIMPLEMENTED", "METHOD", message)), 405, { Allow: allow });
  });
}
