/** A session of the simulated cluster: what of it is stored, what was acknowledged, and what its clients have. */
import { unpack } from "msgpackr";
import type { VirtualTime } from "./virtual-time.ts";

/** What a session's record has; as src/sessions, in small. */
export interface SessionRecord {
  /** Rising; a filter is a number here. */
  steps: { from: number; filter: number }[];
  /** No ledger above was ever given out. */
  reserved: number;
  /** Where a successor begins. */
  checkpoint: number;
}

/** The filter in force at a ledger. */
export function filterAt({ steps }: SessionRecord, ledger: number): number {
  return steps.findLast(({ from }) => from <= ledger)!.filter;
}

/** What lies in the bucket. */
interface Stored {
  owner?: { instance: string };
  record: Uint8Array;
  restores?: number;
}

/** A node as far as its sessions go. */
interface SessionNode {
  /** The process that runs now. */
  readonly instance: string | undefined;
  knows(id: string): boolean;
  owns(id: string): boolean;
  changeFilter(id: string, filter: number, acknowledged: () => void): number | undefined;
}

interface Client {
  next: number;
  readonly rows: { ledger: number; filter: number }[];
}

const CLIENTS = 2;

export class SimulatedSession {
  /** What went wrong first. */
  fault: Error | undefined;
  /** Whoever created it was told that there is none. */
  isRefused = false;
  rows = 0;
  takeovers = 0;
  private stored: SessionRecord | undefined;
  private owner: string | undefined;
  /** The process that owned it when all was lost, and those that knew of it, until its record is there again. */
  private lostWith: { owner: string | undefined; witnesses: (string | undefined)[] } | undefined;
  private wasWiped = false;
  private readonly acknowledged: { from: number; filter: number }[] = [];
  private readonly clients: Client[] = Array.from({ length: CLIENTS }, () => ({ next: 1, rows: [] }));
  private filters = 0;

  constructor(
    readonly id: string,
    private readonly time: VirtualTime,
    private readonly random: () => number,
    private readonly nodes: readonly SessionNode[],
  ) {}

  /** The furthest that any client has come. */
  get ledger(): number {
    return Math.max(...this.clients.map(({ next }) => next));
  }

  /** The bucket has stored a write. */
  wrote(bytes: Uint8Array | undefined): void {
    if (bytes === undefined) {
      this.stored = undefined;
      if (!this.isRefused) this.fail("it was removed, and its creation was not refused");
      return;
    }
    const { owner, record, restores } = unpack(bytes) as Stored;
    const isRestored = restores !== undefined; // as somebody has seen it, who may not have seen the last write
    if (this.lostWith !== undefined && (isRestored || owner?.instance !== this.lostWith.owner)) this.wasWiped = true;
    this.lostWith = undefined;
    if (owner !== undefined && owner.instance !== this.owner) {
      if (this.owner !== undefined) this.takeovers += 1;
      this.owner = owner.instance;
    }
    this.stored = unpack(record) as SessionRecord;
  }

  /** All who knew of it died with the bucket, and nobody has made it anew. */
  get isGone(): boolean {
    const { lostWith, nodes } = this;
    if (lostWith === undefined) return false;
    return this.isRefused || !nodes.some(({ instance }) => lostWith.witnesses.includes(instance));
  }

  wiped(): void {
    if (this.stored === undefined) return;
    const witnesses = this.nodes.filter((node) => node.knows(this.id)).map(({ instance }) => instance);
    this.lostWith ??= { owner: this.owner, witnesses };
  }

  /** A filter change by whichever node owns it. */
  changeFilter(): void {
    const filter = ++this.filters;
    for (const node of this.nodes) {
      const from = node.changeFilter(this.id, filter, () => this.acknowledged.push({ from: from!, filter }));
      if (from !== undefined) return;
    }
  }

  /** A node gives out a ledger to the clients that are connected to it. */
  deliver(instance: string, ledger: number, filter: number): void {
    const { stored } = this;
    if (stored === undefined || this.owner !== instance) {
      this.fail(`${instance} delivers ledger ${ledger} at ${this.time.nowMs.toFixed(0)}, and ${this.owner} owns it`);
      return;
    }
    for (const client of this.clients) {
      if (this.random() < 0.02) continue; // it is slow, and reads this from the source the next time
      for (; client.next < ledger; client.next += 1) {
        client.rows.push({ ledger: client.next, filter: filterAt(stored, client.next) });
      }
      if (client.next !== ledger) continue;
      client.rows.push({ ledger, filter });
      client.next += 1;
      this.rows += 1;
    }
  }

  /** @param mark how far it had come a lease before */
  checkEnd(mark: number): void {
    if (this.stored === undefined || this.isGone) return;
    const { stored, nodes, clients } = this;
    const owners = nodes.filter((node) => node.owns(this.id));
    if (owners.length !== 1) this.fail(`${owners.length} nodes own it at the end`);
    if (this.ledger <= mark) this.fail(`it stands still at ledger ${mark}`);
    if (this.wasWiped) return; // what others have written down may lack what the last owner was told
    for (const { from, filter } of this.acknowledged) {
      const isThere = stored.steps.some((step) => step.from === from && step.filter >= filter); // or replaced by a later one
      if (!isThere) this.fail(`filter ${filter} from ledger ${from} was acknowledged, and is not on record`);
    }
    for (const { rows } of clients) {
      rows.forEach(({ ledger, filter }, index) => {
        if (ledger !== index + 1) this.fail(`a client has ledger ${ledger} in place of ${index + 1}`);
        const right = filterAt(stored, ledger);
        if (filter !== right)
          this.fail(`a client has ledger ${ledger} by filter ${filter}, and the record says ${right}`);
      });
    }
  }

  fail(what: string): void {
    this.fault ??= new Error(`${this.id}: ${what}`);
  }
}
