/**
 * Records that all nodes see, each owned by one node at most. Ownership is a lease, and a record's revision is its fencing
 * token: every write names the revision that it replaces, so that a write of an owner that has been replaced is refused.
 *
 *          ┌──────────────── create ──────────────▶┌───────┐
 *   nothing│                                       │ owned │ each write renews the lease
 *          └─ read ─▶┌─────────┐─ claim ──────────▶└───┬───┘
 *                    │ watched │   lost: late, replaced, removed, or given back
 *                    └─────────┘◀──────────────────────┘
 *
 * No two clocks are compared. An owner counts its lease from when it SENT its last write that was stored; everybody else
 * counts from when they SAW the record's revision, which is later, and may claim the record when they have seen no other
 * revision for the lease. An owner stops a part of the lease earlier (MARGIN), which is what clocks may differ in pace.
 *
 * Where the bucket has lost a record, its owner writes it again. Where that one is gone too, any node that has seen the record
 * writes down what it saw, once it has been missing for a part of the lease; who saw a later revision replaces it. What has
 * been restored is free a lease later: so the latest that any living node saw holds.
 */
import { CodedError } from "../error.ts";
import { type BucketEntry, type RecordBucket, RevisionConflict } from "./record-bucket.ts";
import { type Envelope, openEnvelope, packEnvelope, type RecordOwner } from "./record-envelope.ts";
import { awayError, lostError } from "./record-errors.ts";
import type { LossReason, RecordEvents, Timers } from "./record-events.ts";

/** The part of a lease by which its owner counts it as over earlier than others. Clocks of machines differ in pace by far less. */
const MARGIN = 0.15;
const RENEWALS = 3; // in a lease: two may be lost
const RENEW_MS_MAX = 1000; // a successor does again what was done since the last one
const READ_MS_MIN = 50;
const READ_MS_MAX = 500; // a lease that has ended is noticed within this
const RESTORE_PART = 1 / 2; // of a lease: its owner has written it again by then, where it lives
const CALL_PART = 1 / 4; // of a lease: a call that takes longer counts as failed, so that there is time for another

interface Owned {
  /** 0: the bucket has lost it. */
  revision: number;
  /** What is to be stored. */
  record: Uint8Array;
  /** What is stored, and the revision of that. */
  stored: Uint8Array;
  seen: number;
  /** How often `record` was set, and up to which of those it is stored. */
  version: number;
  storedVersion: number;
  sentMs: number;
  untilMs: number;
  writing: Promise<void> | undefined;
  waiters: { version: number; resolve: () => void; reject: (error: CodedError) => void }[];
}

interface Watched extends Envelope {
  /** 0: it is missing. */
  revision: number;
  /** The revision that the record had before it was lost and restored. */
  seen: number;
  /** When this revision, or that it is missing, was first seen. */
  sinceMs: number;
}

/** The records of a bucket, as one node sees and owns them. */
export class OwnedRecords {
  private readonly owned = new Map<string, Owned>();
  private readonly watched = new Map<string, Watched>();
  /** Records whose creation has failed for the caller: one that is there all the same is removed. */
  private readonly refused = new Set<string>();
  /** Records that are being created or claimed: what is seen of them meanwhile may be this. */
  private readonly taking = new Set<string>();
  private readonly timers = new Set<() => void>();
  private reading = false;
  private looked = false;
  private closed = false;

  constructor(
    private readonly bucket: RecordBucket,
    private readonly me: RecordOwner,
    private readonly leaseMs: number,
    private readonly events: RecordEvents,
    private readonly clock: Timers,
  ) {}

  /** Begins to look and to renew. */
  start(): void {
    this.every(Math.min(Math.max(this.leaseMs / 20, READ_MS_MIN), READ_MS_MAX), () => void this.look());
    this.every(this.leaseMs / 20, () => this.renew());
  }

  /** Whether it has seen what is there, at least once. */
  get hasLooked(): boolean {
    return this.looked;
  }

  /** Until when this node owns the record by its own clock; 0: it does not. */
  untilMs(id: string): number {
    return this.owned.get(id)?.untilMs ?? 0;
  }

  /**
   * A new record, owned by this node. Resolves when it is stored.
   * @returns what is there in its place, where another node has created it before
   * @throws CodedError UNAVAILABLE / CLUSTER_AWAY, and there is none then
   */
  async create(id: string, record: Uint8Array): Promise<Pick<Envelope, "owner" | "record"> | undefined> {
    this.refused.delete(id);
    try {
      return await this.takeNew(id, record);
    } catch (thrown) {
      this.refused.add(id);
      throw awayError(thrown);
    }
  }

  /**
   * Makes the record of another owner, or of none, this node's. Right only after `free`.
   * @returns the record; undefined where somebody else was faster
   * @throws CodedError UNAVAILABLE / CLUSTER_AWAY
   */
  async claim(id: string): Promise<Uint8Array | undefined> {
    const watched = this.watched.get(id);
    if (watched === undefined || this.taking.has(id) || this.refused.has(id)) return undefined;
    try {
      await this.take(id, watched.record, watched.revision);
      return watched.record;
    } catch (thrown) {
      if (thrown instanceof RevisionConflict) return undefined; // the next look sees what is there
      throw awayError(thrown);
    }
  }

  /**
   * Writes a record that this node owns. Resolves when this or a later one is stored.
   * @throws CodedError UNAVAILABLE / LEASE_LOST when this node does not own it, or does not any more
   */
  write(id: string, record: Uint8Array): Promise<void> {
    const owned = this.owned.get(id);
    if (owned === undefined) return Promise.reject(lostError("replaced"));
    owned.record = record;
    owned.version += 1;
    const stored = new Promise<void>((resolve, reject) => {
      owned.waiters.push({ version: owned.version, resolve, reject });
    });
    stored.catch(() => {}); // nobody has to wait for it
    this.flush(id, owned);
    return stored;
  }

  /** Removes a record that this node owns. @throws CodedError UNAVAILABLE / LEASE_LOST, CLUSTER_AWAY: it may go all the same */
  async remove(id: string): Promise<void> {
    const owned = this.owned.get(id);
    if (owned === undefined) throw lostError("replaced");
    this.owned.delete(id);
    this.refused.add(id); // removed again should the call fail
    await owned.writing;
    this.reject(owned, "removed");
    try {
      await this.called(this.bucket.remove(id, owned.revision));
    } catch (thrown) {
      throw awayError(thrown);
    }
  }

  /** Gives a record back: others may claim it at once. What was written is stored with it. */
  async release(id: string): Promise<void> {
    const owned = this.owned.get(id);
    if (owned === undefined) return;
    this.owned.delete(id);
    await owned.writing;
    this.watch(id, owned);
    try {
      await this.called(this.bucket.put(id, this.envelope(owned.record, false), owned.revision));
      for (const { resolve } of owned.waiters.splice(0)) resolve();
    } catch {
      this.reject(owned, "late"); // the record is free when the lease ends
    }
  }

  /** Gives all records back. */
  async close(): Promise<void> {
    this.closed = true;
    for (const cancel of this.timers) cancel();
    await Promise.all([...this.owned.keys()].map((id) => this.release(id)));
  }

  // ── owned ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** @throws RevisionConflict, or why the bucket cannot be reached */
  private async take(id: string, record: Uint8Array, revision: number): Promise<void> {
    const sentMs = this.clock.nowMs();
    this.taking.add(id);
    try {
      const taken = await this.called(this.bucket.put(id, this.envelope(record), revision));
      const waiters: Owned["waiters"] = [];
      const versions = { version: 0, storedVersion: 0, waiters, writing: undefined };
      const stored = { revision: taken, seen: taken, record, stored: record };
      const owned: Owned = { ...stored, sentMs, untilMs: 0, ...versions };
      this.watched.delete(id);
      this.owned.set(id, owned);
      this.extend(id, owned, sentMs);
    } finally {
      this.taking.delete(id); // not before it is owned: a look that ends in between would see another's record
    }
  }

  /** @returns the record of another node that is there. @throws as `take` */
  private async takeNew(id: string, record: Uint8Array): Promise<Envelope | undefined> {
    try {
      await this.take(id, record, 0);
    } catch (thrown) {
      if (!(thrown instanceof RevisionConflict)) throw thrown;
      const entry = (await this.called(this.bucket.read(id))).get(id);
      const there = entry?.bytes && openEnvelope(entry.bytes);
      if (there !== undefined && there.owner?.instance !== this.me.instance) {
        this.entry(id, entry!); // watched from now on: it may be removed before the next look
        return there;
      }
      await this.take(id, record, entry?.revision ?? 0); // it was removed, or is one that this node was refused
    }
    return undefined;
  }

  private extend(id: string, owned: Owned, sentMs: number): void {
    owned.sentMs = sentMs;
    owned.untilMs = sentMs + this.leaseMs * (1 - MARGIN);
    this.events.held(id, owned.untilMs);
  }

  /** Writes until what is stored is what is wanted; one write at a time. */
  private flush(id: string, owned: Owned): void {
    owned.writing ??= this.put(id, owned).then((isStored) => {
      owned.writing = undefined;
      if (isStored && this.owned.get(id) === owned && owned.storedVersion < owned.version) this.flush(id, owned);
    });
  }

  /** One write; never rejects. @returns whether it is stored */
  private async put(id: string, owned: Owned): Promise<boolean> {
    const { version, record } = owned;
    const sentMs = this.clock.nowMs();
    try {
      const revision = await this.called(this.bucket.put(id, this.envelope(record), owned.revision));
      Object.assign(owned, { revision, seen: revision, stored: record, storedVersion: version });
    } catch (thrown) {
      if (thrown instanceof RevisionConflict) await this.settle(id, owned);
      return false;
    }
    for (const waiter of owned.waiters) if (waiter.version <= version) waiter.resolve();
    owned.waiters = owned.waiters.filter((waiter) => waiter.version > version);
    if (this.owned.get(id) === owned) this.extend(id, owned, sentMs);
    return true;
  }

  /** Another revision is there than the last one known: a write of ours whose answer was lost, another owner's, or none. */
  private async settle(id: string, owned: Owned): Promise<void> {
    const entry = await this.called(this.bucket.read(id)).then(
      (entries) => entries.get(id),
      () => "unknown" as const,
    );
    if (this.owned.get(id) !== owned || entry === "unknown") return;
    if (entry === undefined) {
      owned.revision = 0;
      return;
    }
    const { revision, bytes } = entry;
    if (bytes === undefined) return this.lose(id, owned, "removed");
    const envelope = openEnvelope(bytes);
    if (envelope?.owner?.instance !== this.me.instance) return this.lose(id, owned, "replaced");
    owned.revision = revision;
    if (envelope.restores === undefined) Object.assign(owned, { seen: revision, stored: envelope.record });
  }

  private renew(): void {
    const now = this.clock.nowMs();
    const renewMs = Math.min(this.leaseMs / RENEWALS, RENEW_MS_MAX);
    for (const [id, owned] of [...this.owned]) {
      if (now >= owned.untilMs) this.lose(id, owned, "late");
      else if (now - owned.sentMs >= renewMs || owned.storedVersion < owned.version) this.flush(id, owned);
    }
  }

  private lose(id: string, owned: Owned, why: LossReason): void {
    this.owned.delete(id);
    if (why !== "removed") this.watch(id, owned);
    this.reject(owned, why);
    this.events.lost(id, why);
  }

  private reject(owned: Owned, why: LossReason): void {
    for (const { reject } of owned.waiters.splice(0)) reject(lostError(why));
  }

  /** Watched from now on, as this node knows that it is stored. */
  private watch(id: string, { revision, seen, stored, sentMs }: Owned): void {
    const { leaseMs, me: owner } = this;
    this.watched.set(id, { revision, seen, sinceMs: sentMs, leaseMs, owner, record: stored });
  }

  // ── watched ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Looks at all records; one look at a time. */
  private async look(): Promise<void> {
    if (this.reading || this.closed) return;
    this.reading = true;
    try {
      const askedMs = this.clock.nowMs();
      const entries = await this.called(this.bucket.read());
      if (this.closed) return;
      for (const [id, entry] of entries) if (!this.owned.has(id) && !this.taking.has(id)) this.entry(id, entry);
      this.looked = true;
      for (const [id, watched] of [...this.watched]) if (!entries.has(id)) this.missing(id, watched, askedMs);
      for (const [id, watched] of [...this.watched]) if (this.isFree(watched)) this.events.free(id);
    } catch {
      // NATS is away, which the connection says
    } finally {
      this.reading = false;
    }
  }

  private entry(id: string, { revision, bytes }: BucketEntry): void {
    if (bytes === undefined) {
      this.refused.delete(id);
      if (this.watched.delete(id)) this.events.gone(id);
      return;
    }
    const before = this.watched.get(id);
    if (before?.revision === revision) return;
    const envelope = openEnvelope(bytes);
    if (envelope === undefined) return; // nothing of ours
    const { owner, record, restores } = envelope;
    if (this.refused.has(id) && owner?.instance === this.me.instance) {
      void this.called(this.bucket.remove(id, revision)).catch(() => {}); // the next look tries again
      return;
    }
    if (before !== undefined && restores !== undefined && restores < before.seen) {
      this.restore(id, before, revision);
      return;
    }
    this.watched.set(id, { ...envelope, revision, seen: restores ?? revision, sinceMs: this.clock.nowMs() });
    this.events.seen(id, record, owner);
  }

  /** Its owner writes it again, unless that one is gone too. */
  private missing(id: string, watched: Watched, askedMs: number): void {
    if (watched.revision !== 0) Object.assign(watched, { revision: 0, sinceMs: this.clock.nowMs() });
    else if (askedMs - watched.sinceMs >= watched.leaseMs * RESTORE_PART) this.restore(id, watched, 0);
  }

  /** Writes down what was seen, in place of that revision; the next look sees what has become of it. */
  private restore(id: string, { owner, leaseMs, record, seen }: Watched, revision: number): void {
    if (this.taking.has(id)) return;
    this.taking.add(id);
    const bytes = packEnvelope({ owner, leaseMs, record, restores: seen });
    this.called(this.bucket.put(id, bytes, revision))
      .catch(() => {}) // another node was faster, or NATS is away
      .finally(() => this.taking.delete(id));
  }

  private isFree({ owner, sinceMs, leaseMs, revision, restores }: Watched): boolean {
    if (revision === 0) return false;
    const isGivenBack = owner === undefined || owner.instance === this.me.instance;
    return this.clock.nowMs() - sinceMs >= leaseMs || (isGivenBack && restores === undefined);
  }

  // ── both ────────────────────────────────────────────────────────────────────────────────────────────────────────

  private envelope(record: Uint8Array, isOwned = true): Uint8Array {
    return packEnvelope({ owner: isOwned ? this.me : undefined, leaseMs: this.leaseMs, record });
  }

  /** What a call gives, within a part of the lease. */
  private called<T>(call: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const ms = this.leaseMs * CALL_PART;
      const cancel = this.clock.later(ms, () =>
        reject(new CodedError("UNAVAILABLE", "CLUSTER_AWAY", `NATS has not answered within ${ms} ms: try again`)),
      );
      call.then(resolve, reject).finally(cancel);
    });
  }

  private every(ms: number, call: () => void): void {
    let cancel = () => {};
    const next = () => {
      this.timers.delete(cancel);
      if (this.closed) return;
      cancel = this.clock.later(ms, () => {
        next();
        call();
      });
      this.timers.add(cancel);
    };
    next();
  }
}
