/**
 * deploy/compose.yaml without a container engine: it is valid, every file that it names is there, and the commands,
 * environments and health checks of our two services work as processes, with a real PostgreSQL.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../src/config/load.ts";
import { SETTINGS } from "../../src/config/schema.ts";
import { composeValidator, kubernetesValidator } from "../clients/toolchain.ts";
import { postgresPrograms, query, startPostgres } from "../support/postgres-server.ts";
import { PROGRAM, type Processor, ROOT, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";

const DEPLOY = join(ROOT, "deploy");
const BINARY = "/usr/local/bin/contract-data-processor";

interface Service {
  image: string;
  command: string[];
  environment?: Record<string, string>;
  volumes?: string[];
  healthcheck?: { test: string[] };
}

const services = (
  Bun.YAML.parse(withDefaults(readFileSync(join(DEPLOY, "compose.yaml"), "utf8"))) as {
    services: Record<string, Service>;
  }
).services;

/** `${NAME:-default}` → default, as compose does where NAME is not set. */
function withDefaults(text: string): string {
  return text.replace(/\$\{\w+:-([^}]*)\}/g, "$1");
}

async function run(command: string[], env: Record<string, string> = {}) {
  const child = Bun.spawn(command, { cwd: ROOT, env: { ...process.env, ...env }, stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, out, err };
}

test("the compose files keep to the Compose Specification", async () => {
  const { command, missing } = await composeValidator();
  if (command === undefined) return console.warn(`skipped: ${missing}`);
  for (const file of ["compose.yaml", "cluster.compose.yaml"]) {
    expect(await run([...command, join(DEPLOY, file)])).toMatchObject({ code: 0 });
  }
}, 600_000);

test("the nodes of cluster.compose.yaml differ by name alone, and all have what is known", () => {
  const known = new Set<string>(Object.values(SETTINGS).map(({ env }) => env));
  const { services: all } = Bun.YAML.parse(
    withDefaults(readFileSync(join(DEPLOY, "cluster.compose.yaml"), "utf8")),
  ) as { services: Record<string, Service> };
  const names = ["node-1", "node-2", "node-3"];
  for (const name of names) {
    const { environment = {}, command } = all[name]!;
    expect(environment).toMatchObject({ NODE_NAME: name, ADVERTISED_HOST: name, CLUSTER_REPLICAS: "3" });
    expect(Object.keys(environment).filter((each) => !known.has(each))).toEqual([]);
    const { values } = loadConfig({ env: environment });
    expect(values.cluster).toMatchObject({ servers: ["nats-1:4222", "nats-2:4222", "nats-3:4222"] });
    expect(command).toEqual(all[names[0]!]!.command);
  }
  expect(existsSync(join(DEPLOY, "nats.conf"))).toBe(true);
});

test("the manifests keep to the schemas of Kubernetes", async () => {
  const { command, missing } = await kubernetesValidator();
  if (command === undefined) return console.warn(`skipped: ${missing}`);
  const manifest = join(DEPLOY, "kubernetes", "contract-data-processor.yaml");
  const { code, out, err } = await run([...command, "--strict", manifest]);
  expect([code, out + err]).toEqual([0, expect.stringContaining("passed for resource deployment")]);
  const backfill = await run([...command, "--strict", join(DEPLOY, "kubernetes", "backfill.yaml")]);
  expect([backfill.code, backfill.out + backfill.err]).toEqual([0, expect.stringContaining("passed for resource job")]);
  const cluster = await run([...command, "--strict", join(DEPLOY, "kubernetes", "cluster.yaml")]);
  expect([cluster.code, cluster.out + cluster.err]).toEqual([
    0,
    expect.stringContaining("passed for resource statefulset"),
  ]);
  const unchecked = (out + err).split("\n").filter((line) => line.startsWith("WARN"));
  expect(unchecked.every((line) => line.includes("ServiceMonitor"))).toBe(true); // of Prometheus' operator
  const known = new Set<string>(Object.values(SETTINGS).map(({ env }) => env));
  for (const file of [manifest, join(DEPLOY, "kubernetes", "cluster.yaml")]) {
    const [settings] = readFileSync(file, "utf8")
      .split("\n---\n")
      .map((part) => Bun.YAML.parse(part) as { data: object });
    expect(Object.keys(settings!.data).filter((name) => !known.has(name))).toEqual([]);
  }
}, 600_000);

test("its services are those of the handoff, every file they name is there, and ours set what is known", () => {
  const names = ["contract-processor", "postgres", "postgresql-consumer", "prometheus", "grafana", "nats"];
  expect(Object.keys(services)).toEqual(names);
  for (const { volumes = [] } of Object.values(services)) {
    for (const volume of volumes) {
      const [place] = volume.split(":") as [string];
      if (place.startsWith(".")) expect([place, existsSync(join(DEPLOY, place))]).toEqual([place, true]);
    }
  }
  const known = new Set<string>(Object.values(SETTINGS).map(({ env }) => env));
  for (const name of Object.keys(services["contract-processor"]!.environment!)) {
    expect([name, known.has(name)]).toEqual([name, true]);
  }
  const rules = Bun.YAML.parse(readFileSync(join(DEPLOY, "prometheus.yml"), "utf8")) as {
    scrape_configs: { static_configs: { targets: string[] }[] }[];
  };
  const targets = rules.scrape_configs.flatMap((job) => job.static_configs.flatMap(({ targets }) => targets));
  expect(targets).toEqual(["contract-processor:8089", "postgresql-consumer:9090"]);
});

const programs = postgresPrograms();
describe.skipIf(programs === undefined)("our services as processes", () => {
  const scratch = mkdtempSync(join(tmpdir(), "contract-data-compose-"));
  let processor: Processor | undefined;
  afterAll(async () => {
    await processor?.stop();
    rmSync(scratch, { recursive: true, force: true });
  });
  const ours = (name: string) => [...PROGRAM, ...services[name]!.command.map(placed)];
  const placed = (word: string) => (word === "/lake" ? SAMPLE.folder : word);
  /** The health check's command, at the port that the process has here. */
  const probe = (name: string, port: string) => {
    const [kind, program, ...words] = services[name]!.healthcheck!.test;
    expect([kind, program, words[0]]).toEqual(["CMD", BINARY, "health"]);
    return run([...PROGRAM, "health", "--health-port", port]);
  };

  test("server, database and sink: every row arrives, and both are well", async () => {
    await using database = await startPostgres(programs!);
    const url = new URL(await database.database());
    const { environment, command } = services["contract-processor"]!;
    expect(command[0]).toBe("serve");
    processor = await startProcessor(command.slice(1).map(placed), { env: { ...environment, DATA_DIR: scratch } });
    expect(await probe("contract-processor", processor.http)).toMatchObject({ code: 0 });

    const sink = Bun.spawn(ours("postgresql-consumer"), {
      cwd: ROOT,
      env: {
        ...process.env,
        ...services["postgresql-consumer"]!.environment,
        FLIGHT_ENDPOINT: processor.flight,
        DB_HOST: url.hostname,
        DB_PORT: url.port,
        DB_NAME: url.pathname.slice(1),
        DB_USER: "postgres",
        METRICS_PORT: "127.0.0.1:0",
      },
      stdout: "ignore",
      stderr: "pipe",
    });
    let said = "";
    void (async () => {
      for await (const chunk of sink.stderr) said += Buffer.from(chunk).toString();
    })();
    const rows = async () =>
      (await query(url.href, "SELECT count(*)::int AS rows FROM contract_data.entries").catch(() => []))[0]?.rows;
    await until(async () => (await rows()) === SAMPLE.rows, `every row is in the table:\n${said}`);
    const port = await until(() => /127\.0\.0\.1:(\d+)/.exec(said.replaceAll(processor!.flight, ""))?.[1], "its port");
    expect(await probe("postgresql-consumer", `127.0.0.1:${port}`)).toMatchObject({ code: 0 });
    sink.kill("SIGTERM");
    expect(await sink.exited).toBe(0);
  }, 120_000);
});
