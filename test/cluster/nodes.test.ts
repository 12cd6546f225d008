/** Three servers as nodes: NATS that comes late, who is there, endpoints spread over all, a node killed while four clients read. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { FlightClient } from "../../src/flight-client/client.ts";
import { runCommand, SAMPLE } from "../support/processor.ts";
import { randomFrom, seedOf } from "../support/random.ts";
import { until } from "../support/until.ts";
import { KillRun } from "./kill-run.ts";
import { nats } from "./nats-server.ts";

const ROUNDS = 60; // some 19,000 rows: a second of reading
const RANGE = { start_ledger: SAMPLE.first, end_ledger: SAMPLE.last };

interface Told {
  ready: boolean;
  components: { cluster: { healthy: boolean; ready: boolean; message: string } };
}

describe.skipIf(nats.missing !== undefined)("three nodes", () => {
  let run: KillRun;
  const healthOf = async (http: string) => (await (await fetch(`http://${http}/health`)).json()) as Told;
  const locationsOf = async (flight: string, endpoints: number) => {
    const client = new FlightClient(flight);
    try {
      return (await client.range({ ...RANGE, endpoints })).map(({ locations }) => locations);
    } finally {
      client.close();
    }
  };
  beforeAll(async () => {
    run = await KillRun.start(ROUNDS, "away");
  });
  afterAll(() => run.stop());

  test("without NATS each works alone and says so, and they find each other when it is there", async () => {
    const [{ http, flight }] = run.nodes as [(typeof run.nodes)[0]];
    const away = await healthOf(http);
    expect(away.ready).toBe(true);
    expect(away.components.cluster).toMatchObject({ healthy: true, ready: false });
    expect(away.components.cluster.message).toMatch(/^NATS at 127\.0\.0\.1:\d+ is away: /);
    expect(await locationsOf(flight, 2)).toEqual([[], []]);
    await run.server.restart();
    await run.allKnowAll();
    await until(async () => (await healthOf(http)).components.cluster.ready, "the component is well");
  }, 60_000);

  test("nodes lists them, as do the console and the metrics", async () => {
    const { control, http, flight } = run.nodes[0]!;
    const { exitCode, stdout } = await runCommand(["nodes", "--address", control]);
    const lines = stdout.trim().split("\n");
    expect([exitCode, lines.length]).toEqual([0, 4]);
    expect(lines[0]).toMatch(/ {2}this one$/);
    expect(lines[0]).toContain(`grpc+tcp://${flight}  control ${control}`);
    expect(lines[3]).toMatch(/of cluster contract-data, one of 3$/);
    const json = JSON.parse((await runCommand(["nodes", "--json", "--address", control])).stdout);
    const flights = json.nodes.map((node: { flight_location: string }) => node.flight_location).sort();
    expect(flights).toEqual(run.nodes.map((node) => `grpc+tcp://${node.flight}`).sort());
    const { nodes } = (await (await fetch(`http://${http}/status.json`)).json()) as { nodes: object[] };
    expect(nodes).toHaveLength(3);
    expect(await (await fetch(`http://${http}/metrics`)).text()).toContain("contract_data_cluster_nodes 3\n");
  }, 60_000);

  test("endpoints go round the nodes, the one that was asked first, each with all three", async () => {
    const { flight } = run.nodes[1]!;
    const locations = await locationsOf(flight, 7);
    expect(locations.map(([first]) => first)).toEqual(locations.map((_, index) => locations[0]![index % 3]));
    expect(locations[0]![0]).toBe(`grpc+tcp://${flight}`);
    for (const each of locations) expect(new Set(each).size).toBe(3);
  });

  test("a node is killed at a random instant, and every client has the oracle's rows", async () => {
    const seed = seedOf();
    const report = await run.kill(randomFrom(seed)).catch((thrown) => {
      throw new Error(`SEED=${seed}: ${thrown.message}`);
    });
    expect(report.rows).toBe(ROUNDS * SAMPLE.rows);
  }, 120_000);
});
