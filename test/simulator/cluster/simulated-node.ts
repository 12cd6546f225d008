/** A node of the simulated cluster: one process after another, each with the real OwnedRecords. */
import { pack, unpack } from "msgpackr";
import { OwnedRecords } from "../../../src/cluster/owned-records.ts";
import { type ClusterCanary, LEASE_MS } from "./cluster-canaries.ts";
import { Line, type LineFaults, type SimulatedBucket } from "./simulated-bucket.ts";
import { filterAt, type SessionRecord, type SimulatedSession } from "./simulated-session.ts";
import type { VirtualTime } from "./virtual-time.ts";

const LEDGER_MS = 40;
const RESERVE_LEDGERS = 8;
const CHECKPOINT_MS = 300;

/** A session that a process owns. */
interface Run {
  record: SessionRecord;
  next: number;
  /** Up to which ledger its reservation is stored. */
  reserved: number;
  isReserving: boolean;
}

/** A process, from its start to its death. */
interface Process {
  instance: string;
  records: OwnedRecords;
  line: Line;
  runs: Map<string, Run>;
  /** Sessions that it has seen or owned. */
  known: Set<string>;
  alive: boolean;
}

export class SimulatedNode {
  private process: Process | undefined;
  private starts = 0;
  private pausedUntilMs = 0;

  constructor(
    readonly name: string,
    /** Of its clock, against the true time. */
    private readonly pace: number,
    private readonly time: VirtualTime,
    private readonly bucket: SimulatedBucket,
    private readonly faults: LineFaults,
    private readonly sessions: ReadonlyMap<string, SimulatedSession>,
    private readonly canary: ClusterCanary | undefined,
  ) {}

  /** A new process, where there is none. */
  start(random: () => number): void {
    if (this.process !== undefined) return;
    const { time, pace, faults } = this;
    const instance = `${this.name}.${++this.starts}`;
    const process = { instance, runs: new Map<string, Run>(), known: new Set(), alive: true } as Process;
    const onNode = (run: () => void) => this.whenThere(process, run);
    process.line = new Line(this.bucket, time, random, faults, onNode);
    process.records = new OwnedRecords(
      process.line,
      { instance, node: this.name, control: "", flight: "" },
      LEASE_MS,
      {
        seen: (id) => process.known.add(id),
        gone: () => {},
        free: (id) => void this.claim(process, id),
        held: () => {},
        lost: (id) => process.runs.delete(id),
      },
      {
        nowMs: () => time.nowMs * pace,
        later: (ms, call) => time.after(ms / pace, () => onNode(call)),
      },
    );
    this.infect(process.records);
    this.process = process;
    process.records.start();
    const tick = () => {
      if (!process.alive) return;
      time.after(LEDGER_MS, () => onNode(tick));
      for (const [id, run] of process.runs) this.step(process, id, run);
    };
    tick();
  }

  kill(): void {
    if (this.process !== undefined) this.process.alive = false;
    this.process = undefined;
  }

  /** As SIGSTOP: what would have happened meanwhile happens afterwards. */
  pause(ms: number): void {
    this.pausedUntilMs = Math.max(this.pausedUntilMs, this.time.nowMs + ms);
  }

  cut(ms: number): void {
    const { process } = this;
    if (process === undefined) return;
    process.line.isCut = true;
    this.time.after(ms, () => process.line.mend());
  }

  /** All faults are over. */
  heal(random: () => number): void {
    this.start(random);
    this.process!.line.heal();
    this.pausedUntilMs = 0;
  }

  create(session: SimulatedSession): void {
    const { process } = this;
    if (process === undefined) return;
    const record: SessionRecord = { steps: [{ from: 1, filter: 0 }], reserved: 0, checkpoint: 1 };
    process.records.create(session.id, pack(record)).then(
      () => this.run(process, session.id, record),
      () => {
        session.isRefused = true;
      },
    );
  }

  /** Of the process that runs. */
  get instance(): string | undefined {
    return this.process?.instance;
  }

  /** Whether the process that runs knows of the session. */
  knows(id: string): boolean {
    return this.process?.known.has(id) === true;
  }

  owns(id: string): boolean {
    return this.process?.runs.has(id) === true;
  }

  /** @returns from which ledger it holds; undefined where this node does not own the session */
  changeFilter(id: string, filter: number, acknowledged: () => void): number | undefined {
    const run = this.process?.runs.get(id);
    if (run === undefined || this.isPaused) return undefined;
    const from = run.record.reserved + 1;
    run.record.steps = [...run.record.steps.filter((step) => step.from < from), { from, filter }];
    this.process!.records.write(id, pack(run.record)).then(acknowledged, () => {});
    return from;
  }

  private get isPaused(): boolean {
    return this.time.nowMs < this.pausedUntilMs;
  }

  private whenThere(process: Process, run: () => void): void {
    if (!process.alive) return;
    if (this.isPaused) this.time.at(this.pausedUntilMs, () => this.whenThere(process, run));
    else run();
  }

  private async claim(process: Process, id: string): Promise<void> {
    const bytes = await process.records.claim(id).catch(() => undefined);
    if (bytes !== undefined && process.alive && process.records.untilMs(id) > 0) {
      this.run(process, id, unpack(bytes) as SessionRecord);
    }
  }

  private run(process: Process, id: string, record: SessionRecord): void {
    const { checkpoint, reserved } = record;
    process.known.add(id);
    process.runs.set(id, { record, next: checkpoint, reserved, isReserving: false });
    this.keepCheckpoints(process, id, process.runs.get(id)!);
  }

  private keepCheckpoints(process: Process, id: string, run: Run): void {
    const save = () => {
      if (process.runs.get(id) !== run) return;
      run.record.checkpoint = run.next;
      void process.records.write(id, pack(run.record)).catch(() => {});
      this.time.after(CHECKPOINT_MS, () => this.whenThere(process, save));
    };
    this.time.after(CHECKPOINT_MS, () => this.whenThere(process, save));
  }

  /** Gives out the next ledger, where its reservation is stored and the lease lasts. */
  private step(process: Process, id: string, run: Run): void {
    const { records, instance } = process;
    if (this.time.nowMs * this.pace >= records.untilMs(id) && this.canary !== "late") return;
    if (run.next > run.reserved && !this.isReserved(process, id, run)) return;
    this.sessions.get(id)!.deliver(instance, run.next, filterAt(run.record, run.next));
    run.next += 1;
  }

  private isReserved(process: Process, id: string, run: Run): boolean {
    if (!run.isReserving) {
      run.isReserving = true;
      const reserved = run.next + RESERVE_LEDGERS;
      run.record.reserved = Math.max(run.record.reserved, reserved);
      process.records.write(id, pack(run.record)).then(
        () => Object.assign(run, { reserved, isReserving: false }),
        () => {},
      );
    }
    return this.canary === "reserve";
  }

  /** Puts a bug in. Its methods are private. */
  private infect(records: OwnedRecords): void {
    // biome-ignore lint/suspicious/noExplicitAny: a bug may be anywhere
    const inside = records as any;
    if (this.canary === "late") {
      inside.renew = () => {
        for (const [id, owned] of inside.owned) inside.flush(id, owned); // and nobody looks whether the lease has ended
      };
    } else if (this.canary === "eager") inside.isFree = () => true;
    else if (this.canary === "forget") inside.restore = () => {};
    else if (this.canary === "answer") {
      const { extend } = inside;
      inside.extend = (id: string, owned: unknown) => extend.call(records, id, owned, this.time.nowMs * this.pace);
    }
  }
}
