/** What each of Flight's calls with small answers has been, for a trace; DoGet has GetWatch. */
import type * as grpc from "@grpc/grpc-js";
import { unixNowMs } from "../base/unix-time.ts";
import { CodedError } from "../error.ts";
import type { CallFacts } from "../tracing/span-facts.ts";
import { traceContextOf } from "../tracing/trace-context.ts";

/** Keys of the methods, and their names. */
const TRACED = {
  listFlights: "ListFlights",
  getFlightInfo: "GetFlightInfo",
  pollFlightInfo: "PollFlightInfo",
  getSchema: "GetSchema",
  doAction: "DoAction",
} as const;

type AnyHandler = (...args: unknown[]) => unknown;

/** The handlers, which tell of each such call that has ended. @param callEnded absent: nobody traces them */
export function tracedCalls<H extends Readonly<Record<keyof typeof TRACED, unknown>>>(
  handlers: H,
  callEnded: ((facts: CallFacts) => void) | undefined,
): H {
  if (callEnded === undefined) return handlers;
  const wrapped = Object.entries(TRACED).map(([key, method]) => {
    const handler = handlers[key as keyof typeof TRACED] as AnyHandler;
    const traced: AnyHandler = async (...args) => {
      const call = args.at(-1) as { metadata: grpc.Metadata; getPeer(): string };
      const caller = traceContextOf((header) => call.metadata.get(header)[0]?.toString());
      const facts: Omit<CallFacts, "endedUnixMs"> = { method, caller, peer: call.getPeer(), begunUnixMs: unixNowMs() };
      try {
        return await handler(...args);
      } catch (thrown) {
        const { code, reason } = CodedError.from(thrown);
        facts.error = { code, reason };
        throw thrown;
      } finally {
        callEnded({ ...facts, endedUnixMs: unixNowMs() });
      }
    };
    return [key, traced];
  });
  return { ...handlers, ...Object.fromEntries(wrapped) };
}
