/**
 * Nodes that know each other: each keeps a record of itself in a bucket of JetStream, renews it three times in a lease, and
 * reads those of the others. NATS drops a record that has not been renewed for a lease, by its own clock: clocks of nodes
 * are compared with nothing.
 *
 *   outside ──nobody of other terms is there──▶ member      its record is in the bucket, others send clients to it
 *   member  ──an older node of other terms is there──▶ outside      it takes its record away, and works alone
 */
import type { JetStreamClient } from "@nats-io/jetstream";
import { type KV, Kvm } from "@nats-io/kv";
import { pause } from "../base/pause.ts";
import { settlesWithin } from "../base/settles-within.ts";
import type { Logger } from "../ops/log.ts";
import { type ClusterConnection, clusterFault } from "./connection.ts";
import { differenceOf, type NodeLoad, type NodeRecord, parseNodeRecord, type StoredNode } from "./node-record.ts";

const RENEWALS_PER_LEASE = 3; // one may be lost, and one be late
const LEAVE_MS_MAX = 1_000; // of a shutdown
const NODES_MAX = 1024; // what JetStream answers at once

/** A live node for whoever looks. */
export interface ClusterNode {
  id: string;
  name: string;
  flight: string;
  control: string;
  version: string;
  network: string;
  startedUnixMs: number;
  load: NodeLoad;
  /** When NATS last heard of it, before it last heard of this one, in milliseconds; 0 for this one. */
  silentMs: number;
  /** Whether it is the one that answers. */
  isSelf: boolean;
}

/** This node among the others, from its construction to `close`. */
export class Membership {
  private readonly stop = new AbortController();
  private readonly running: Promise<void>;
  private readonly leave: () => void;
  private wake = new AbortController();
  private bucket: { js: JetStreamClient; kv: KV } | undefined;
  private others: StoredNode[] = [];
  /** By the monotonic clock: when `others` was read. */
  private readMs = Number.NEGATIVE_INFINITY;
  private since: number | undefined;
  private ownRenewedUnixMs = 0;
  /** Why it is outside, or its last turn has failed. */
  private refusal: string | undefined;
  private trouble: string | undefined;

  /**
   * @param self what others are told; its load is asked for at each renewal
   * @param load cheap
   */
  constructor(
    private readonly connection: ClusterConnection,
    private readonly self: Omit<NodeRecord, "load" | "since">,
    private readonly load: () => NodeLoad,
    private readonly log: Logger,
  ) {
    this.leave = connection.onConnected(() => this.wake.abort());
    this.running = this.run();
  }

  get id(): string {
    return this.self.id;
  }

  /** Live nodes of the same terms, this one first, the others by id; this one alone while NATS has not been heard of for a lease. */
  get nodes(): ClusterNode[] {
    const own = { ...shown(this.self), load: this.load(), silentMs: 0, isSelf: true };
    if (this.since === undefined || performance.now() - this.readMs > this.connection.place.leaseMs) return [own];
    const others = this.others.filter(({ record }) => differenceOf(this.self, record) === undefined);
    const nodes = others.map(({ record, renewedUnixMs }) => ({
      ...shown(record),
      load: record.load,
      silentMs: Math.max(0, this.ownRenewedUnixMs - renewedUnixMs),
      isSelf: false,
    }));
    return [own, ...nodes.sort((a, b) => (a.id < b.id ? -1 : 1))];
  }

  /** Whether others know this node, and a sentence for people. */
  get condition(): { well: boolean; message: string } {
    const { connection } = this;
    if (!connection.condition.well) return connection.condition;
    const trouble = this.refusal ?? this.trouble;
    if (trouble !== undefined) return { well: false, message: trouble };
    if (this.since === undefined) return { well: false, message: "registering" };
    const count = this.nodes.length;
    return { well: true, message: `node ${this.id} of cluster ${connection.place.name}, one of ${count}` };
  }

  /** Takes its record away, within a second, so that others know at once; the connection stays open. */
  async close(): Promise<void> {
    this.leave();
    this.stop.abort();
    this.wake.abort();
    const left = this.running.then(() => (this.since === undefined ? undefined : this.bucket?.kv.delete(this.id)));
    await settlesWithin(left, LEAVE_MS_MAX);
    this.since = undefined;
  }

  private async run(): Promise<void> {
    const { signal } = this.stop;
    const renewMs = this.connection.place.leaseMs / RENEWALS_PER_LEASE;
    while (!signal.aborted) {
      const begunMs = performance.now();
      try {
        if (this.connection.condition.well) await this.turn();
        this.trouble = undefined;
      } catch (thrown) {
        this.bucket = undefined; // it may have been taken away with all of JetStream
        this.failed(clusterFault(thrown).message);
      }
      await pause(Math.max(0, renewMs - (performance.now() - begunMs)), this.wake.signal);
      if (this.wake.signal.aborted && !signal.aborted) this.wake = new AbortController();
    }
  }

  private async turn(): Promise<void> {
    this.bucket ??= await this.open();
    const { js, kv } = this.bucket;
    if (this.since === undefined) {
      const rival = this.rivalOf(await this.read(js));
      if (rival !== undefined) return this.stayOutside(rival);
    }
    const revision = await kv.put(this.id, JSON.stringify(this.record()));
    if (this.since === undefined) this.log.info("a node of the cluster", { id: this.id, flight: this.self.flight });
    if (this.since === undefined || revision < this.since) this.since = revision; // less: JetStream began anew
    this.refusal = undefined;
    const rival = this.rivalOf(await this.read(js));
    if (rival === undefined || rival.since > this.since) return; // the younger one goes
    await kv.delete(this.id);
    this.since = undefined;
    this.stayOutside(rival);
  }

  private record(): NodeRecord {
    return { ...this.self, load: this.load(), since: this.since };
  }

  /** Opens the bucket, or makes it where it is not there. */
  private async open(): Promise<{ js: JetStreamClient; kv: KV }> {
    const js = this.connection.jetstream();
    const { leaseMs, replicas } = this.connection.place;
    const kv = await new Kvm(js).create(this.bucketName(), { ttl: leaseMs, history: 1, replicas });
    const { ttl, streamInfo } = await kv.status();
    if (ttl !== leaseMs) {
      this.log.warn("CLUSTER_LEASE is another one now: give every node the same", { wasMs: ttl, isMs: leaseMs });
      const jsm = await js.jetstreamManager(false);
      await jsm.streams.update(streamInfo.config.name, { max_age: leaseMs * 1e6 });
    }
    return { js, kv };
  }

  /** Every record of another node. */
  private async read(js: JetStreamClient): Promise<StoredNode[]> {
    const begunMs = performance.now();
    const jsm = await js.jetstreamManager(false);
    const bucket = this.bucketName();
    const messages = await jsm.direct.getLastMessagesFor(`KV_${bucket}`, {
      multi_last: [`$KV.${bucket}.>`],
      batch: NODES_MAX,
    });
    const others: StoredNode[] = [];
    for await (const { data, header, seq, time } of messages) {
      if (header.has("KV-Operation")) continue; // it has left
      const record = parseNodeRecord(new TextDecoder().decode(data));
      if (record === undefined) continue;
      const renewedUnixMs = time.getTime();
      if (record.id === this.id) this.ownRenewedUnixMs = renewedUnixMs;
      else others.push({ record, since: record.since ?? seq, renewedUnixMs });
    }
    this.others = others;
    this.readMs = begunMs;
    return others;
  }

  /** The oldest node of other terms. */
  private rivalOf(others: readonly StoredNode[]): StoredNode | undefined {
    const rivals = others.filter(({ record }) => differenceOf(this.self, record) !== undefined);
    return rivals.sort((a, b) => a.since - b.since)[0];
  }

  private stayOutside({ record }: StoredNode): void {
    const refusal = `cluster ${this.connection.place.name} has node ${record.id}, and ${differenceOf(this.self, record)}: this node works alone until that one is gone`;
    if (refusal !== this.refusal) this.log.error("not a node of the cluster", { why: refusal });
    this.refusal = refusal;
  }

  private failed(trouble: string): void {
    if (this.stop.signal.aborted) return;
    if (trouble !== this.trouble) this.log.warn("the cluster cannot be told of this node", { why: trouble });
    this.trouble = trouble;
  }

  private bucketName(): string {
    return `${this.connection.place.name}-nodes`;
  }
}

function shown({ id, name, flight, control, version, network, startedUnixMs }: Omit<NodeRecord, "load" | "since">) {
  return { id, name, flight, control, version, network, startedUnixMs };
}
