/** What a session is given by the server that it lives in. */
import type { StreamEngine } from "../engine/stream-engine.ts";
import type { FilterRecord } from "../vocabulary/row-filter.ts";
import type { ChangeWriter } from "./change-writer.ts";
import type { Checkpointer } from "./checkpointer.ts";
import type { ServerLimits } from "./request.ts";
import type { SessionLog } from "./session-log.ts";
import type { SourceSet } from "./source-set.ts";
import type { Tips } from "./tips.ts";
import type { SessionWatchers } from "./watchers.ts";

/** What a session is made with unless its request says otherwise; from the configuration. */
export interface SessionDefaults {
  filter: FilterRecord;
  /** KNOWN_ASSETS. */
  knownAssets: readonly string[];
  /** The passphrase of the network whose ledgers the server reads. */
  network: string;
  /** BATCH_SIZE; 0 = unset. */
  batchRows: number;
  /** DICTIONARIES. */
  dictionaries: boolean;
  /** CHANNEL_BUFFER_SIZE. */
  slotsMax: number;
  sessionsMax: number;
  /** CHECKPOINT_INTERVAL. */
  checkpointIntervalMs: number;
  /** RESUME_SESSIONS: false leaves what a restart found unfinished to ResumeSession. */
  resumeSessions: boolean;
  limits: ServerLimits;
  /** What decides about rows beside a session's own record: nodes of other terms do not go on with each other's. */
  terms: string;
}

/** The server as a session sees it. */
export interface SessionHost {
  readonly engine: StreamEngine;
  readonly sources: SourceSet;
  readonly store: ChangeWriter;
  readonly checkpointer: Checkpointer;
  readonly log: SessionLog;
  readonly tips: Tips;
  readonly watchers: SessionWatchers;
  readonly defaults: SessionDefaults;
  /** Whether the server is shutting down: a session whose stream ends now goes on after the restart. */
  readonly closing: boolean;
  /** @throws CodedError UNAVAILABLE / SERVER_STOPPING */
  refuseWhenClosing(): void;
  /** @throws CodedError RESOURCE_EXHAUSTED / SESSIONS_MAX when one more session may not become active */
  admit(): void;
  /** Whether the session with this id has not been deleted. */
  has(id: string): boolean;
  /** @throws CodedError NOT_FOUND / SESSION_UNKNOWN where it has been deleted, UNAVAILABLE / SESSION_MOVED where it has left */
  checkKnown(session: { readonly id: string }): void;
  /** Until when this node may run a replicated session, in unixNowMs(). */
  leaseUntilMs(id: string): number;
  /** A session has ended: older ones may have to make room. */
  makeRoom(): void;
}
