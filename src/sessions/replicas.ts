/**
 * The replicated sessions: written down in the cluster's records instead of DATA_DIR, run by the node that owns the
 * record, and known to all. The record's lease is src/cluster's business; what it means for sessions is here.
 *
 * A change is made here first and on its way at once; whoever acknowledges it waits for `stored`. No worker is given a
 * ledger before a reservation for it is stored, and a new filter holds behind the last reservation: so rows that a client
 * may have are by filters that are on record, whoever runs the session next.
 */
import { quoted } from "../base/text.ts";
import { CodedError } from "../error.ts";
import type { ChangeWriter } from "./change-writer.ts";
import { leaseLost } from "./lease-lost.ts";
import { changedReplica, packReplica, type Replica, stateOfReplica, unpackReplica } from "./replica.ts";
import { checkSameRequest } from "./request.ts";
import { type ReplicaOwner, SessionElsewhere } from "./session-elsewhere.ts";
import type { SessionHost } from "./session-host.ts";
import type { SessionRequest } from "./session-service.ts";
import type { Change, SessionStore, StoredState } from "./store.ts";

const CLAIM_AGAIN_MS = 5_000; // after this node could not run a session that is free

/** Records of which one node at a time owns each; OwnedRecords of src/cluster is one. */
interface ReplicaRecords {
  /** Whether it has been seen which there are. */
  readonly hasLooked: boolean;
  /** @returns what another node has created in its place */
  create(id: string, record: Uint8Array): Promise<{ owner?: ReplicaOwner; record: Uint8Array } | undefined>;
  write(id: string, record: Uint8Array): Promise<void>;
  remove(id: string): Promise<void>;
  claim(id: string): Promise<Uint8Array | undefined>;
  release(id: string): Promise<void>;
  untilMs(id: string): number;
  close(): Promise<void>;
}

/** The server's sessions, as far as replicas change which there are. */
interface ReplicaHost extends SessionHost {
  /** What a session was made by; see Replica. */
  readonly terms: string;
  /** Runs a session that another node has run. @returns whether it can */
  takeOver(state: StoredState): Promise<boolean>;
  /** Ends what this node does for a session, its clients too, at once and with that error. */
  depart(id: string, why: CodedError): void;
  /** The lease of a session lasts until then. */
  held(id: string, untilMs: number): void;
}

/** All replicated sessions of the cluster, as this node knows them; and the way to DATA_DIR for the others. */
export class Replicas implements ChangeWriter {
  private readonly own = new Map<string, Replica>();
  private readonly elsewhere = new Map<string, SessionElsewhere>();
  /** The last write of each. */
  private readonly writes = new Map<string, Promise<void>>();
  /** Until when a free session is left alone: while it is being claimed, and after that has failed. */
  private readonly claimAtMs = new Map<string, number>();
  private records: ReplicaRecords | undefined;
  /** There will be a cluster: `begin` is to come. */
  isExpected = false;

  constructor(
    private readonly disk: SessionStore,
    private readonly host: ReplicaHost,
  ) {}

  /** There is a cluster. */
  begin(records: ReplicaRecords): void {
    this.records = records;
  }

  /** @throws CodedError FAILED_PRECONDITION / REPLICATED_OFF */
  checkThere(): void {
    if (this.records !== undefined) return;
    const sentence = "replicated sessions need a cluster: set CLUSTER, or start the session without replicated";
    throw new CodedError("FAILED_PRECONDITION", "REPLICATED_OFF", sentence);
  }

  /** @throws CodedError UNAVAILABLE / CLUSTER_AWAY where this node cannot know yet whether the cluster has that session */
  checkRead(id: string): void {
    if (this.records === undefined ? !this.isExpected : this.records.hasLooked) return;
    const sentence = `this node has no session ${quoted(id)}, and has not read yet which ones its cluster has: try again, or ask another node`;
    throw new CodedError("UNAVAILABLE", "CLUSTER_AWAY", sentence);
  }

  // ── what is written ─────────────────────────────────────────────────────────────────────────────────────────────

  commit(changes: readonly Change[]): void {
    this.write(changes, (rest) => this.disk.commit(rest));
  }

  note(changes: readonly Change[]): void {
    this.write(changes, (rest) => this.disk.note(rest));
  }

  stored(id: string): Promise<void> | undefined {
    return this.writes.get(id);
  }

  private write(changes: readonly Change[], toDisk: (changes: readonly Change[]) => void): void {
    const rest: Change[] = [];
    const grouped = new Map<string, Change[]>();
    const created = new Set(changes.filter(isReplicated).map(idOf));
    for (const change of changes) {
      const id = idOf(change);
      if (!this.own.has(id) && !this.elsewhere.has(id) && !created.has(id)) rest.push(change);
      else grouped.set(id, [...(grouped.get(id) ?? []), change]);
    }
    // All that can be refused is refused before anything is changed.
    const planned = [...grouped].map(([id, own]) => {
      if (!this.own.has(id) && !own.some((change) => "put" in change && change.put === "filter")) {
        throw leaseLost(id, "replaced"); // it is no new session, and was this node's a moment ago
      }
      if (own.some((change) => "remove" in change)) return { id };
      const replica = changedReplica(this.own.get(id), own, this.host.terms);
      return { id, replica, bytes: packReplica(replica) };
    });
    if (rest.length > 0) toDisk(rest);
    for (const { id, replica, bytes } of planned) {
      const isNew = !this.own.has(id);
      if (replica === undefined) {
        this.own.delete(id);
        this.keep(id, this.records!.remove(id));
      } else {
        this.own.set(id, replica);
        this.keep(id, isNew ? this.create(id, bytes) : this.put(id, bytes));
      }
    }
  }

  /** Changes that are made while the record is being created follow it. */
  private async create(id: string, bytes: Uint8Array): Promise<void> {
    const there = await this.records!.create(id, bytes).catch((thrown) => {
      this.own.delete(id);
      throw thrown;
    });
    if (there === undefined) return;
    const error = leaseLost(id, "replaced");
    this.own.delete(id);
    this.host.depart(id, error);
    this.seen(id, there.record, there.owner);
    throw error;
  }

  private put(id: string, bytes: Uint8Array): Promise<void> {
    const before = this.writes.get(id);
    if (this.records!.untilMs(id) > 0 || before === undefined) return this.records!.write(id, bytes);
    return before.then(() => {
      const replica = this.own.get(id);
      if (replica === undefined) throw leaseLost(id, "replaced");
      return this.records!.write(id, packReplica(replica));
    });
  }

  private keep(id: string, write: Promise<void>): void {
    write.catch(() => {}); // for whoever asks
    this.writes.set(id, write);
  }

  // ── sessions of other nodes ─────────────────────────────────────────────────────────────────────────────────────

  /** A session that this node does not run. */
  away(id: string): SessionElsewhere | undefined {
    return this.elsewhere.get(id);
  }

  /** All that this node does not run. */
  allAway(): SessionElsewhere[] {
    return [...this.elsewhere.values()];
  }

  /**
   * The one that an earlier request with the same idempotency key has started on another node.
   * @throws CodedError FAILED_PRECONDITION / IDEMPOTENCY_KEY_REUSED
   */
  earlier(request: SessionRequest): SessionElsewhere | undefined {
    const { idempotencyKey } = request;
    if (idempotencyKey === undefined) return undefined;
    const away = this.allAway().find(({ replica }) => replica.session.request.idempotencyKey === idempotencyKey);
    if (away !== undefined) checkSameRequest(request, away.replica.session);
    return away;
  }

  /** Until when this node may run the session, in unixNowMs(); 0: its lease is on its way. */
  untilMs(id: string): number {
    return this.records?.untilMs(id) ?? 0;
  }

  /** Gives all sessions back, so that other nodes take them up at once. */
  async close(): Promise<void> {
    await this.records?.close();
  }

  // ── what happens to records: RecordEvents of src/cluster ────────────────────────────────────────────────────────

  seen(id: string, record: Uint8Array, owner: ReplicaOwner | undefined): void {
    if (this.own.has(id)) return;
    let replica: Replica;
    try {
      replica = unpackReplica(id, record);
    } catch (thrown) {
      this.host.log.trouble("a record of the cluster is no session", { id, error: thrown });
      return;
    }
    const before = this.elsewhere.get(id);
    if (before?.owner?.flight === owner?.flight && before !== undefined) before.follow(replica);
    else this.setAway(id, replica, owner);
  }

  gone(id: string): void {
    const away = this.elsewhere.get(id);
    if (away === undefined) return;
    away.close();
    this.elsewhere.delete(id);
    this.host.watchers.tell(away.snapshot(), "deleted");
  }

  free(id: string): void {
    void this.claim(id);
  }

  held(id: string, untilMs: number): void {
    this.host.held(id, untilMs);
  }

  lost(id: string, why: "late" | "replaced" | "removed"): void {
    const replica = this.own.get(id);
    this.own.delete(id);
    this.writes.delete(id);
    this.host.depart(id, leaseLost(id, why));
    if (replica !== undefined && why !== "removed") this.setAway(id, replica, undefined);
  }

  private setAway(id: string, replica: Replica, owner: ReplicaOwner | undefined): void {
    const moved = new CodedError(
      "UNAVAILABLE",
      "SESSION_MOVED",
      `session ${id} has another node now: ask GetFlightInfo`,
    );
    this.elsewhere.get(id)?.close(moved);
    const away = new SessionElsewhere(replica, owner, this.host);
    this.elsewhere.set(id, away);
    this.host.watchers.tell(away.snapshot(), "state");
  }

  /** Takes up a session that no node runs, where this one can. */
  private async claim(id: string): Promise<void> {
    const away = this.elsewhere.get(id);
    const { host, records } = this;
    if (away === undefined || host.closing || performance.now() < (this.claimAtMs.get(id) ?? 0)) return;
    this.claimAtMs.set(id, Number.POSITIVE_INFINITY);
    const { session, terms } = away.replica;
    let againMs = 0;
    try {
      if (terms !== host.terms || !host.defaults.resumeSessions) return;
      if (session.outcome === undefined) host.admit();
      await host.sources.get(session.request.source);
      const record = await records!.claim(id);
      if (record === undefined) return;
      const replica = unpackReplica(id, record);
      this.own.set(id, replica);
      this.writes.delete(id);
      away.close(new CodedError("UNAVAILABLE", "SESSION_MOVED", `session ${id} is run by this node now: come back`));
      this.elsewhere.delete(id);
      if (await host.takeOver(stateOfReplica(replica))) return;
      againMs = performance.now() + CLAIM_AGAIN_MS;
      await records!.release(id);
      this.lost(id, "late");
    } catch (thrown) {
      if (CodedError.from(thrown).reason !== "CLUSTER_AWAY") {
        againMs = performance.now() + CLAIM_AGAIN_MS;
        host.log.trouble("a replicated session that is free could not be taken up", { id, error: thrown });
      }
    } finally {
      this.claimAtMs.set(id, againMs);
    }
  }
}

function idOf(change: Change): string {
  if ("put" in change) return change.id;
  return "remove" in change ? change.remove : change.cutFilters;
}

/** Whether a change is of a replicated session by itself, as its first one is. */
function isReplicated(change: Change): boolean {
  return "put" in change && change.put === "session" && change.record.request.replicated === true;
}
