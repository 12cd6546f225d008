/** A component's side of flowctl, against a stand-in of both its services that restarts, is slow, refuses and forgets. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import net from "node:net";
import * as grpc from "@grpc/grpc-js";
import type { FlowctlComponent, FlowctlReport } from "../../src/flowctl/component.ts";
import { FlowctlClient, type FlowctlClock, type FlowctlPlace } from "../../src/flowctl/flowctl-client.ts";
import { HealthStatus, type RegisterRequest } from "../../src/grpc/generated/flowctl-v1.ts";
import { createLogger } from "../../src/ops/log.ts";
import { Certificates, contentOf, hasOpenssl } from "../support/certificates.ts";
import type { LogLine } from "../support/local-server.ts";
import { until } from "../support/until.ts";
import { FlowctlStandIn } from "./flowctl-stand-in.ts";

const COMPONENT: FlowctlComponent = {
  id: "contract-data-1",
  name: "contract-data",
  description: "streams contract data",
  version: "1.2.3",
  kind: "processor",
  inputEventTypes: ["stellar.LedgerCloseMeta"],
  outputEventTypes: ["contract_data.ArrowBatch"],
  endpoint: "processor.example.org:50054",
  healthEndpoint: "http://processor.example.org:8089/health",
  metadata: { processor_type: "contract_data" },
};

const opened: { stop(): unknown }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.stop();
});

async function standIn(options: Parameters<typeof FlowctlStandIn.start>[0] = {}): Promise<FlowctlStandIn> {
  const flowctl = await FlowctlStandIn.start(options);
  opened.push(flowctl);
  return flowctl;
}

interface Connecting extends Partial<FlowctlPlace> {
  clock?: FlowctlClock;
  callMsMax?: number;
  report?: () => FlowctlReport;
}

function connect(address: string, { clock, callMsMax, report, ...place }: Connecting = {}) {
  const lines: LogLine[] = [];
  const log = createLogger({
    level: "debug",
    format: "json",
    output: { write: (line) => lines.push(JSON.parse(line)) },
  });
  const client = new FlowctlClient(
    { address, protocol: "auto", heartbeatIntervalMs: 20, ...place },
    COMPONENT,
    report ?? (() => ({ health: "HEALTHY", metrics: { current_ledger: 58752000, processing_rate: 1.5 } })),
    log,
    { clock, callMsMax },
  );
  opened.push({ stop: () => client.close() });
  return { client, lines };
}

const beats = (flowctl: FlowctlStandIn, count: number) =>
  until(() => flowctl.statuses.length >= count, `${count} heartbeats`);

test("today's protocol: the component as it is, heartbeats with health and metrics, and its leave", async () => {
  const flowctl = await standIn();
  let health: FlowctlReport["health"] = "STARTING";
  const { client } = connect(flowctl.address, { report: () => ({ health, metrics: { current_ledger: 7 } }) });
  await beats(flowctl, 1);
  for (health of ["HEALTHY", "DEGRADED", "UNHEALTHY", "STOPPING"] as const)
    await beats(flowctl, flowctl.statuses.length + 2);
  const known = flowctl.components.get(COMPONENT.id)!;
  const { type, metadata, ...info } = known.info as NonNullable<RegisterRequest["component"]>;
  const { kind: _, healthEndpoint, metadata: said, ...expected } = COMPONENT;
  expect<object>(info).toEqual(expected);
  expect(type).toBe(2);
  expect(Object.fromEntries(metadata)).toEqual({ ...said, health_endpoint: healthEndpoint, max_inflight: "1000" });
  expect(known.metrics).toEqual(new Map([["current_ledger", "7"]]));
  expect([...new Set(flowctl.statuses)]).toEqual(
    (["STARTING", "HEALTHY", "DEGRADED", "UNHEALTHY", "STOPPING"] as const).map(
      (each) => HealthStatus[`HEALTH_STATUS_${each}`],
    ),
  );
  expect(client.message).toBe(`registered with flowctl at ${flowctl.address} as ${COMPONENT.id} (v1)`);
  expect(client.counts).toMatchObject({ registered: true, heartbeatErrors: 0 });
  await client.close();
  expect(flowctl.components.size).toBe(0);
  expect(client.counts.registered).toBe(false);
});

test("the first protocol where flowctl does not serve today's: endpoint and numbers as it knows them", async () => {
  const flowctl = await standIn({ protocols: ["v0"] });
  const { client } = connect(flowctl.address);
  await beats(flowctl, 2);
  const { info, metrics } = flowctl.components.get(COMPONENT.id)!;
  expect(info).toMatchObject({
    ...{ serviceId: COMPONENT.id, componentId: COMPONENT.id, serviceType: 2, maxInflight: 1000 },
    healthEndpoint: COMPONENT.healthEndpoint,
  });
  expect(metrics).toEqual(
    new Map([
      ["current_ledger", 58752000],
      ["processing_rate", 1.5],
    ]),
  );
  expect(client.message).toEndWith("(v0)");
  await client.close();
});

test("a protocol that is asked for is the one that is spoken", async () => {
  const flowctl = await standIn();
  connect(flowctl.address, { protocol: "v0" });
  await beats(flowctl, 1);
  expect(flowctl.components.get(COMPONENT.id)!.protocol).toBe("v0");
  const older = await standIn({ protocols: ["v0"] });
  const { client } = connect(older.address, { protocol: "v1" });
  await until(() => client.message.includes("UNIMPLEMENTED"), "a refusal");
  expect(older.components.size).toBe(0);
});

test("flowctl restarts without its memory, forgets, is away: the component registers again by itself", async () => {
  const first = await standIn();
  const { client, lines } = connect(first.address);
  await beats(first, 2);
  first.components.clear();
  await until(() => first.count("RegisterComponent") === 2, "a second registration");
  expect(client.counts.heartbeatErrors).toBe(1);

  first.stop();
  await until(() => client.message.includes("the last heartbeat failed"), "flowctl is away");
  const second = await standIn({ port: first.port });
  await beats(second, 3);
  expect(second.calls.slice(0, 2)).toEqual(["RegisterComponent", "Heartbeat"]);
  await until(() => !client.message.includes("failed"), "all is well again");
  expect(lines.filter(({ message }) => message === "registered with flowctl")).toHaveLength(3);
});

test("flowctl that comes later than the component is found; a closed port is no reason to wait", async () => {
  const port = await freePort();
  const { client } = connect(`127.0.0.1:${port}`);
  await until(() => client.message.includes("UNAVAILABLE"), "nobody is there");
  expect(client.message).toStartWith(`not registered with flowctl at 127.0.0.1:${port}: `);
  const flowctl = await standIn({ port });
  await beats(flowctl, 1);
  expect(client.counts).toMatchObject({ registered: true, heartbeatErrors: 0 });
});

test("slow answers and refusals are failures that are counted, told once and got over", async () => {
  const flowctl = await standIn();
  const { client, lines } = connect(flowctl.address, { callMsMax: 50 });
  await beats(flowctl, 1);
  flowctl.delayMs = 200;
  await until(() => client.counts.heartbeatErrors >= 2, "two heartbeats too late");
  expect(client.message).toContain("DEADLINE_EXCEEDED");
  flowctl.delayMs = 0;
  flowctl.refusal = { code: grpc.status.PERMISSION_DENIED, details: "not you" };
  await until(() => client.message.includes("PERMISSION_DENIED: not you"), "the refusal");
  const errors = client.counts.heartbeatErrors;
  await until(() => client.counts.heartbeatErrors > errors + 1, "more of them");
  flowctl.refusal = undefined;
  await beats(flowctl, flowctl.statuses.length + 2);
  const warned = lines.filter(({ level }) => level === "warn").map(({ why }) => String(why));
  expect(warned.filter((why) => why.includes("not you"))).toHaveLength(1);
  expect(client.message).not.toContain("failed");
});

test("a flowctl that says nothing at all holds up no shutdown", async () => {
  const sockets: net.Socket[] = [];
  const silent = net.createServer((socket) => sockets.push(socket.on("error", () => {})));
  opened.push({ stop: () => silent.close() }, { stop: () => sockets.map((socket) => socket.destroy()) });
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { client } = connect(`127.0.0.1:${(silent.address() as net.AddressInfo).port}`);
  await until(() => sockets.length > 0, "a connection");
  const begun = performance.now();
  await client.close();
  expect(performance.now() - begun).toBeLessThan(5_000);

  const flowctl = await standIn();
  const other = connect(flowctl.address);
  await beats(flowctl, 1);
  flowctl.delayMs = 60_000;
  await other.client.close();
  expect(performance.now() - begun).toBeLessThan(10_000);
});

test("24 hours of heartbeats: one every 25 s, through restarts, an outage and a lost memory", async () => {
  const HOUR_MS = 3_600_000;
  const INTERVAL_MS = 25_000;
  const BEATS = (24 * HOUR_MS) / INTERVAL_MS;
  const heard: number[] = [];
  let flowctl = await standIn();
  let nowMs = 0;
  const events = [
    [3 * HOUR_MS, async () => flowctl.components.clear()],
    [7 * HOUR_MS, restart],
    [12 * HOUR_MS, async () => flowctl.stop()],
    [12.25 * HOUR_MS, restart], // 15 minutes later
    [20 * HOUR_MS, restart],
  ] as [number, () => Promise<void>][];
  async function restart(): Promise<void> {
    flowctl.stop();
    flowctl = await standIn({ port: flowctl.port });
  }
  const over = new AbortController();
  const clock: FlowctlClock = {
    nowMs: () => nowMs,
    async pause(ms, signal) {
      nowMs += ms;
      while (events.length > 0 && nowMs >= events[0]![0]) await events.shift()![1]();
      await new Promise(setImmediate);
      if (nowMs < 24 * HOUR_MS || signal.aborted) return;
      over.abort();
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
  };
  const report = (): FlowctlReport => {
    heard.push(nowMs);
    return { health: "HEALTHY", metrics: { seconds: nowMs / 1000 } };
  };
  const { client } = connect(flowctl.address, { clock, report, heartbeatIntervalMs: INTERVAL_MS });
  await until(() => over.signal.aborted, "24 hours");
  const { heartbeatsSent, heartbeatErrors, registered } = client.counts;
  expect(registered).toBe(true);
  expect(heartbeatsSent).toBeGreaterThanOrEqual(BEATS - (0.25 * HOUR_MS) / INTERVAL_MS - 6);
  expect(heartbeatsSent).toBeLessThan(BEATS + 20);
  expect(heartbeatErrors).toBeLessThan(30); // with more and more time between tries while flowctl is away
  const gaps = heard.map((ms, index) => ms - (heard[index - 1] ?? 0)).filter((ms) => ms > INTERVAL_MS + 1);
  expect(gaps.length).toBeLessThanOrEqual(1); // the outage, when registering is what is tried
  const known = flowctl.components.get(COMPONENT.id)!;
  expect(Number(known.metrics.get("seconds"))).toBeGreaterThan((24 * HOUR_MS - INTERVAL_MS) / 1000 - 1);
  await client.close();
}, 120_000);

describe.skipIf(!hasOpenssl())("TLS", () => {
  const made = new Certificates();
  afterAll(() => made.remove());

  test("with a certificate of either side, and a sentence where the authority is another one", async () => {
    const server = contentOf(made.issue("flowctl"));
    const own = contentOf(made.issue("component"));
    const authority = contentOf(made.ca).cert;
    const pair = { cert_chain: Buffer.from(server.cert), private_key: Buffer.from(server.key) };
    const credentials = grpc.ServerCredentials.createSsl(Buffer.from(authority), [pair], true);
    const flowctl = await standIn({ credentials });
    const stranger = connect(flowctl.address, {
      tls: { ca: [readFileSync(made.authority("other").cert, "utf8")], ...own },
    });
    await until(() => stranger.client.message.includes("FLOWCTL_CA_FILE"), "a sentence");
    await stranger.client.close();
    const { client } = connect(flowctl.address, { tls: { ca: [authority], ...own } });
    await beats(flowctl, 2);
    expect(client.counts.registered).toBe(true);
  });
});

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
