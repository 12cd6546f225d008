/** The nginx of docs/operations.md in front of two instances: as it is printed, but for the ports. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { FlightClient } from "../../src/flight-client/client.ts";
import { readAll } from "../../src/flight-client/read-anywhere.ts";
import { Health } from "../../src/grpc/generated/health.ts";
import { serviceClient } from "../../src/grpc/service.ts";
import { freePorts } from "../support/object-store.ts";
import { type Processor, ROOT, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";

const CONNECTIONS_MAX = 8; // of an instance; half of them for one client by default
const WHOLE = { start_ledger: SAMPLE.first, end_ledger: SAMPLE.last, filters: { include_deleted: true } };

/** nginx's path; undefined, with a message, where it is not there. @throws Error under CI=true */
function nginxPath(): string | undefined {
  const found = [Bun.which("nginx"), "/usr/sbin/nginx"].find((path) => path && existsSync(path));
  if (found) return found;
  const missing = "nginx is not there (apt-get install -y nginx-light)";
  if (process.env.CI === "true") throw new Error(`under CI: ${missing}`);
  console.warn(`skipped: ${missing}`);
  return undefined;
}

const nginx = nginxPath();

describe.skipIf(nginx === undefined)("nginx in front of two instances", () => {
  const folder = mkdtempSync(join(tmpdir(), "load-balancer-"));
  const instances: Processor[] = [];
  let balancer: Bun.Subprocess;
  let address: string;

  beforeAll(async () => {
    const flags = [`--source-endpoint=${SAMPLE.folder}`, "--worker-count=1"];
    const limits = ["--peer-limits=off", `--flight-connections-max=${CONNECTIONS_MAX}`];
    instances.push(...(await Promise.all([1, 2].map(() => startProcessor([...flags, ...limits])))));
    const [port] = freePorts(1) as [number];
    address = `127.0.0.1:${port}`;
    const page = readFileSync(join(ROOT, "docs", "operations.md"), "utf8");
    const [, printed] = /```nginx\n([\s\S]*?)```/.exec(page)!;
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${name};`);
    const conf = printed!
      .replace("127.0.0.1:8816", instances[0]!.flight)
      .replace("127.0.0.1:8817", instances[1]!.flight)
      .replace("listen 8815 http2;", `listen ${address} http2;`)
      .replace("http {", `http {\n  access_log off;\n  ${temporary.join(" ")}`);
    writeFileSync(join(folder, "nginx.conf"), conf);
    const user = process.getuid?.() === 0 ? "user root; " : "";
    const main = `${user}daemon off; pid ${folder}/pid; error_log stderr;`;
    balancer = Bun.spawn([nginx!, "-p", folder, "-c", join(folder, "nginx.conf"), "-g", main], { stderr: "inherit" });
    const client = new FlightClient(address);
    await client.ready(30_000);
    client.close();
  }, 60_000);
  afterAll(async () => {
    balancer.kill("SIGTERM");
    await balancer.exited;
    await Promise.all(instances.map((instance) => instance.stop()));
    rmSync(folder, { recursive: true });
  });

  /** Reads all of the sample as a client of that name. */
  async function rowsOf(name: string): Promise<number> {
    const client = new FlightClient(address, { token: name });
    try {
      let rows = 0;
      for await (const { table } of readAll(client, await client.range(WHOLE))) rows += table.numRows;
      return rows;
    } finally {
      client.close();
    }
  }

  /** DoGets that each instance has completed. */
  const completed = () =>
    Promise.all(
      instances.map(async ({ http }) => {
        const text = await (await fetch(`http://${http}/metrics`)).text();
        return Number(/flight_gets_total\{outcome="completed"\} (\d+)/.exec(text)?.[1]);
      }),
    );

  test("clients are shared out, each reads all, and one stays with its instance", async () => {
    const names = Array.from({ length: 12 }, (_, index) => `client-${index}`);
    for (const name of names) expect(await rowsOf(name)).toBe(SAMPLE.rows);
    const shared = await completed();
    expect(Math.min(...shared)).toBeGreaterThan(0);
    for (let run = 0; run < 3; run++) await rowsOf(names[0]!);
    const after = await completed();
    expect(after.filter((count, index) => count > shared[index]!).length).toBe(1);
  }, 60_000);

  test("more calls than one address may have connections", async () => {
    const client = new grpc.Client(address, grpc.credentials.createInsecure());
    const health = serviceClient(client, Health);
    const watches = Array.from({ length: CONNECTIONS_MAX - 2 }, () => health.watch({}));
    const statuses = watches.map(
      (watch) =>
        new Promise<unknown>((resolve) => {
          watch.once("data", ({ status }: { status: unknown }) => resolve(status));
          watch.once("error", (error) => resolve(String(error)));
        }),
    );
    expect(await Promise.all(statuses)).toEqual(watches.map(() => 1));
    for (const watch of watches) watch.cancel();
    client.close();
  }, 60_000);

  test("an instance that goes away leaves its clients to the other one", async () => {
    await instances[0]!.stop();
    for (let client = 0; client < 8; client++) {
      await until(async () => (await rowsOf(`left-${client}`).catch(() => 0)) === SAMPLE.rows, "the rows");
    }
  }, 60_000);
});
