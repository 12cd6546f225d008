/** The real server as a component of flowctl: what it registers as, and how its heartbeats follow its health. */
import { afterAll, expect, test } from "bun:test";
import * as grpc from "@grpc/grpc-js";
import { loadConfig } from "../../src/config/load.ts";
import { CodedError } from "../../src/error.ts";
import { HealthStatus, type RegisterRequest } from "../../src/grpc/generated/flowctl-v1.ts";
import { createLogger } from "../../src/ops/log.ts";
import type { ProcessMetrics } from "../../src/ops/metrics.ts";
import { FlowctlLink } from "../../src/server/flowctl-link.ts";
import { Certificates, contentOf, hasOpenssl } from "../support/certificates.ts";
import { GatedSource } from "../support/gated-source.ts";
import { localServer } from "../support/local-server.ts";
import { SAMPLE } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { FlowctlStandIn } from "./flowctl-stand-in.ts";

const flowctl = await FlowctlStandIn.start();
afterAll(() => flowctl.stop());
const FLAGS = {
  "flowctl-enabled": "true",
  "flowctl-endpoint": flowctl.address,
  "flowctl-heartbeat-interval": "100ms",
  "flowctl-component-id": "processor-1",
};

const NO_METRICS: ProcessMetrics = {
  ...{ contractsProcessed: 0, entriesSkipped: 0, batchesCreated: 0, bytesProcessed: 0, processingErrors: 0 },
  processingDuration: { boundsSeconds: [], counts: [0], sumSeconds: 0 },
  ...{ currentLedger: 0, activeSessions: 0, flightClientsConnected: 0, flightRecordsStreamed: 0 },
  ...{ flowctlRegistered: true, flowctlHeartbeatsSent: 0, flowctlHeartbeatErrors: 0 },
};

interface Told {
  components: { flowctl: { healthy: boolean; ready: boolean; message: string } };
}

test("registration, heartbeats, health and leave of a server at work", async () => {
  const source = await GatedSource.open();
  source.tip = 120;
  const server = await localServer(source, { ...FLAGS, "advertised-host": "127.0.0.1" });
  try {
    const status = () => flowctl.components.get("processor-1")?.status;
    const becomes = (health: keyof typeof HealthStatus) => until(() => status() === HealthStatus[health], health);
    await becomes("HEALTH_STATUS_HEALTHY");
    const { info } = flowctl.components.get("processor-1")!;
    const { name, endpoint, metadata } = info as NonNullable<RegisterRequest["component"]>;
    const { control, flight, http } = server.processor.addresses;
    const health = `http://127.0.0.1:${http.port}/health`;
    expect({ name, endpoint }).toEqual({ name: "contract-data-processor", endpoint: `127.0.0.1:${control.port}` });
    expect(Object.fromEntries(metadata)).toMatchObject({
      ...{ processor_type: "contract_data", health_endpoint: health, flight_address: `127.0.0.1:${flight.port}` },
      ...{ grpc_address: endpoint, worker_count: "2", network_passphrase: await source.networkPassphrase() },
    });
    const told = (await (await fetch(health)).json()) as Told;
    expect(told.components.flowctl).toEqual({
      ...{ healthy: true, ready: true },
      message: `registered with flowctl at ${flowctl.address} as processor-1 (v1)`,
    });

    await server.control.startProcessing({ startLedger: 100 });
    const metrics = () => flowctl.components.get("processor-1")!.metrics;
    await until(() => metrics().get("current_ledger") === "120", "the session's last ledger");
    expect(Number(metrics().get("contracts_processed"))).toBe(3 * SAMPLE.rows);
    expect(metrics().get("success_count")).toBe("21");
    for (const rate of ["processing_rate", "contracts_per_second", "bytes_per_second"]) {
      await until(() => Number(metrics().get(rate)) > 0, rate);
    }
    await until(() => metrics().get("processing_rate") === "0", "a rate of nothing, for nothing comes");

    source.failure = new CodedError("UNAVAILABLE", "SOURCE_UNAVAILABLE", "gone for the test");
    await becomes("HEALTH_STATUS_DEGRADED");
    source.failure = undefined;
    source.tip = 127;
    await becomes("HEALTH_STATUS_HEALTHY");
    const page = await (await fetch(health.replace("/health", "/metrics"))).text();
    expect(page).toContain("\ncontract_data_flowctl_registered 1\n");
    expect(page).toMatch(/\ncontract_data_flowctl_heartbeats_sent_total [1-9]\d*\n/);

    flowctl.components.clear();
    const errors = () => fetch(health.replace("/health", "/metrics")).then((response) => response.text());
    await until(
      async () => (await errors()).includes("\ncontract_data_flowctl_heartbeat_errors_total 1\n"),
      "an error",
    );
    await until(() => status() === HealthStatus.HEALTH_STATUS_HEALTHY, "the next registration");
  } finally {
    await server.close();
    await source.close();
  }
  expect(flowctl.statuses.at(-1)).toBe(HealthStatus.HEALTH_STATUS_STOPPING);
  expect(flowctl.components.size).toBe(0);
  expect(flowctl.count("UnregisterComponent")).toBe(1);
}, 120_000);

test("without flowctl the server starts, works and stops, and is ready", async () => {
  const source = await GatedSource.open();
  const away = await FlowctlStandIn.start();
  away.stop();
  const server = await localServer(source, { ...FLAGS, "flowctl-endpoint": away.address });
  try {
    const { port } = server.processor.addresses.http;
    const ready = await fetch(`http://127.0.0.1:${port}/ready`);
    expect(ready.status).toBe(200);
    const { flowctl: component } = ((await ready.json()) as Told).components;
    expect(component.ready).toBe(false);
    expect(component.message).toStartWith(`not registered with flowctl at ${away.address}`);
    const { sessionId } = await server.control.startProcessing({ startLedger: 100, endLedger: 110 });
    await until(async () => (await server.control.getStatus({ sessionId })).status === 4, "a finished session");
  } finally {
    await server.close();
    await source.close();
  }
}, 60_000);

test.skipIf(!hasOpenssl())("over TLS: STARTING until the server is up, UNHEALTHY where a part is", async () => {
  const made = new Certificates();
  const { cert, key } = contentOf(made.issue("flowctl"));
  const pair = { cert_chain: Buffer.from(cert), private_key: Buffer.from(key) };
  const secured = await FlowctlStandIn.start({ credentials: grpc.ServerCredentials.createSsl(null, [pair]) });
  const flags = { ...FLAGS, "flowctl-endpoint": secured.address, "flowctl-ca-file": made.ca.cert };
  const link = new FlowctlLink(loadConfig({ flags }).values, true, createLogger({ level: "error" }));
  const ports = { control: 1, flight: 2, http: 3 };
  const says = (health: keyof typeof HealthStatus) =>
    until(() => secured.statuses.at(-1) === HealthStatus[health], health);
  try {
    link.announce({ ...ports, http: 0 });
    expect(link.component()[0]!.message).toBe("starting");
    link.announce(ports);
    await says("HEALTH_STATUS_STARTING");
    const { info } = secured.components.get("processor-1")!;
    expect(info.metadata.get("health_endpoint")).toBe("https://127.0.0.1:3/health");
    const part = { name: "flight", healthy: true, ready: true, message: "" };
    link.isUp({ components: () => [part], metrics: () => NO_METRICS });
    await says("HEALTH_STATUS_HEALTHY");
    part.healthy = false;
    await says("HEALTH_STATUS_UNHEALTHY");
  } finally {
    await link.close();
    secured.stop();
    made.remove();
  }
});

test("the names that flowctl itself sets are taken, and the project's own win", () => {
  const env = { ENABLE_FLOWCTL: "true", FLOWCTL_SERVICE_ID: "given" };
  expect(loadConfig({ env }).values).toMatchObject({ flowctlEnabled: true, flowctlComponentId: "given" });
  const both = { ...env, FLOWCTL_ENABLED: "false", FLOWCTL_COMPONENT_ID: "own" };
  expect(loadConfig({ env: both }).values).toMatchObject({ flowctlEnabled: false, flowctlComponentId: "own" });
});
