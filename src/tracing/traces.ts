/**
 * Spans, made by hand and sent by OTLP over HTTP (http/protobuf). Only open-traces.ts loads this module's value, so that a
 * server without traces has no SDK in its memory.
 *
 * A session's span lasts as long as the session; each sampled run of its ledgers is a trace of its own, linked to it, so
 * that sampling decides about runs and not about sessions, and a session without an end can be looked at.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import {
  type Attributes,
  type Context,
  DiagLogLevel,
  diag,
  type Link,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { limitedLines } from "../base/limited-lines.ts";
import { settlesWithin } from "../base/settles-within.ts";
import { CodedError } from "../error.ts";
import { rpcAttributes } from "./rpc-attributes.ts";
import type { CallFacts, GetFacts, LedgersFacts } from "./span-facts.ts";
import type { TraceContext } from "./trace-context.ts";

const CLOSE_MS_MAX = 2_000; // of a shutdown, for a collector that is slow or away
const FLIGHT = "arrow.flight.protocol.FlightService";
const SESSIONS_MAX = 20_000; // spans of sessions at once; twice what a server can have

/** Who the spans are of; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come first. */
export interface TracesService {
  name: string;
  version: string;
}

/** A call that is answered now. */
export interface TracedCall {
  /** As RPCs and routes are named. */
  name: string;
  caller?: TraceContext;
  attributes: Attributes;
}

/** A traced run of ledgers that is on its way. */
export interface LedgersTrace {
  finish(facts: LedgersFacts): void;
  /** Its stream has ended before it. */
  drop(): void;
}

/** Makes and sends the spans of one process. */
export class Traces {
  private readonly provider: BasicTracerProvider;
  private readonly tracer: Tracer;
  private readonly active = new AsyncLocalStorage<Span>();
  private readonly propagator = new W3CTraceContextPropagator();
  private readonly sessions = new Map<string, Span>();

  constructor(service: TracesService, complain: (line: string) => void) {
    const line = limitedLines("the trace exporter", complain);
    const silent = () => {};
    diag.setLogger({ error: line, warn: line, info: silent, debug: silent, verbose: silent }, DiagLogLevel.WARN);
    const own = resourceFromAttributes({ "service.name": service.name, "service.version": service.version });
    this.provider = new BasicTracerProvider({
      resource: own.merge(detectResources({ detectors: [envDetector] })),
      spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
    });
    this.tracer = this.provider.getTracer(service.name, service.version);
  }

  /** Runs `work` in a span; log lines of `work` bear its ids. What it throws is the span's status, and thrown. */
  call<T>({ name, caller, attributes }: TracedCall, work: (set: (more: Attributes) => void) => Promise<T>): Promise<T> {
    const span = this.tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, this.contextOf(caller));
    return this.active.run(span, async () => {
      try {
        return await work((more) => void span.setAttributes(more));
      } catch (thrown) {
        failed(span, CodedError.from(thrown));
        throw thrown;
      } finally {
        span.end();
      }
    });
  }

  /** The ids of the call that is being answered, or of the session that the fields name; for a line of the log. */
  idsFor(fields: Readonly<Record<string, unknown>>): { trace_id?: string; span_id?: string } {
    const span = this.answering() ?? this.sessions.get(String(fields.session));
    if (!span?.isRecording()) return {};
    const { traceId, spanId } = span.spanContext();
    return { trace_id: traceId, span_id: spanId };
  }

  /** The context of the call that is being answered, for another thread. */
  contextHere(): TraceContext | undefined {
    const span = this.active.getStore();
    if (span === undefined) return undefined;
    const headers: Partial<TraceContext> = {};
    this.propagator.inject(trace.setSpan(ROOT_CONTEXT, span), headers, {
      set: (carrier: Partial<TraceContext>, name, value) => {
        carrier[name as keyof TraceContext] = value;
      },
    });
    return headers.traceparent === undefined ? undefined : { traceparent: headers.traceparent, ...headers };
  }

  /** A session has started, or goes on: the span ends with the session, or with the process. */
  sessionBegan(id: string, attributes: Attributes): void {
    this.sessions.get(id)?.end();
    if (this.sessions.size >= SESSIONS_MAX) return;
    const options = { attributes: { "contract_data.session": id, ...attributes } };
    this.sessions.set(id, this.tracer.startSpan("session", options, this.contextOf(undefined)));
  }

  sessionEnded(id: string, attributes: Attributes, error: CodedError | undefined): void {
    const span = this.sessions.get(id)?.setAttributes(attributes);
    if (span === undefined) return;
    if (error !== undefined) failed(span, error);
    span.end();
    this.sessions.delete(id);
  }

  /** A run of ledgers begins; undefined where it is not sampled. */
  ledgers({ kind, id }: { kind: string; id: string }, begunUnixMs: number): LedgersTrace | undefined {
    const options = { startTime: begunUnixMs, root: true, links: this.linksTo(id) };
    const root = this.tracer.startSpan("ledgers", options, ROOT_CONTEXT);
    if (!root.isRecording()) return undefined;
    root.setAttributes({
      [`contract_data.${kind === "range" ? "range" : "session"}`]: id,
      "contract_data.stream": kind,
    });
    return {
      finish: (facts) => this.finishLedgers(root, facts),
      drop: () => root.setAttribute("contract_data.dropped", true).end(),
    };
  }

  /** One of Flight's other calls has ended. */
  flightCall({ method, caller, peer, begunUnixMs, endedUnixMs, error }: CallFacts): void {
    const attributes = { ...rpcAttributes(FLIGHT, method), "client.address": peer };
    const options = { kind: SpanKind.SERVER, startTime: begunUnixMs, attributes };
    const span = this.tracer.startSpan(`${FLIGHT}/${method}`, options, this.contextOf(caller));
    if (error !== undefined) setFailure(span, error.code, error.reason);
    span.end(endedUnixMs);
  }

  /** A DoGet has ended, or a read of rows over HTTP, which is within its request. */
  get(facts: GetFacts): void {
    const { about, peer, begunUnixMs, firstRowsUnixMs, endedUnixMs, rows, batches, blockedMs, outcome, error } = facts;
    const isFlight = facts.over === "flight";
    const span = this.tracer.startSpan(
      isFlight ? `${FLIGHT}/DoGet` : "rows over HTTP",
      {
        ...{
          kind: isFlight ? SpanKind.SERVER : SpanKind.INTERNAL,
          startTime: begunUnixMs,
          links: about && this.linksTo(about.id),
        },
        attributes: {
          ...(isFlight ? rpcAttributes(FLIGHT, "DoGet") : {}),
          "client.address": peer,
          ...(about && { [`contract_data.${about.kind}`]: about.id }),
          ...{ "contract_data.rows": rows, "contract_data.batches": batches, "contract_data.outcome": outcome },
          "contract_data.blocked_seconds": blockedMs / 1000,
          ...(firstRowsUnixMs && { "contract_data.first_rows_seconds": (firstRowsUnixMs - begunUnixMs) / 1000 }),
        },
      },
      this.contextOf(facts.caller),
    );
    if (firstRowsUnixMs !== undefined) span.addEvent("first rows", undefined, firstRowsUnixMs);
    if (error !== undefined) setFailure(span, error.code, error.reason);
    span.end(endedUnixMs);
  }

  /** Sends what is left, within CLOSE_MS_MAX. */
  async close(): Promise<void> {
    for (const span of this.sessions.values()) span.end();
    this.sessions.clear();
    const closed = this.provider.shutdown();
    closed.catch(() => {}); // it has complained
    await settlesWithin(closed, CLOSE_MS_MAX);
  }

  /** The stages of a worker alternate from ledger to ledger: each is one span, as long as all its turns together. */
  private finishLedgers(root: Span, facts: LedgersFacts): void {
    const within = trace.setSpan(ROOT_CONTEXT, root);
    const stage = (name: string, begunUnixMs: number, ms: number): number => {
      this.tracer.startSpan(name, { startTime: begunUnixMs }, within).end(begunUnixMs + ms);
      return begunUnixMs + ms;
    };
    const { begunUnixMs, sourceWaitMs, creditWaitMs, workerMs, error } = facts;
    stage("credit", stage("source", begunUnixMs, sourceWaitMs), creditWaitMs);
    let unixMs = facts.workerBegunUnixMs;
    for (const name of ["inflate", "decode", "encode"] as const) unixMs = stage(name, unixMs, workerMs[name]);
    stage("output wait", unixMs, workerMs.outputWait);
    stage("hub", facts.workerDoneUnixMs, Math.max(0, facts.orderedUnixMs - facts.workerDoneUnixMs));
    root.setAttributes({
      "contract_data.ledger_first": facts.ledgerFirst,
      "contract_data.ledger_last": facts.ledgerLast,
      "contract_data.ledgers": facts.ledgers,
      "contract_data.rows": facts.rows,
      "contract_data.batches": facts.batches,
      "contract_data.xdr_bytes": facts.xdrBytes,
      "contract_data.worker": facts.worker,
    });
    if (error !== undefined) setFailure(root, error.code, error.reason);
    root.end(facts.orderedUnixMs);
  }

  /** The call that is being answered; work that a call has begun goes on in its context when it is long over. */
  private answering(): Span | undefined {
    const span = this.active.getStore();
    return span?.isRecording() ? span : undefined;
  }

  private contextOf(caller: TraceContext | undefined): Context {
    const active = this.answering();
    if (active !== undefined) return trace.setSpan(ROOT_CONTEXT, active);
    if (caller === undefined) return ROOT_CONTEXT;
    return this.propagator.extract(ROOT_CONTEXT, caller, {
      get: (headers, name) => headers[name as keyof TraceContext],
      keys: Object.keys,
    });
  }

  private linksTo(session: string): Link[] {
    const context = this.sessions.get(session)?.spanContext();
    return context === undefined ? [] : [{ context }];
  }
}

function failed(span: Span, { code, reason }: CodedError): void {
  setFailure(span, code, reason);
}

/** Messages may have what a client sent; codes and reasons have not. */
function setFailure(span: Span, code: string, reason: string): void {
  span
    .setAttributes({ "error.type": reason })
    .setStatus({ code: SpanStatusCode.ERROR, message: `${code} / ${reason}` });
}
