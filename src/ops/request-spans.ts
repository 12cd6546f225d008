/** Spans of HTTP requests. */
import type { MiddlewareHandler } from "hono";
import { shortened } from "../base/text.ts";
import { traceContextOf } from "../tracing/trace-context.ts";
import type { Traces } from "../tracing/traces.ts";
import type { OpsTypes } from "./ops-hono.ts";

/** Probes and scrapes come every few seconds, and say the same each time. */
const UNTRACED: readonly string[] = ["/health", "/ready", "/readyz", "/livez", "/metrics"];

const PATH_LENGTH_MAX = 256; // ours are far shorter

/** Answers every other request in a span; that of a streamed answer ends where the stream begins. */
export function requestSpans(traces: Traces): MiddlewareHandler<OpsTypes> {
  return async (context, next) => {
    const { method, path } = context.req;
    if (UNTRACED.includes(path)) return next();
    const caller = traceContextOf((header) => context.req.header(header));
    const route = context.req.matchedRoutes.at(-1)?.path ?? "unknown";
    const attributes = {
      "http.request.method": method,
      "http.route": route,
      "url.path": shortened(path, PATH_LENGTH_MAX),
    };
    await traces.call({ name: `${method} ${route}`, caller, attributes }, async (set) => {
      context.set("caller", traces.contextHere());
      await next();
      set({ "http.response.status_code": context.res.status });
    });
  };
}
