/** What deploy/ asks for is there: metrics by their names, settings, the binary that make build makes. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SETTINGS } from "../../src/config/schema.ts";
import { type FlightMetrics, metricsText, type ProcessMetrics } from "../../src/ops/metrics.ts";

const read = (name: string) => readFileSync(join(import.meta.dir, "../../deploy", name), "utf8");

const flight: FlightMetrics = {
  batchesSent: 0,
  bytesSent: 0,
  blockedSeconds: 0,
  slowClientsEnded: 0,
  getsCompleted: 0,
  getsCancelled: 0,
  getsFailed: 0,
  ranges: 0,
  catchUps: 0,
  lagLedgersMax: 0,
  lagBytes: 0,
};
const metrics: ProcessMetrics = {
  contractsProcessed: 0,
  entriesSkipped: 0,
  batchesCreated: 0,
  bytesProcessed: 0,
  processingErrors: 0,
  processingDuration: { boundsSeconds: [], counts: [0], sumSeconds: 0 },
  currentLedger: 0,
  activeSessions: 0,
  flightClientsConnected: 0,
  flightRecordsStreamed: 0,
  flight,
  flowctlRegistered: false,
  flowctlHeartbeatsSent: 0,
  flowctlHeartbeatErrors: 0,
};

interface Rules {
  groups: { rules: { alert: string; expr: string; labels: object; annotations: { summary: string } }[] }[];
}

test("the alerts are about metrics that there are", () => {
  const page = metricsText(metrics, "1");
  const { groups } = Bun.YAML.parse(read("prometheus-alerts.yml")) as Rules;
  const rules = groups.flatMap((group) => group.rules);
  expect(rules.length).toBeGreaterThan(5);
  for (const { alert, expr, labels, annotations } of rules) {
    const names = expr.match(/\b(contract_data|process)_\w+/g) ?? [];
    expect([alert, names.length > 0 || expr.startsWith("up{")]).toEqual([alert, true]);
    for (const name of names) expect(page).toContain(`# TYPE ${name} `);
    for (const [label, value] of expr.matchAll(/\b(outcome="\w+")/g))
      expect([label, page.includes(value!)]).toEqual([label, true]);
    expect([Object.keys(labels), annotations.summary.length > 0]).toEqual([["severity"], true]);
  }
});

test("the container and the unit set what can be set, and run what is built", () => {
  const known = new Set<string>(Object.values(SETTINGS).map(({ env }) => env));
  const container = read("Dockerfile");
  const unit = read("contract-data-processor.service");
  const set = [...container.matchAll(/^ENV (\w+)=/gm), ...unit.matchAll(/^Environment=(\w+)=/gm)].map(
    ([, name]) => name!,
  );
  // addresses too: without them a server that asks for no credentials listens on loopback alone
  const each = ["DATA_DIR", "FLIGHT_ADDRESS", "GRPC_ADDRESS", "HEALTH_PORT"];
  expect(set.toSorted()).toEqual([...each, ...each].toSorted());
  for (const name of set) expect(known.has(name)).toBe(true);
  expect(container).toContain("/src/dist/contract-data-processor /usr/local/bin/contract-data-processor");
  expect(unit).toContain("ExecStart=/usr/local/bin/contract-data-processor serve");
  // as flake.nix and docs/install.md have it
  expect(container).toContain("USER 1000:1000\n");
  expect(container).toContain('CMD ["/usr/local/bin/contract-data-processor", "health", "--live"]');
  const port = (address: string) => address.split(":").at(-1)!;
  const { grpcAddress, flightAddress, healthAddress } = SETTINGS;
  expect(/^EXPOSE (.*)$/m.exec(container)?.[1]?.split(" ")).toEqual(
    [grpcAddress, flightAddress, healthAddress].map((setting) => port(setting.default)),
  );
});
