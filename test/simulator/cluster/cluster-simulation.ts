/**
 * One simulated cluster: nodes that own sessions by the real OwnedRecords, with clocks of their own pace, over lines that
 * lose, delay and repeat messages, while nodes are killed and paused and the bucket is cut off and wiped. A session is a
 * counter of ledgers under filters that change, written down as src/sessions does it: a ledger is given out once a
 * reservation for it is stored, and a new filter holds behind the last reservation.
 *
 * Checked at every row: its node is the newest owner, and the row is the one that the stored filters say. Checked at the
 * end, when all faults are over: one node owns each session and goes on with it, every client has every row once and in
 * order, and nothing that was acknowledged is missing. A session is gone only where the bucket was wiped and its owner
 * died with it, or where it was removed.
 */

import { seeded } from "../world.ts";
import { type ClusterCanary, LEASE_MS } from "./cluster-canaries.ts";
import { SimulatedBucket } from "./simulated-bucket.ts";
import { SimulatedNode } from "./simulated-node.ts";
import { SimulatedSession } from "./simulated-session.ts";
import { VirtualTime } from "./virtual-time.ts";

const FAULTY_MS = 15_000;
const CALM_MS = 6 * LEASE_MS; // a lease to end, a claim, and time to get on
const STEP_MS = 100;

interface ClusterReport {
  seed: number;
  nodes: number;
  sessions: number;
  rows: number;
  takeovers: number;
  kills: number;
  pauses: number;
  cuts: number;
  wipes: number;
  gone: number;
}

/** @throws Error that says what is wrong */
export async function simulateCluster(seed: number, canary?: ClusterCanary): Promise<ClusterReport> {
  const simulation = new ClusterSimulation(seed, canary);
  try {
    return await simulation.run();
  } catch (thrown) {
    throw new Error(`seed ${seed}: ${(thrown as Error).message}`, { cause: thrown });
  }
}

class ClusterSimulation {
  private readonly random: () => number;
  private readonly time = new VirtualTime();
  private readonly bucket: SimulatedBucket;
  private readonly nodes: SimulatedNode[];
  private readonly sessions = new Map<string, SimulatedSession>();
  private readonly report: ClusterReport;

  constructor(seed: number, canary: ClusterCanary | undefined) {
    this.random = seeded(seed, "cluster");
    this.bucket = new SimulatedBucket((name, bytes) => this.sessions.get(name)!.wrote(bytes));
    this.bucket.isFenced = canary !== "fencing";
    const faults = { delayMsMax: [20, 100, 400][this.pick(3)]!, lost: [0, 0.02, 0.1][this.pick(3)]!, repeated: 0.03 };
    this.nodes = Array.from({ length: 2 + this.pick(3) }, (_, index) => {
      const pace = 0.95 + this.random() * 0.1;
      return new SimulatedNode(`node-${index}`, pace, this.time, this.bucket, { ...faults }, this.sessions, canary);
    });
    const counts = { rows: 0, takeovers: 0, kills: 0, pauses: 0, cuts: 0, wipes: 0, gone: 0 };
    this.report = { seed, nodes: this.nodes.length, sessions: 1 + this.pick(3), ...counts };
    for (const node of this.nodes) node.start(this.random);
  }

  async run(): Promise<ClusterReport> {
    const { time, report, nodes, sessions } = this;
    for (let count = 0; count < report.sessions; count++) {
      const session = new SimulatedSession(`session-${count}`, time, this.random, nodes);
      sessions.set(session.id, session);
      nodes[this.pick(nodes.length)]!.create(session);
    }
    const wipes = this.random() < 0.3;
    while (time.nowMs < FAULTY_MS) {
      if (this.random() < 0.06) this.disturb(wipes);
      for (const session of sessions.values()) if (this.random() < 0.1) session.changeFilter();
      await time.runTo(time.nowMs + STEP_MS);
      this.check();
    }
    for (const node of nodes) node.heal(this.random);
    await time.runTo(time.nowMs + CALM_MS);
    this.check();
    const marks = [...sessions.values()].map(({ ledger }) => ledger);
    await time.runTo(time.nowMs + LEASE_MS);
    [...sessions.values()].forEach((session, index) => {
      session.checkEnd(marks[index]!);
      report.rows += session.rows;
      report.takeovers += session.takeovers;
      if (session.isGone) report.gone += 1;
    });
    this.check();
    return report;
  }

  private check(): void {
    for (const { fault } of this.sessions.values()) if (fault !== undefined) throw fault;
  }

  private disturb(wipes: boolean): void {
    const { report, time, random } = this;
    const node = this.nodes[this.pick(this.nodes.length)]!;
    const ms = 50 + random() ** 2 * 4 * LEASE_MS;
    const kind = random();
    if (kind < 0.3) {
      report.kills += 1;
      node.kill();
      time.after(ms, () => node.start(random));
    } else if (kind < 0.55) {
      report.pauses += 1;
      node.pause(ms);
    } else if (kind < 0.9 || !wipes) {
      report.cuts += 1;
      const cut = random() < 0.3 ? this.nodes : [node]; // of one node, or the bucket from all
      for (const each of cut) each.cut(ms);
    } else {
      report.wipes += 1;
      this.bucket.wipe();
      for (const session of this.sessions.values()) session.wiped();
    }
  }

  private pick(count: number): number {
    return Math.floor(this.random() * count);
  }
}
