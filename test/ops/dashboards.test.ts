/** The dashboard and the alerts of deploy/ against the /metrics of a real server, and Prometheus' own judgement of all three. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DASHBOARD, dashboard } from "../../scripts/generate-dashboard.ts";
import { ConsumerTotals } from "../../src/sinks/postgres/consumer-totals.ts";
import { FlowctlStandIn } from "../flowctl/flowctl-stand-in.ts";
import { Certificates, hasOpenssl } from "../support/certificates.ts";
import { ROOT, SAMPLE, startProcessor } from "../support/processor.ts";
import { promtool, promtoolPath } from "../support/promtool.ts";
import { until } from "../support/until.ts";

/** Metrics in no panel and no alert, and why; none at present. */
const UNSHOWN: Readonly<Record<string, string>> = {};
/** Prometheus makes it, and Grafana's variables are its own. */
const NOT_OURS = new Set(["up"]);
const TLS_ONLY = "contract_data_tls_certificate_expiry_timestamp_seconds";

interface Rule {
  alert: string;
  expr: string;
  labels: object;
  annotations: { summary: string };
}
interface Panel {
  title: string;
  description?: string;
  targets?: { expr: string }[];
}

let page = "";
beforeAll(async () => {
  const flowctl = await FlowctlStandIn.start();
  const made = hasOpenssl() ? new Certificates() : undefined;
  const pair = made?.issue("server");
  const tls = pair ? [`--flight-tls-cert-file=${pair.cert}`, `--flight-tls-key-file=${pair.key}`] : [];
  const range = [`--start-ledger=${SAMPLE.first}`, `--end-ledger=${SAMPLE.last}`];
  const flags = [`--source-endpoint=${SAMPLE.folder}`, "--flowctl-enabled", `--flowctl-endpoint=${flowctl.address}`];
  const processor = await startProcessor([...flags, ...range, ...tls]);
  await until(async () => {
    page = await (await fetch(`http://${processor.http}/metrics`)).text();
    page += new ConsumerTotals().text({ received: 0, inserted: 0, connections: 0 }, 0); // a sink's page
    return page.includes('state="STOPPED"') && page.includes("\ncontract_data_flowctl_registered 1\n");
  }, "a finished session");
  await processor.stop();
  flowctl.stop();
  made?.remove();
}, 60_000);

const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const rules = (Bun.YAML.parse(read("deploy/prometheus-alerts.yml")) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);
const panels = (JSON.parse(dashboard()) as { panels: Panel[] }).panels.filter(({ targets }) => targets);
const queries = panels.flatMap(({ targets }) => targets!.map(({ expr }) => expr));

/** Names of metrics in PromQL: what stands before a selector, or alone with our prefixes. */
const namesIn = (query: string) => query.match(/\b(contract_data|process|postgresql_consumer)_\w+|\bup\b/g) ?? [];

test("the dashboard is current: bun scripts/generate-dashboard.ts", () => {
  expect(read(DASHBOARD)).toBe(dashboard());
});

test("no query without a metric, with labels and values that there are", () => {
  const series = page.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  for (const query of [...queries, ...rules.map(({ expr }) => expr)]) {
    const names = namesIn(query).filter((name) => !NOT_OURS.has(name));
    for (const name of names) {
      if (name === TLS_ONLY && !hasOpenssl()) continue;
      expect([query, series.some((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))]).toEqual([
        query,
        true,
      ]);
    }
    for (const [value] of query.matchAll(/\boutcome="\w+"/g))
      expect([value, page.includes(value)]).toEqual([value, true]);
    for (const [, labels] of query.matchAll(/\bby \(([\w, ]+)\)/g)) {
      for (const label of labels!.split(", ").filter((each) => each !== "instance")) {
        expect([query, label, series.some((line) => line.includes(`${label}="`))]).toEqual([query, label, true]);
      }
    }
  }
});

test("every alert has a severity and says what is the matter", () => {
  for (const { alert, labels, annotations } of rules) {
    expect([alert, Object.keys(labels), annotations.summary.length > 0]).toEqual([alert, ["severity"], true]);
  }
});

test("no metric without a panel, an alert or a reason; every panel says what it is", () => {
  const metrics = [...page.matchAll(/^# TYPE (\w+) /gm)].map((match) => match[1]!);
  expect(metrics.length).toBeGreaterThan(40);
  const asked = new Set(
    [...queries, ...rules.map(({ expr }) => expr)].flatMap(namesIn).map((name) => name.replace(/_bucket$/, "")),
  );
  expect(metrics.filter((name) => !asked.has(name) && !(name in UNSHOWN))).toEqual([]);
  for (const { title, description } of panels) expect([title, description?.endsWith(".")]).toEqual([title, true]);
});

const path = promtoolPath();
describe.skipIf(path === undefined)("promtool", () => {
  const scratch = mkdtempSync(join(tmpdir(), "promtool-"));
  afterAll(() => rmSync(scratch, { recursive: true }));
  cpSync(join(ROOT, "deploy/prometheus-alerts.yml"), join(scratch, "prometheus-alerts.yml"));

  test("names, units, HELP and TYPE of /metrics are by Prometheus' conventions", async () => {
    expect(await promtool(path!, ["check", "metrics"], page)).toEqual({ exitCode: 0, output: "" });
    const wrong = page.replaceAll("contract_data_flight_lag_bytes", "contract_data_flight_lag_total");
    expect((await promtool(path!, ["check", "metrics"], wrong)).exitCode).not.toBe(0); // it can fail
  });

  test("alerts fire on their trouble, and not on a server that is well or a session that is over", async () => {
    expect(await promtool(path!, ["check", "rules", join(scratch, "prometheus-alerts.yml")])).toMatchObject({
      exitCode: 0,
    });
    cpSync(join(import.meta.dir, "alerts.promtool.yml"), join(scratch, "tests.yml"));
    const tested = await promtool(path!, ["test", "rules", join(scratch, "tests.yml")]);
    expect(tested.output).toContain("SUCCESS");
    expect(tested.exitCode).toBe(0);
    for (const { alert } of rules)
      expect(read("test/ops/alerts.promtool.yml").split(`alertname: ${alert}`).length).toBeGreaterThan(2);
    writeFileSync(
      join(scratch, "prometheus-alerts.yml"),
      read("deploy/prometheus-alerts.yml").replace("< 1800", "< 18000"),
    );
    expect((await promtool(path!, ["test", "rules", join(scratch, "tests.yml")])).exitCode).not.toBe(0); // it can fail
  });

  test("the configuration of compose.yaml's Prometheus can be read, where it is mounted", async () => {
    const file = join(scratch, "prometheus.yml");
    const rulesPath = join(scratch, "prometheus-alerts.yml");
    writeFileSync(file, read("deploy/prometheus.yml").replace("/etc/prometheus/alerts.yml", rulesPath));
    expect(await promtool(path!, ["check", "config", file])).toMatchObject({ exitCode: 0 });
    const { services } = Bun.YAML.parse(read("deploy/compose.yaml")) as {
      services: { prometheus: { command: string[]; volumes: string[] } };
    };
    const { command, volumes } = services.prometheus;
    const mounted = volumes.find((volume) => volume.startsWith("./prometheus.yml:"))!.split(":")[1];
    expect(command).toContain(`--config.file=${mounted}`);
    expect(volumes).toContain("./prometheus-alerts.yml:/etc/prometheus/alerts.yml:ro");
  });

  test("every query of the dashboard is PromQL", async () => {
    const recorded = queries.map((query, index) => ({
      record: `panel:query:${index}`,
      expr: query.replaceAll("$__rate_interval", "1m"),
    }));
    const file = join(scratch, "queries.yml");
    writeFileSync(file, JSON.stringify({ groups: [{ name: "dashboard", rules: recorded }] }));
    expect(await promtool(path!, ["check", "rules", file])).toMatchObject({ exitCode: 0 });
  });
});
