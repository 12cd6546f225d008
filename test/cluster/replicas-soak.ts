/** Nodes over a NATS of three servers, one of which dies: CLUSTER_REPLICAS keeps the bucket there. */
import { describe, expect, test } from "bun:test";
import { Kvm } from "@nats-io/kv";
import { ClusterConnection } from "../../src/cluster/connection.ts";
import { Membership } from "../../src/cluster/membership.ts";
import { clusterPlace } from "../../src/cluster/place.ts";
import { loadConfig } from "../../src/config/load.ts";
import { createLogger } from "../../src/ops/log.ts";
import { until } from "../support/until.ts";
import { NatsServer, nats } from "./nats-server.ts";

describe.skipIf(nats.missing !== undefined)("three servers of NATS", () => {
  test("one of them dies, nodes stay and others come", async () => {
    const servers = await NatsServer.cluster(3);
    const quiet = createLogger({ level: "error", output: { write: () => {} } });
    const env = {
      CLUSTER: servers.map(({ url }) => url).join(","),
      ...{ CLUSTER_REPLICAS: "3", CLUSTER_LEASE: "2s" },
    };
    const nodeOf = (id: string) => {
      const connection = new ClusterConnection(clusterPlace(loadConfig({ env }).values)!, quiet);
      const terms = { version: "1", network: "Test", rows: "", ticketKey: "" };
      const self = {
        ...{ id, name: id, flight: `grpc+tcp://${id}:1`, control: `${id}:2`, startedUnixMs: 0 },
        ...terms,
      };
      return { connection, member: new Membership(connection, self, () => ({ sessions: 0, streams: 0 }), quiet) };
    };
    const nodes = [nodeOf("a"), nodeOf("b")];
    const knows = (count: number) => nodes.every(({ member }) => member.nodes.length === count);
    try {
      await until(() => knows(2), "two nodes");
      const [{ connection }] = nodes as [(typeof nodes)[0]];
      const kv = await new Kvm(connection.jetstream()).open("contract-data-nodes");
      const { streamInfo } = await kv.status();
      expect(streamInfo.config.num_replicas).toBe(3);
      const leader = servers[Number(/\d+$/.exec(streamInfo.cluster!.leader!)![0])]!;
      await leader.kill();
      nodes.push(nodeOf("c"));
      await until(() => knows(3), "three nodes");
    } finally {
      await Promise.all(nodes.map(({ member }) => member.close()));
      await Promise.all(nodes.map(({ connection }) => connection.close()));
      await Promise.all(servers.map((server) => server.stop()));
    }
  }, 60_000);
});
