/** Probes and browsers of every age: Host headers, HEAD, wrong methods, compressed metrics. */
import { afterAll, describe, expect, test } from "bun:test";
import net from "node:net";
import { hostname } from "node:os";
import { gunzipSync } from "node:zlib";
import { createOpsApp } from "../../src/ops/app.ts";
import { startOpsServer } from "../../src/ops/server.ts";
import type { OpsSource } from "../../src/ops/status.ts";
import { TESTNET } from "../support/networks.ts";
import { until } from "../support/until.ts";

const source: OpsSource = {
  service: { name: "contract-data-processor", version: "1" },
  startedUnixMs: Date.now(),
  network: TESTNET,
  source: "lake ./sample",
  components: () => [{ name: "source", healthy: true, ready: true, message: "lake ./sample" }],
  sessions: () => [],
  metrics: () => ({
    contractsProcessed: 0,
    entriesSkipped: 0,
    batchesCreated: 0,
    bytesProcessed: 0,
    processingErrors: 0,
    processingDuration: { boundsSeconds: [0.1], counts: [0, 0], sumSeconds: 0 },
    currentLedger: 0,
    activeSessions: 0,
    flightClientsConnected: 0,
    flightRecordsStreamed: 0,
    flowctlRegistered: false,
    flowctlHeartbeatsSent: 0,
    flowctlHeartbeatErrors: 0,
  }),
  endpoints: () => ({
    control: { host: "", port: 1, tls: false, needsCert: false },
    flight: { host: "", port: 2, tls: false, needsCert: false },
  }),
};
const app = createOpsApp(source, { allowedHosts: ["Processor.example.org"] });
const server = startOpsServer(app, { host: "127.0.0.1", port: 0 });
const paths = ["/", "/health", "/ready", "/readyz", "/livez", "/metrics", "/status.json"];

afterAll(() => server.close());

/** What comes back for the bytes of a request, until the server closes or has sent the whole body. */
async function raw(request: string): Promise<{ head: string; body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = net.connect(server.port, "127.0.0.1", () => socket.write(request));
  let text = "";
  socket.setEncoding("latin1");
  socket.on("data", (chunk) => {
    text += chunk;
    const end = text.indexOf("\r\n\r\n");
    const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? Number.NaN);
    if (end > 0 && text.length - end - 4 >= (request.startsWith("HEAD") ? 0 : length)) socket.end();
  });
  socket.on("close", () => resolve(text));
  socket.on("error", reject);
  const [head = "", body = ""] = (await promise).split("\r\n\r\n");
  return { head, body };
}

describe("Host headers", () => {
  for (const path of paths) {
    test(`${path} answers without Host (HTTP/1.0) and with an empty one`, async () => {
      for (const request of [
        `GET ${path} HTTP/1.0\r\n\r\n`,
        `GET ${path} HTTP/1.1\r\nHost: \r\n\r\n`,
        `HEAD ${path} HTTP/1.0\r\n\r\n`,
      ]) {
        expect((await raw(request)).head).toStartWith("HTTP/1.1 200");
      }
    });
  }

  const statusFor = async (host: string, path = "/status.json") =>
    Number((await raw(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).head.split(" ")[1]);

  test("/status.json: addresses, this machine's names and those of HTTP_ALLOWED_HOSTS may read it", async () => {
    for (const host of [
      "127.0.0.1",
      "127.0.0.1:80",
      "[::1]:80",
      "10.0.0.7",
      "localhost",
      "LocalHost.:8089",
      "a.localhost",
    ])
      expect(await statusFor(host), host).toBe(200);
    for (const host of [hostname(), "processor.example.org:8089"]) expect(await statusFor(host), host).toBe(200);
  });

  test("/status.json: a stranger's name is refused with the setting, since the browser may carry a page of that name", async () => {
    for (const host of [
      "evil.example",
      "127.0.0.1.evil.example",
      "localhost.evil.example:80",
      "evil.example:127.0.0.1",
    ])
      expect(await statusFor(host), host).toBe(403);
    const { body } = await raw("GET /status.json HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    expect(JSON.parse(body).error).toContain("HTTP_ALLOWED_HOSTS");
  });

  test("probes may use any name: /health, /ready and /metrics say nothing of sessions' keys", async () => {
    for (const path of ["/health", "/ready", "/metrics"]) expect(await statusFor("a-service", path)).toBe(200);
  });
});

test("HEAD has the length of what GET answers, and no body", async () => {
  const lengths = async (path: string) => {
    const head = await fetch(`http://127.0.0.1:${server.port}${path}`, { method: "HEAD" });
    const get = await fetch(`http://127.0.0.1:${server.port}${path}`, { headers: { "Accept-Encoding": "identity" } });
    expect(head.status, path).toBe(get.status);
    return [Number(head.headers.get("content-length")), (await get.arrayBuffer()).byteLength] as const;
  };
  for (const path of paths) {
    // A metric may get another digit between the two.
    await until(async () => {
      const [head, get] = await lengths(path);
      return head === get;
    }, `${path} has one length`);
    expect((await raw(`HEAD ${path} HTTP/1.1\r\nHost: x.localhost\r\n\r\n`)).body).toBe("");
  }
});

test("a wrong method is 405 and says which are right; an unknown path stays 404", async () => {
  for (const path of paths) {
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
      const response = await app.request(path, { method });
      expect([response.status, response.headers.get("allow")], `${method} ${path}`).toEqual([405, "GET, HEAD"]);
    }
  }
  expect((await app.request("/metric", { method: "POST" })).status).toBe(404);
});

test("/metrics is compressed for those who ask", async () => {
  const plain = await (await app.request("/metrics")).text();
  const response = await app.request("/metrics", { headers: { "Accept-Encoding": "gzip" } });
  expect(response.headers.get("content-encoding")).toBe("gzip");
  expect(gunzipSync(await response.arrayBuffer()).toString()).toContain(plain.slice(0, 200));
  expect(
    (await app.request("/metrics", { headers: { "Accept-Encoding": "gzip;q=0" } })).headers.get("content-encoding"),
  ).toBeNull();
});
