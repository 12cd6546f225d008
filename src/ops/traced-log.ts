/** A log whose lines bear the ids of the trace that they belong to. */
import type { Traces } from "../tracing/traces.ts";
import type { Logger } from "./log.ts";

/** `log`, with `trace_id` and `span_id` of the call that is being answered or of the session named, where it is sampled. */
export function tracedLog(log: Logger, traces: Traces | undefined): Logger {
  if (traces === undefined) return log;
  const at =
    (level: "debug" | "info" | "warn" | "error"): Logger["info"] =>
    (message, fields = {}) =>
      log[level](message, { ...fields, ...traces.idsFor(fields) });
  return {
    get level() {
      return log.level;
    },
    set level(level) {
      log.level = level;
    },
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => tracedLog(log.child(fields), traces),
  };
}
