/** The W3C trace context (traceparent, tracestate) that a caller sends. */

/** As headers have it. */
export interface TraceContext {
  traceparent: string;
  tracestate?: string;
}

/** The trace context of a call; undefined where it bears none. @param header the value of a header, by its name in lower case */
export function traceContextOf(header: (name: string) => string | undefined): TraceContext | undefined {
  const traceparent = header("traceparent");
  return traceparent === undefined ? undefined : { traceparent, tracestate: header("tracestate") };
}
