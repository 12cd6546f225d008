/** A stand-in of an OTLP collector: takes spans over HTTP, decodes them, and can be slow or refuse them. */
import protobuf from "protobufjs";

/** What is looked at of opentelemetry/proto/collector/trace/v1/trace_service.proto. */
const PROTO = `syntax = "proto3";
message Request { repeated ResourceSpans resource_spans = 1; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
message Resource { repeated KeyValue attributes = 1; }
message ScopeSpans { repeated Span spans = 2; }
message Span {
  bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
  fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8; repeated KeyValue attributes = 9;
  repeated Event events = 11; repeated Link links = 13; Status status = 15;
}
message Event { fixed64 time_unix_nano = 1; string name = 2; }
message Link { bytes trace_id = 1; bytes span_id = 2; }
message Status { string message = 2; int32 code = 3; }
message KeyValue { string key = 1; Value value = 2; }
message Value { oneof value { string text = 1; bool flag = 2; int64 integer = 3; double number = 4; } }`;
const Request = protobuf.parse(PROTO).root.lookupType("Request");

export interface ReceivedSpan {
  traceId: string;
  spanId: string;
  /** Empty for a root. */
  parentSpanId: string;
  name: string;
  kind: number;
  startMs: number;
  endMs: number;
  attributes: Record<string, unknown>;
  events: string[];
  /** Span ids. */
  links: string[];
  /** 2 is an error. */
  status: { code: number; message: string };
}

interface Raw extends Omit<ReceivedSpan, "attributes" | "events" | "links"> {
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: Pair[];
  events: { name: string }[];
  links: { spanId: string }[];
}
type Pair = { key: string; value: Record<string, unknown> };

const hex = (base64: string) => Buffer.from(base64 ?? "", "base64").toString("hex");
const plain = (pairs: readonly Pair[] = []) =>
  Object.fromEntries(pairs.map(({ key, value }) => [key, Object.values(value)[0]]));

export class Collector {
  readonly spans: ReceivedSpan[] = [];
  /** Attributes of the last resource. */
  resource: Record<string, unknown> = {};
  headers: Record<string, string> = {};
  /** Answered with this status instead of 200. */
  refusal = 0;
  private readonly server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => this.take(request) });

  get endpoint(): string {
    return `http://127.0.0.1:${this.server.port}`;
  }

  named(name: string): ReceivedSpan[] {
    return this.spans.filter((span) => span.name === name);
  }

  stop(): void {
    void this.server.stop(true);
  }

  private async take(request: globalThis.Request): Promise<Response> {
    const bytes = new Uint8Array(await request.arrayBuffer());
    if (this.refusal > 0) return new Response(null, { status: this.refusal });
    if (new URL(request.url).pathname !== "/v1/traces") return new Response(null, { status: 404 });
    this.headers = Object.fromEntries(request.headers);
    const { resourceSpans } = Request.toObject(Request.decode(bytes), { longs: String, bytes: String, arrays: true });
    for (const { resource, scopeSpans } of resourceSpans) {
      this.resource = plain(resource.attributes);
      for (const { spans } of scopeSpans) for (const span of spans) this.add(span as Raw);
    }
    return new Response(null, { status: 200 });
  }

  private add(raw: Raw): void {
    const { name, kind, attributes, events, links, status } = raw;
    this.spans.push({
      ...{ name, kind, status: { code: status?.code ?? 0, message: status?.message ?? "" } },
      ...{ traceId: hex(raw.traceId), spanId: hex(raw.spanId), parentSpanId: hex(raw.parentSpanId) },
      ...{ startMs: Number(raw.startTimeUnixNano) / 1e6, endMs: Number(raw.endTimeUnixNano) / 1e6 },
      attributes: plain(attributes),
      events: events.map((event) => event.name),
      links: links.map(({ spanId }) => hex(spanId)),
    });
  }
}
