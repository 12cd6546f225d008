/** Whether there are traces, and a collector that does not take them; test/e2e/binary.test.ts has what one takes. */
import { expect, test } from "bun:test";
import { openTraces } from "../../src/tracing/open-traces.ts";
import { SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { Collector } from "./collector.ts";

const SERVICE = { name: "test", version: "1" };
const ENDPOINT = "http://127.0.0.1:1";

test("a collector that refuses or goes away holds up nothing, and is told of; always_off sends nothing", async () => {
  const [collector, unused] = [new Collector(), new Collector()];
  collector.refusal = 400;
  const env = ({ endpoint }: Collector) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_BSP_SCHEDULE_DELAY: "20" });
  const flags = [`--source-endpoint=${SAMPLE.folder}`, `--start-ledger=${SAMPLE.first}`, `--end-ledger=${SAMPLE.last}`];
  const [refused, unsampled] = await Promise.all([
    startProcessor(flags, { env: env(collector) }),
    startProcessor(flags, { env: { ...env(unused), OTEL_TRACES_SAMPLER: "always_off" } }),
  ]);
  await until(() => refused.output().includes("the trace exporter"), "a complaint");
  await until(() => refused.output().includes("session completed"), "the session's end");
  await until(() => unsampled.output().includes("session completed"), "the session's end");
  expect(await unsampled.stop()).toBe(0);
  expect(unsampled.output()).not.toContain("the trace exporter");
  expect([...unused.spans, ...collector.spans]).toEqual([]);
  unused.stop();
  collector.stop();
  expect(await refused.stop()).toBe(0);
}, 120_000);

test("none without an endpoint, nor where OpenTelemetry's own switches turn them off", async () => {
  const open = (env: Record<string, string>) => openTraces(env, SERVICE, () => {});
  expect(await open({})).toBeUndefined();
  expect(await open({ OTEL_EXPORTER_OTLP_ENDPOINT: "" })).toBeUndefined();
  expect(await open({ OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT, OTEL_SDK_DISABLED: "true" })).toBeUndefined();
  expect(await open({ OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT, OTEL_TRACES_EXPORTER: "none" })).toBeUndefined();
});

test.each([
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318" }, "OTEL_EXPORTER_OTLP_ENDPOINT"],
  [{ OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }, "OTEL_EXPORTER_OTLP_PROTOCOL"],
  [{ OTEL_TRACES_EXPORTER: "zipkin" }, "OTEL_TRACES_EXPORTER"],
  [{ OTEL_TRACES_SAMPLER: "sometimes" }, "OTEL_TRACES_SAMPLER"],
  [{ OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "1%" }, "OTEL_TRACES_SAMPLER_ARG"],
] as [Record<string, string>, string][])("%j is refused by the name of the variable", async (env, name) => {
  const opened = openTraces({ OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT, ...env }, SERVICE, () => {});
  await expect(opened).rejects.toMatchObject({
    reason: "CONFIG_INVALID",
    message: expect.stringContaining(`${name} is `),
  });
});
