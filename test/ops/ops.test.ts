import { afterEach, describe, expect, test } from "bun:test";
import { CodedError } from "../../src/error.ts";
import { createOpsApp } from "../../src/ops/app.ts";
import { CONSOLE_FILES } from "../../src/ops/console/files.ts";
import { type DurationHistogram, metricsText, type ProcessMetrics } from "../../src/ops/metrics.ts";
import { type OpsServer, startOpsServer } from "../../src/ops/server.ts";
import {
  ENDED_SESSIONS_SHOWN_MAX,
  OWN_LABELS_MAX,
  SESSIONS_SHOWN_MAX,
  sessionMetricsText,
} from "../../src/ops/session-metrics.ts";
import type { Component, OpsSource } from "../../src/ops/status.ts";
import { MemorySessions } from "../control/memory-sessions.ts";
import { TESTNET } from "../support/networks.ts";

const sessions = new MemorySessions();
let components: Component[] = [];
let metrics: ProcessMetrics;

function reset(): void {
  components = [
    { name: "source", healthy: true, ready: true, message: "lake ./sample" },
    { name: "flight", healthy: true, ready: true, message: "listening" },
  ];
  metrics = {
    contractsProcessed: 1,
    entriesSkipped: 2,
    batchesCreated: 3,
    bytesProcessed: 2 ** 42,
    processingErrors: 4,
    processingDuration: { boundsSeconds: [0.001, 0.01, 0.1], counts: [5, 3, 0, 2], sumSeconds: 0.75 },
    currentLedger: 58_752_000,
    activeSessions: 6,
    flightClientsConnected: 7,
    flightRecordsStreamed: 8,
    flowctlRegistered: true,
    flowctlHeartbeatsSent: 9,
    flowctlHeartbeatErrors: 10,
  };
}
reset();
afterEach(reset);

const ENDPOINTS = {
  control: { host: "", port: 50054, tls: false, needsCert: false },
  flight: { host: "127.0.0.1", port: 8816, tls: false, needsCert: false },
};
const source: OpsSource = {
  service: { name: "contract-data-processor", version: "9.8.7" },
  startedUnixMs: Date.now() - 5000,
  network: TESTNET,
  source: "lake ./sample",
  components: () => components,
  sessions: () => sessions.list(),
  metrics: () => metrics,
  endpoints: () => ENDPOINTS,
};
const app = createOpsApp(source);

async function get(path: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await app.request(path);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

describe("health and readiness", () => {
  test("all is well", async () => {
    const { status, body } = await get("/health");
    expect(status).toBe(200);
    expect(body).toMatchObject({
      service: "contract-data-processor",
      version: "9.8.7",
      status: "healthy",
      ready: true,
      components: { source: { healthy: true, ready: true, message: "lake ./sample" } },
    });
    expect(body.uptime_seconds).toBeGreaterThanOrEqual(5);
    expect((await get("/ready")).status).toBe(200);
    expect((await get("/readyz")).status).toBe(200);
    expect((await get("/livez")).status).toBe(200);
  });

  test("a part that is not ready: healthy, but not ready", async () => {
    components[0] = { name: "source", healthy: true, ready: false, message: "localhost:50053 does not answer" };
    expect(await get("/health")).toMatchObject({ status: 200, body: { status: "healthy", ready: false } });
    for (const path of ["/ready", "/readyz"]) {
      expect(await get(path)).toMatchObject({
        status: 503,
        body: { ready: false, components: { source: { ready: false, message: "localhost:50053 does not answer" } } },
      });
    }
    expect((await get("/livez")).status).toBe(200);
  });

  test("a part that is told only: the whole stays ready", async () => {
    components[0] = { name: "source", healthy: true, ready: false, message: "a session waits", advisory: true };
    expect(await get("/ready")).toMatchObject({
      status: 200,
      body: { status: "healthy", ready: true, components: { source: { healthy: true, ready: false } } },
    });
  });

  test("a part that failed: 503 everywhere but for liveness", async () => {
    components[1] = { name: "flight", healthy: false, ready: true, message: "the data plane died" };
    expect(await get("/health")).toMatchObject({ status: 503, body: { status: "unhealthy", ready: false } });
    expect((await get("/ready")).status).toBe(503);
    expect((await get("/livez")).status).toBe(200);
  });
});

describe("/metrics", () => {
  test("has every name that dashboards of the original ask for, with its value and type", async () => {
    const response = await app.request("/metrics");
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    const text = await response.text();
    const expected = {
      contract_data_contracts_processed_total: ["counter", 1],
      contract_data_entries_skipped_total: ["counter", 2],
      contract_data_batches_created_total: ["counter", 3],
      contract_data_bytes_processed_total: ["counter", 2 ** 42],
      contract_data_processing_errors_total: ["counter", 4],
      contract_data_current_ledger: ["gauge", 58_752_000],
      contract_data_active_sessions: ["gauge", 6],
      contract_data_flight_clients_connected: ["gauge", 7],
      contract_data_flight_records_streamed_total: ["counter", 8],
      contract_data_flowctl_registered: ["gauge", 1],
      contract_data_flowctl_heartbeats_sent_total: ["counter", 9],
      contract_data_flowctl_heartbeat_errors_total: ["counter", 10],
    } as const;
    for (const [name, [type, value]] of Object.entries(expected)) {
      expect(text).toContain(`# TYPE ${name} ${type}\n${name} ${value}\n`);
    }
    expect(text).toContain('contract_data_build_info{version="9.8.7"} 1\n');
    expect(text).toMatch(/\nprocess_resident_memory_bytes [1-9]\d+\n/);
  });

  test("sessions: labels that are safe, and no more of them than the limits say", async () => {
    const session = await sessions.start({
      ledgerStart: 1,
      ledgerEnd: 0,
      batchRows: 0,
      labels: { team: 'a"\\\n', "not-a-name": "x", long: "x".repeat(129), größe: "x" },
    });
    const error = { code: "NOT_FOUND", reason: "FILE_NOT_FOUND", message: "away" } as const;
    sessions.update(session.id, {
      ...{
        state: "RUNNING",
        ledgerCurrent: 42,
        ledgerTip: 50,
        lagSeconds: 1.5,
        ledgersSkipped: 2,
        entriesProcessed: 7,
      },
      ...{ updatedUnixMs: 10_000, sourceWait: { ledger: 43, error, sinceUnixMs: 0, nextTryUnixMs: 0 } },
    });
    const running = sessions.get(session.id);
    const labels = `session="${session.id}",label_team="a\\"\\\\\\n"`;
    const text = sessionMetricsText([running], 12_500);
    for (const line of [
      `state{${labels},state="RUNNING"} 1`,
      `current_ledger{${labels}} 42`,
      `tip_ledger{${labels}} 50`,
      `lag_seconds{${labels}} 1.5`,
      `ledgers_skipped_total{${labels}} 2`,
      `rows_total{${labels}} 7`,
      `source_waiting{${labels}} 1`,
      `idle_seconds{${labels}} 2.5`,
    ]) {
      expect(text).toContain(`\ncontract_data_session_${line}\n`);
    }
    // Every line is a comment or a sample, and each metric has its head once.
    for (const line of text.trimEnd().split("\n")) {
      expect(line).toMatch(
        /^(# (HELP|TYPE) \w+ .+|contract_data_session_\w+\{(\w+="([^"\\\n]|\\.)*",?)+\} [\d.e+-]+)$/,
      );
    }
    expect(text.match(/# TYPE/g)).toHaveLength(9);

    const own = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`l${index}`, "v"]));
    const many = Array.from({ length: 500 }, (_, index) => ({
      ...running,
      ...{ id: `s${index}`, state: index % 2 === 0 ? ("STOPPED" as const) : ("RUNNING" as const) },
      request: { ...running.request, labels: own },
    }));
    const states = sessionMetricsText(many, 0).match(/^contract_data_session_state\{.*$/gm)!;
    expect(states.filter((line) => line.includes("RUNNING"))).toHaveLength(SESSIONS_SHOWN_MAX);
    expect(states.filter((line) => line.includes("STOPPED"))).toHaveLength(ENDED_SESSIONS_SHOWN_MAX);
    expect(states[0]!.match(/label_/g)).toHaveLength(OWN_LABELS_MAX);
    expect(await (await app.request("/metrics")).text()).toContain(
      `contract_data_session_current_ledger{${labels}} 42\n`,
    );
    await sessions.remove(session.id, true);
  });

  test("the histogram's buckets are cumulative and end with the count", () => {
    const lines = metricsText(metrics, "1")
      .split("\n")
      .filter((line) => line.startsWith("contract_data_processing_duration_seconds"));
    expect(lines).toEqual([
      'contract_data_processing_duration_seconds_bucket{le="0.001"} 5',
      'contract_data_processing_duration_seconds_bucket{le="0.01"} 8',
      'contract_data_processing_duration_seconds_bucket{le="0.1"} 8',
      'contract_data_processing_duration_seconds_bucket{le="+Inf"} 10',
      "contract_data_processing_duration_seconds_sum 0.75",
      "contract_data_processing_duration_seconds_count 10",
    ]);
  });

  test("is well-formed: each sample follows its HELP and TYPE, and names are not repeated", () => {
    const types: string[] = [];
    for (const line of metricsText(metrics, 'v"1\\\n').trimEnd().split("\n")) {
      const type = /^# TYPE (\w+) (counter|gauge|histogram)$/.exec(line);
      if (type) types.push(type[1]!);
      else if (!line.startsWith("# HELP ")) {
        expect(line).toMatch(/^[a-z_]+(\{[a-z]+="([^"\\\n]|\\.)*"\})? (\d[\d.e+-]*|NaN|\+Inf)$/);
        expect(line.startsWith(types.at(-1)!)).toBe(true);
      }
    }
    expect(new Set(types).size).toBe(types.length);
  });

  test("bounds and counts that do not belong together are an error", () => {
    const processingDuration: DurationHistogram = { boundsSeconds: [1], counts: [1], sumSeconds: 0 };
    expect(() => metricsText({ ...metrics, processingDuration }, "1")).toThrow("1 bounds need 2 counts");
  });
});

describe("console", () => {
  test("is made of files of its own, without anything from elsewhere, under a policy that forbids it", async () => {
    for (const [path, { type, text }] of Object.entries(CONSOLE_FILES)) {
      const response = await app.request(path);
      expect(response.headers.get("content-type")).toBe(type);
      expect(response.headers.get("content-security-policy")).toContain("default-src 'none'; script-src 'self'");
      expect(await response.text()).toBe(text);
      expect(text).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|style=/);
      for (const [, from] of text.matchAll(/(?:src|href)="([^"#]+)"/g)) {
        expect(["data:,", "/status.json", ...Object.keys(CONSOLE_FILES)]).toContain(from!);
      }
      for (const [, from] of text.matchAll(/^import .* from "\.\/(.*)";$/gm)) {
        expect(Object.keys(CONSOLE_FILES)).toContain(`/console/${from}`);
      }
    }
  });

  test("/status.json has what the page shows", async () => {
    const session = await sessions.start({ ledgerStart: 1, ledgerEnd: 9, batchRows: 0 });
    const { body } = await get("/status.json");
    expect(body).toMatchObject({
      health: { status: "healthy" },
      network: TESTNET,
      source: "lake ./sample",
      endpoints: ENDPOINTS,
      sessions: [{ id: session.id, state: "RUNNING" }],
    });
  });
});

test("an unknown path is 404 and says what there is; an error of the source is 500 and gives nothing away", async () => {
  expect(await get("/metric")).toMatchObject({ status: 404, body: { error: expect.stringContaining("/metrics") } });
  const seen: unknown[] = [];
  const broken = createOpsApp(
    {
      ...source,
      components() {
        throw new Error("secret detail");
      },
    },
    { onUnexpected: (error) => seen.push(error) },
  );
  const response = await broken.request("/health");
  expect(response.status).toBe(500);
  expect(await response.text()).not.toContain("secret");
  expect(seen).toHaveLength(1);
});

describe("over HTTP", () => {
  let server: OpsServer | undefined;
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  test("listens on a free port, answers, and is gone after close", async () => {
    server = startOpsServer(app, { host: "127.0.0.1", port: 0 });
    const url = `http://127.0.0.1:${server.port}/health`;
    const response = await fetch(url);
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("no-store");
    await server.close();
    await expect(fetch(url)).rejects.toThrow();
  });

  test("close does not wait for idle connections", async () => {
    server = startOpsServer(app, { host: "127.0.0.1", port: 0 });
    const socket = await Bun.connect({ hostname: "127.0.0.1", port: server.port, socket: { data() {} } });
    socket.write("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    const begun = performance.now();
    await server.close();
    expect(performance.now() - begun).toBeLessThan(5000);
    socket.end();
  });

  test("a port that is taken is UNAVAILABLE with the setting's name", () => {
    server = startOpsServer(app, { host: "127.0.0.1", port: 0 });
    const { port } = server;
    let error: unknown;
    try {
      startOpsServer(app, { host: "127.0.0.1", port });
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(CodedError);
    expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "HTTP_ADDRESS_UNAVAILABLE" });
    expect((error as CodedError).message).toContain(`127.0.0.1:${port}`);
    expect((error as CodedError).message).toContain("HEALTH_PORT");
  });

  test("a body that no request here needs is refused", async () => {
    server = startOpsServer(app, { host: "127.0.0.1", port: 0 });
    const response = await fetch(`http://127.0.0.1:${server.port}/health`, {
      method: "POST",
      body: "x".repeat(100_000),
    });
    expect(response.status).toBeGreaterThanOrEqual(400);
  });
});
