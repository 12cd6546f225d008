/** A replicated session that this node does not run: shown as its owner wrote it down, and clients are sent there. */
import { AssetTable } from "../engine/asset-table.ts";
import type { EngineStream } from "../engine/engine-stream.ts";
import { CodedError } from "../error.ts";
import { AwaySource } from "../sources/away.ts";
import type { Replica } from "./replica.ts";
import { beginning } from "./request.ts";
import type { SessionHost } from "./session-host.ts";
import { SessionProgress } from "./session-progress.ts";
import type { SessionDetails, SessionSnapshot, SessionState } from "./session-service.ts";
import { snapshotOf } from "./session-snapshot.ts";
import { streamRequestOf } from "./session-stream.ts";

/** The node that runs a session. */
export interface ReplicaOwner {
  /** For people. */
  node: string;
  /** host:port of its control plane. */
  control: string;
  /** Its Flight server, as a location's URI. */
  flight: string;
}

/** One session, for as long as the same other node, or none, runs it. */
export class SessionElsewhere {
  private progress: SessionProgress;
  private stream: EngineStream | undefined;

  constructor(
    public replica: Replica,
    /** Undefined: no node runs it just now. */
    readonly owner: ReplicaOwner | undefined,
    private readonly host: SessionHost,
  ) {
    this.progress = progressOf(replica);
    this.open();
  }

  get id(): string {
    return this.replica.session.id;
  }

  /** Its owner has written it down again. */
  follow(replica: Replica): void {
    this.replica = replica;
    this.progress = progressOf(replica);
    if (this.stream === undefined) this.open();
    this.host.watchers.tell(this.snapshot(), "progress");
  }

  snapshot(): SessionSnapshot {
    const { session } = this.replica;
    const shown = {
      stored: { ...session, message: [this.whereabouts, session.message].filter(Boolean).join("; ") },
      state: stateOf(this.replica),
      progress: this.progress,
      sourceShown: session.request.source ?? "",
      ledgerTip: 0,
      resumesAtUnixMs: 0,
    };
    return { ...snapshotOf(shown, performance.now(), Date.now()), elsewhere: true };
  }

  details(): SessionDetails {
    const { position, savedUnixMs } = this.progress.checkpoint;
    const { filters } = this.replica;
    return { ...this.snapshot(), checkpoint: { position, savedUnixMs }, filterHistory: filters, deliveries: [] };
  }

  /** Why a call that changes it is refused here. */
  get refusal(): CodedError {
    const { id, owner } = this;
    if (owner === undefined) {
      return new CodedError("UNAVAILABLE", "SESSION_MOVED", `session ${id}: ${this.whereabouts}`);
    }
    const sentence = `session ${id} is run by ${owner.node}: call its control plane at ${owner.control}`;
    return new CodedError("FAILED_PRECONDITION", "SESSION_ELSEWHERE", sentence);
  }

  /** This node runs it, another one does, or it is gone. @param why with what those who wait for it are ended; absent: it is gone */
  close(why?: CodedError): void {
    this.stream?.forget(why);
    this.stream = undefined;
  }

  private get whereabouts(): string {
    return this.owner === undefined
      ? "no node runs it just now; one will within the lease: come back"
      : `${this.owner.node} runs it; its control plane is at ${this.owner.control}`;
  }

  /** A stream without work, by which Flight knows of the session. */
  private open(): void {
    const { host, id, replica, progress, owner } = this;
    const session = {
      ...{ id, stored: replica.session, progress, steps: replica.filters },
      snapshot: () => this.snapshot(),
    };
    const error = new CodedError("UNAVAILABLE", "SESSION_MOVED", `session ${id}: ${this.whereabouts}`);
    const source = new AwaySource(replica.session.request.source ?? "", error);
    try {
      const request = streamRequestOf(session, source, host);
      this.stream = host.engine.open({ ...request, finished: { error }, elsewhere: owner?.flight ?? "" });
    } catch (thrown) {
      host.log.trouble("clients cannot be told where a replicated session is", { error: thrown, id });
    }
  }
}

function progressOf({ session, checkpoint, reservation }: Replica): SessionProgress {
  return new SessionProgress(
    session.request,
    checkpoint ?? beginning(session.request),
    reservation,
    new AssetTable(session.knownAssets),
  );
}

function stateOf({ session }: Replica): SessionState {
  if (session.outcome !== undefined) return session.outcome === "failed" ? "ERROR" : "STOPPED";
  if (session.stopAsked) return "STOPPING";
  return session.startedUnixMs === 0 ? "STARTING" : "RUNNING";
}
