/** Records over a real NATS: one owner at a time, whatever NATS does. The simulator has the rest (test/simulator/cluster). */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { unixNowMs } from "../../src/base/unix-time.ts";
import { ClusterConnection } from "../../src/cluster/connection.ts";
import { NatsBucket } from "../../src/cluster/nats-bucket.ts";
import { OwnedRecords } from "../../src/cluster/owned-records.ts";
import { clusterPlace } from "../../src/cluster/place.ts";
import { type RecordBucket, RevisionConflict } from "../../src/cluster/record-bucket.ts";
import type { RecordOwner } from "../../src/cluster/record-envelope.ts";
import { loadConfig } from "../../src/config/load.ts";
import { createLogger } from "../../src/ops/log.ts";
import { failureOf } from "../support/failure.ts";
import { until } from "../support/until.ts";
import { NatsServer, nats } from "./nats-server.ts";

const LEASE_MS = 1000;
const quiet = createLogger({ level: "error", output: { write: () => {} } });
const bytes = (text: string) => Buffer.from(text);

describe.skipIf(nats.missing !== undefined)("records in NATS", () => {
  let server: NatsServer;
  let connection: ClusterConnection;
  beforeAll(async () => {
    server = await NatsServer.start();
    const { values } = loadConfig({ env: { CLUSTER: server.url } });
    connection = new ClusterConnection(clusterPlace(values)!, quiet);
    await until(() => connection.condition.well, "NATS is there");
  });
  afterAll(async () => {
    await connection.close();
    await server.stop();
  });

  /** A node that claims whatever is free. */
  class Node {
    readonly has = new Map<string, string>();
    readonly lost: string[] = [];
    readonly owners = new Map<string, RecordOwner | undefined>();
    readonly records: OwnedRecords;

    constructor(bucket: RecordBucket, name: string) {
      this.records = new OwnedRecords(
        bucket,
        { instance: name, node: name, control: "c", flight: "f" },
        LEASE_MS,
        {
          seen: (id, _, owner) => this.owners.set(id, owner),
          gone: (id) => this.owners.delete(id),
          free: (id) => void this.claim(id),
          held: () => {},
          lost: (id, why) => {
            this.lost.push(why);
            this.has.delete(id);
          },
        },
        {
          nowMs: unixNowMs,
          later: (ms, call) => {
            const timer = setTimeout(call, ms);
            return () => clearTimeout(timer);
          },
        },
      );
      this.records.start();
    }

    private async claim(id: string): Promise<void> {
      const record = await this.records.claim(id).catch(() => undefined);
      if (record !== undefined) this.has.set(id, Buffer.from(record).toString());
    }
  }

  test("a bucket refuses what is bound to another revision, and its revisions never come again", async () => {
    const bucket = new NatsBucket(connection, "fenced");
    expect((await bucket.read()).size).toBe(0);
    const first = await bucket.put("a", bytes("1"), 0);
    const second = await bucket.put("a", bytes("2"), first);
    expect(second).toBeGreaterThan(first);
    await expect(bucket.put("a", bytes("3"), first)).rejects.toThrow(RevisionConflict);
    await expect(bucket.put("a", bytes("3"), 0)).rejects.toThrow(RevisionConflict);
    expect([...(await bucket.read())]).toEqual([["a", { revision: second, bytes: expect.anything() }]]);
    await bucket.remove("a", second);
    expect((await bucket.read("a")).get("a")?.bytes).toBeUndefined();
    for (let key = 0; key < 1100; key += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, each) => bucket.put(`k${key + each}`, bytes("v"), 0)));
    }
    expect((await bucket.read()).size).toBe(1101);
    await server.wipe();
    await server.restart();
    await until(() => connection.condition.well, "NATS is back");
    await until(async () => (await bucket.read().catch(() => undefined))?.size === 0, "the bucket is made anew");
    expect(await bucket.put("a", bytes("4"), 0)).toBeGreaterThan(second + 2000);
  });

  test("an owner that is silent for its lease is replaced, and its writes are refused", async () => {
    const bucket = new NatsBucket(connection, "silent");
    const [a, b] = [new Node(bucket, "a"), new Node(bucket, "b")];
    await a.records.create("x", bytes("one"));
    await a.records.write("x", bytes("two"));
    await until(() => b.owners.get("x")?.node === "a", "b sees it");
    await Bun.sleep(1.5 * LEASE_MS);
    expect(b.has.size).toBe(0); // a renews
    await a.records.release("x");
    await until(() => a.has.get("x") === "two" || b.has.get("x") === "two", "what is given back is taken");
    const [owner, other] = a.has.size > 0 ? [a, b] : [b, a];
    expect(await failureOf(other.records.write("x", bytes("three")))).toMatchObject({ reason: "LEASE_LOST" });
    await owner.records.remove("x");
    await until(() => !other.owners.has("x"), "all see that it is removed");
    await Promise.all([a.records.close(), b.records.close()]);
  });

  test("a record that another node has created is answered with, and one that was removed is created anew", async () => {
    const bucket = new NatsBucket(connection, "created");
    const [a, b] = [new Node(bucket, "a"), new Node(bucket, "b")];
    expect(await a.records.create("x", bytes("one"))).toBeUndefined();
    const there = await b.records.create("x", bytes("two"));
    expect([there!.owner!.node, Buffer.from(there!.record).toString()]).toEqual(["a", "one"]);
    await a.records.remove("x");
    expect(await b.records.create("x", bytes("three"))).toBeUndefined();
    await until(() => a.owners.get("x")?.node === "b", "a sees it");
    await Promise.all([a.records.close(), b.records.close()]);
  });

  test("a record that a creation was answered with is seen to go, however soon it is removed", async () => {
    const bucket = new NatsBucket(connection, "answered");
    const [a, b] = [new Node(bucket, "a"), new Node(bucket, "b")];
    for (let round = 0; round < 20; round++) {
      await a.records.create("x", bytes("one"));
      expect((await b.records.create("x", bytes("two")))!.owner!.node).toBe("a");
      expect(b.owners.get("x")?.node).toBe("a");
      await a.records.remove("x");
      await until(() => !b.owners.has("x"), "b sees that it is removed");
    }
    await Promise.all([a.records.close(), b.records.close()]);
  });

  test("what JetStream has lost with its owner is restored as the last of the others saw it", async () => {
    const bucket = new NatsBucket(connection, "lost");
    /** A node that saw nothing after some time: its line is cut. */
    class Line implements RecordBucket {
      isCut = false;
      read = (name?: string) => this.through(() => bucket.read(name));
      put = (...put: Parameters<NatsBucket["put"]>) => this.through(() => bucket.put(...put));
      remove = (...removal: Parameters<NatsBucket["remove"]>) => this.through(() => bucket.remove(...removal));
      private through<T>(call: () => Promise<T>): Promise<T> {
        return this.isCut ? Promise.reject(new Error("the line is cut")) : call();
      }
    }
    const [owners, late] = [new Line(), new Line()];
    const [owner, a, b] = [new Node(owners, "owner"), new Node(late, "a"), new Node(bucket, "b")];
    await owner.records.create("x", bytes("one"));
    await until(() => a.owners.has("x") && b.owners.has("x"), "all see it");
    late.isCut = true;
    await owner.records.write("x", bytes("two"));
    await Bun.sleep(LEASE_MS / 4);
    owners.isCut = true; // it is gone for good
    await server.wipe();
    await server.restart();
    late.isCut = false; // it saw only what was there before
    await until(() => a.has.size + b.has.size > 0, "one of them goes on with it");
    expect([...a.has.values(), ...b.has.values()]).toEqual(["two"]);
    await Promise.all([a.records.close(), b.records.close()]);
    await owner.records.close();
  }, 30_000);

  test("while NATS is away its owner ends in time, and takes it up again", async () => {
    const bucket = new NatsBucket(connection, "away");
    const node = new Node(bucket, "a");
    await node.records.create("x", bytes("one"));
    await server.kill();
    const unwritten = failureOf(node.records.write("x", bytes("two")));
    const until0 = node.records.untilMs("x");
    await until(() => node.lost.length > 0, "the lease ends");
    expect(unixNowMs() - until0).toBeLessThan(LEASE_MS / 2);
    expect(await unwritten).toMatchObject({ code: "UNAVAILABLE", reason: "LEASE_LOST" });
    expect(await failureOf(node.records.create("y", bytes("")))).toMatchObject({ reason: "CLUSTER_AWAY" });
    await server.restart();
    await until(() => node.has.get("x") === "one", "it goes on with what was stored");
    await node.records.write("x", bytes("three"));
    await node.records.close();
  });
});
