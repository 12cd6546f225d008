/** A server with traces, from its start to its end, and what the collector has to have of it. */
import { expect } from "bun:test";
import * as grpc from "@grpc/grpc-js";
import { connectControl } from "../../src/control/client.ts";
import { FlightDescriptor_DescriptorType, FlightService } from "../../src/grpc/generated/flight.ts";
import { errorOf, serviceClient } from "../../src/grpc/service.ts";
import { collect } from "../support/flight-rows.ts";
import { type Processor, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { Collector, type ReceivedSpan } from "./collector.ts";

const CONTROL = "contractdata.v1.ControlService";
const CALLER = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" };

/** @param world as startProcessor's options */
export async function tracedDay(world: { command?: string[]; cwd?: string } = {}): Promise<void> {
  const collector = new Collector();
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
    OTEL_EXPORTER_OTLP_HEADERS: "x-tenant=test",
    OTEL_RESOURCE_ATTRIBUTES: "deployment.environment=test",
    OTEL_BSP_SCHEDULE_DELAY: "50",
  };
  const begunMs = Date.now();
  const processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`, "--include-deleted"], {
    ...world,
    env,
  });
  try {
    const sessionId = await calls(processor);
    const one: One = (name, holds = () => true) => until(() => collector.named(name).find(holds), `the span ${name}`);
    const start = await one(`${CONTROL}/StartProcessing`);
    expect(start).toMatchObject({ traceId: CALLER.traceId, parentSpanId: CALLER.spanId, kind: 2 });
    expect(start.attributes).toMatchObject({ "rpc.method": "StartProcessing", "contract_data.session": sessionId });
    const refused = await one(`${CONTROL}/GetStatus`, ({ status }) => status.code === 2);
    expect(refused).toMatchObject({ traceId: CALLER.traceId, status: { message: "NOT_FOUND / SESSION_UNKNOWN" } });
    const session = await one("session");
    expect(session).toMatchObject({ traceId: CALLER.traceId, parentSpanId: start.spanId });
    expect(session.attributes).toMatchObject({
      "contract_data.session": sessionId,
      "contract_data.outcome": "completed",
    });
    const get = await one("arrow.flight.protocol.FlightService/DoGet");
    expect(get).toMatchObject({ traceId: CALLER.traceId, parentSpanId: CALLER.spanId, events: ["first rows"] });
    expect(get.attributes).toMatchObject({
      ...{ "contract_data.session": sessionId, "contract_data.rows": String(SAMPLE.rows) },
      "contract_data.outcome": "completed",
    });
    expect(get.attributes["contract_data.first_rows_seconds"]).toBeGreaterThan(0);
    for (const method of ["GetFlightInfo", "GetSchema", "ListFlights", "DoAction"]) {
      const call = await one(`arrow.flight.protocol.FlightService/${method}`);
      expect(call).toMatchObject({ traceId: CALLER.traceId, parentSpanId: CALLER.spanId, kind: 2 });
      const isRefused = method === "DoAction";
      expect(call.status).toMatchObject(isRefused ? { code: 2, message: "UNIMPLEMENTED / ACTION_UNKNOWN" } : {});
      expect(call.status.code === 2).toBe(isRefused);
    }
    const status = await one("GET /status.json");
    expect(status.attributes).toMatchObject({ "http.route": "/status.json", "http.response.status_code": "200" });
    expect(status.parentSpanId).toBe(CALLER.spanId);
    await checkRows(one, sessionId);
    await checkLedgers(collector, session);
    expect(collector.named("GET /metrics")).toEqual([]);

    expect(collector.resource).toMatchObject({
      ...{ "service.name": "contract-data-processor", "deployment.environment": "test" },
    });
    expect(collector.headers["x-tenant"]).toBe("test");
    for (const span of collector.spans) {
      expect([span.traceId, span.spanId]).toEqual([
        expect.stringMatching(/^\w{32}$/),
        expect.stringMatching(/^\w{16}$/),
      ]);
      expect(span.startMs).toBeGreaterThan(begunMs - 1000);
      expect(span.endMs).toBeGreaterThanOrEqual(span.startMs);
    }
    const ids = (message: string) => {
      const lines = processor.output().split("\n");
      const { trace_id: traceId, span_id: spanId } = JSON.parse(lines.find((text) => text.includes(`"${message}"`))!);
      return { traceId, spanId };
    };
    expect(ids("session started")).toEqual({ traceId: CALLER.traceId, spanId: start.spanId });
    expect(ids("session completed")).toEqual({ traceId: CALLER.traceId, spanId: session.spanId });
    expect(await processor.stop()).toBe(0);
  } finally {
    processor.kill("SIGKILL");
    collector.stop();
  }
}

/** Calls of every kind by one caller. @returns the session that they were about */
async function calls(processor: Processor): Promise<string> {
  const control = connectControl(processor.control);
  const traceparent = `00-${CALLER.traceId}-${CALLER.spanId}-01`;
  const metadata = new grpc.Metadata();
  metadata.set("traceparent", traceparent);
  const range = { startLedger: SAMPLE.first, endLedger: SAMPLE.last };
  const { sessionId } = await control.startProcessing(range, { metadata });
  const unknown = await control.getStatus({ sessionId: "none" }, { metadata }).catch((thrown) => thrown.reason);
  expect(unknown).toBe("SESSION_UNKNOWN");
  expect(await readSession(processor.flight, sessionId, metadata)).toBeGreaterThan(0);
  await until(async () => (await control.getStatus({ sessionId })).status === 4, "the session's end");
  const page = await fetch(`http://${processor.http}/status.json`, { headers: { traceparent } });
  expect(page.status).toBe(200);
  await page.text();
  for (const path of [`/v1/sessions/${sessionId}/rows?from=start`, "/v1/rows?start_ledger=1&end_ledger=2"])
    await (await fetch(`http://${processor.http}${path}`, { headers: { traceparent } })).text();
  await (await fetch(`http://${processor.http}/metrics`)).text();
  control.close();
  return sessionId;
}

type One = (name: string, holds?: (span: ReceivedSpan) => boolean) => Promise<ReceivedSpan>;

/** A read of the session's rows over HTTP, within its request, and one that is refused. */
async function checkRows(one: One, sessionId: string): Promise<void> {
  const request = await one("GET /v1/sessions/:id/rows");
  expect(request.parentSpanId).toBe(CALLER.spanId);
  const [rows, none] = await Promise.all(
    [true, false].map((hasRows) => one("rows over HTTP", ({ events }) => hasRows === events.includes("first rows"))),
  );
  expect(rows).toMatchObject({ traceId: CALLER.traceId, parentSpanId: request.spanId, kind: 1 });
  expect(rows!.attributes).toMatchObject({
    ...{ "contract_data.session": sessionId, "contract_data.rows": String(SAMPLE.rows) },
    "contract_data.outcome": "completed",
  });
  expect(none!.status).toMatchObject({ code: 2, message: "OUT_OF_RANGE / LEDGER_BEFORE_SOURCE" });
}

/** The runs of the session's ledgers, each a trace of its own with its stages. */
async function checkLedgers(collector: Collector, session: ReceivedSpan): Promise<void> {
  const runs = await until(() => {
    const found = collector.named("ledgers");
    const ledgers = found.reduce((sum, { attributes }) => sum + Number(attributes["contract_data.ledgers"]), 0);
    return ledgers === SAMPLE.last - SAMPLE.first + 1 && found;
  }, "all ledgers");
  expect(runs.reduce((sum, { attributes }) => sum + Number(attributes["contract_data.rows"]), 0)).toBe(SAMPLE.rows);
  for (const run of runs) {
    expect(run).toMatchObject({ parentSpanId: "", links: [session.spanId] });
    const stages = collector.spans.filter(({ parentSpanId }) => parentSpanId === run.spanId);
    expect(stages.map(({ name }) => name).sort()).toEqual(
      ["credit", "decode", "encode", "hub", "inflate", "output wait", "source"].sort(),
    );
    for (const { name, startMs, endMs } of stages) {
      expect(startMs).toBeGreaterThanOrEqual(run.startMs - 1);
      expect(endMs).toBeLessThanOrEqual(run.endMs + 1);
      const isBusy =
        name === "inflate" || name === "decode" || (name === "encode" && run.attributes["contract_data.rows"] !== "0");
      if (isBusy) expect(endMs).toBeGreaterThan(startMs);
    }
  }
}

/** @returns bytes of batches */
async function readSession(address: string, session: string, metadata: grpc.Metadata): Promise<number> {
  const client = new grpc.Client(address, grpc.credentials.createInsecure());
  const ticket = Buffer.from(JSON.stringify({ session, from: "start" }));
  let bytes = 0;
  const calls = serviceClient(client, FlightService);
  const path = { type: FlightDescriptor_DescriptorType.PATH, path: ["contract", "data", session] };
  await calls.getFlightInfo(path, { metadata });
  await calls.getSchema(path, { metadata });
  for await (const _ of calls.listFlights({}, { metadata })) break;
  const action = collect(calls.doAction({ type: "none" }, { metadata }));
  expect(await action.catch((thrown) => errorOf(thrown).reason)).toBe("ACTION_UNKNOWN");
  for await (const { dataBody } of calls.doGet({ ticket }, { metadata })) bytes += dataBody.length;
  client.close();
  return bytes;
}
