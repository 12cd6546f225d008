/** Nodes in one bucket: who sees whom, leases, other terms, JetStream that was wiped, clocks that are wrong. */
import { afterAll, beforeAll, describe, expect, setSystemTime, test } from "bun:test";
import { Kvm } from "@nats-io/kv";
import { ClusterConnection } from "../../src/cluster/connection.ts";
import { Membership } from "../../src/cluster/membership.ts";
import { differenceOf, type NodeRecord, parseNodeRecord } from "../../src/cluster/node-record.ts";
import { clusterPlace } from "../../src/cluster/place.ts";
import { loadConfig } from "../../src/config/load.ts";
import { createLogger } from "../../src/ops/log.ts";
import { until } from "../support/until.ts";
import { NatsServer, nats } from "./nats-server.ts";

const LEASE_MS = 1000;
const quiet = createLogger({ level: "error", output: { write: () => {} } });
const TERMS = { version: "1.0.0", network: "Test", rows: "r", ticketKey: "" };

const recordOf = (id: string, terms: Partial<NodeRecord> = {}) => ({
  ...{ id, name: id, flight: `grpc+tcp://${id}:8816`, control: `${id}:50054`, startedUnixMs: 1, ...TERMS },
  ...terms,
});

test("only what a node would write is a record", () => {
  const load = { sessions: 1, streams: 2 };
  const right = { ...recordOf("a"), load, since: 7 };
  expect(parseNodeRecord(JSON.stringify(right))).toEqual(right);
  const wrong = [
    ...["", "null", "[]", "7", "{"],
    ...[{ flight: "http://a" }, { id: 7 }, { load: null }, { load: { sessions: -1, streams: 0 } }, { since: "1" }].map(
      (change) => JSON.stringify({ ...right, ...change }),
    ),
    JSON.stringify({ ...right, network: "x".repeat(513) }),
  ];
  for (const text of wrong) expect([text, parseNodeRecord(text)]).toEqual([text, undefined]);
});

test("a difference is told with both sides", () => {
  const told = (other: Partial<typeof TERMS>, own: Partial<typeof TERMS> = {}) =>
    differenceOf({ ...TERMS, ...own }, { ...TERMS, ...other });
  expect(told({})).toBeUndefined();
  expect(told({ network: "Public" })).toBe('it is of network "Public", and this one of "Test"');
  expect(told({ version: "2.0.0" })).toBe("it has version 2.0.0, and this one 1.0.0");
  expect(told({ rows: "other" })).toContain("KNOWN_ASSETS");
  expect(told({ ticketKey: "k" })).toBe("it asks callers who they are, and this one does not");
  expect(told({}, { ticketKey: "k" })).toBe("this one asks callers who they are, and it does not");
  expect(told({ ticketKey: "k" }, { ticketKey: "l" })).toContain("TICKET_KEY_FILE");
});

describe.skipIf(nats.missing !== undefined)("over NATS", () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await NatsServer.start();
  });
  afterAll(() => server.stop());

  /** A node of a cluster. */
  function nodeOf(cluster: string, id: string, terms: Partial<NodeRecord> = {}, lease = `${LEASE_MS}ms`) {
    const env = { CLUSTER: server.url, CLUSTER_NAME: cluster, CLUSTER_LEASE: lease };
    const connection = new ClusterConnection(clusterPlace(loadConfig({ env }).values)!, quiet);
    const load = { sessions: 1, streams: 2 };
    const member = new Membership(connection, recordOf(id, terms), () => load, quiet);
    return {
      ...{ connection, member },
      ids: () => member.nodes.map((node) => node.id).join(" "),
      async close() {
        await member.close();
        await connection.close();
      },
    };
  }

  test("all see all, one that leaves is gone at once, one that dies within the lease", async () => {
    const [a, b, c] = ["a", "b", "c"].map((id) => nodeOf("leases", id)) as [Node, Node, Node];
    try {
      await until(() => a.ids() === "a b c" && b.ids() === "b a c" && c.ids() === "c a b", "three nodes");
      expect(b.member.nodes[1]).toMatchObject({
        ...{ flight: "grpc+tcp://a:8816", load: { sessions: 1, streams: 2 }, isSelf: false },
      });
      expect(a.member.condition).toEqual({ well: true, message: "node a of cluster leases, one of 3" });
      await b.close();
      await until(() => a.ids() === "a c" && c.ids() === "c a", "b has left");
      const died = performance.now();
      await c.connection.close(); // without a word
      await until(() => a.ids() === "a", "c is gone");
      const tookMs = performance.now() - died;
      expect(tookMs).toBeGreaterThan(LEASE_MS / 2);
      expect(tookMs).toBeLessThan(LEASE_MS * 5);
    } finally {
      await Promise.all([a.close(), b.close(), c.close()]);
    }
  });

  test.each([
    ["network", { network: "Public" }, 'it is of network "Test", and this one of "Public"'],
    ["version", { version: "2.0.0" }, "it has version 1.0.0, and this one 2.0.0"],
  ])(
    "a node of another %s works alone, with both in its message, until the others are gone",
    async (name, terms, why) => {
      const a = nodeOf(`other-${name}`, "a");
      let b: Node | undefined;
      try {
        await until(() => a.member.condition.well, "a is in");
        b = nodeOf(`other-${name}`, "b", terms);
        await until(() => b!.member.condition.message.includes(why), `b is refused: ${b.member.condition.message}`);
        expect(b.member.condition.message).toContain("has node a");
        expect([a.ids(), b.ids()]).toEqual(["a", "b"]);
        await a.close();
        await until(() => b!.member.condition.well, "b takes its place");
      } finally {
        await Promise.all([a.close(), b?.close()]);
      }
    },
  );

  test("of two of other terms that come at once, one stays", async () => {
    const a = nodeOf("race", "a");
    const b = nodeOf("race", "b", { network: "Public" });
    const isOne = () => a.member.condition.well !== b.member.condition.well;
    try {
      await until(isOne, "one is in");
      for (let turn = 0; turn < 10; turn++) {
        expect([a.ids(), b.ids()]).toEqual(["a", "b"]); // neither is ever given to the other's clients
        await Bun.sleep(50);
      }
      await until(isOne, "one is in still");
    } finally {
      await Promise.all([a.close(), b.close()]);
    }
  });

  test("NATS that dies, and comes back empty", async () => {
    const [a, b] = ["a", "b"].map((id) => nodeOf("wiped", id)) as [Node, Node];
    try {
      await until(() => a.ids() === "a b" && b.ids() === "b a", "two nodes");
      await server.wipe();
      await until(() => a.ids() === "a" && b.ids() === "b", "each works alone");
      expect(a.member.condition).toMatchObject({ well: false, message: expect.stringContaining("is away") });
      await server.restart();
      await until(() => a.ids() === "a b" && b.ids() === "b a", "two nodes again");
    } finally {
      await Promise.all([a.close(), b.close()]);
    }
  });

  test("clocks of nodes that are wrong, and run wrong, change nothing", async () => {
    const a = nodeOf("clocks", "a");
    let b: Node | undefined;
    try {
      await until(() => a.member.condition.well, "a is in");
      setSystemTime(new Date("2001-01-01")); // of b, and of a from now on
      b = nodeOf("clocks", "b");
      await until(() => a.ids() === "a b" && b!.ids() === "b a", "two nodes");
      setSystemTime(new Date("2099-01-01"));
      await Bun.sleep(1.3 * LEASE_MS);
      expect([a.ids(), b.ids()]).toEqual(["a b", "b a"]);
      expect(b.member.nodes[1]!.silentMs).toBeLessThan(LEASE_MS);
    } finally {
      setSystemTime();
      await Promise.all([a.close(), b?.close()]);
    }
  });

  test("another CLUSTER_LEASE takes the place of the one before; what is no record is passed over", async () => {
    const a = nodeOf("lease", "a");
    let b: Node | undefined;
    try {
      await until(() => a.member.condition.well, "a is in");
      const kv = await new Kvm(a.connection.jetstream()).open("lease-nodes");
      await kv.put("x", "no record");
      b = nodeOf("lease", "b", {}, "3s");
      await until(() => b!.ids() === "b a", "b sees a");
      expect((await kv.status()).ttl).toBe(3000);
    } finally {
      await Promise.all([a.close(), b?.close()]);
    }
  });

  type Node = ReturnType<typeof nodeOf>;
});
