/**
 * What the control plane, the metrics and the console see of a session: plain values, read at any moment.
 * The states are those of the wire (`GetStatusResponse.Status`).
 */
import type { ErrorRecord } from "../error.ts";
import type { Compression } from "../vocabulary/compression.ts";
import type { Dataset } from "../vocabulary/dataset.ts";
import type { Position } from "../vocabulary/position.ts";
import type { FilterRecord } from "../vocabulary/row-filter.ts";
import type { LedgerSkip } from "../workers/records.ts";

/** The states of a session; states.ts says what leads from one to another. */
export const SESSION_STATES = ["UNKNOWN", "STARTING", "RUNNING", "STOPPING", "STOPPED", "ERROR"] as const;
/** One of SESSION_STATES. */
export type SessionState = (typeof SESSION_STATES)[number];

/** What a session is asked to be. An absent field means the server's default. */
export interface SessionRequest {
  /** First ledger, at least 1. */
  ledgerStart: number;
  /** Last ledger, inclusive; 0 = continuous. */
  ledgerEnd: number;
  /** Rows a batch at most; 0 = the server's BATCH_SIZE, or about 1 MiB where that is unset too. */
  batchRows: number;
  /** One of SOURCES; absent = SOURCE_ENDPOINT. */
  source?: string;
  filter?: FilterRecord;
  /** Absent: contract data alone. */
  datasets?: readonly Dataset[];
  /** The version of contract data. */
  schemaVersion?: number;
  /** False: columns of words are text. True and, once the request is checked, absent: dictionaries. */
  dictionaries?: boolean;
  /** Assets known beside the server's KNOWN_ASSETS, as SEP-11 writes them. */
  knownAssets?: string[];
  compression?: Compression;
  /** Parts in which a consumer group may share the session. */
  partitions?: number;
  labels?: Record<string, string>;
  idempotencyKey?: string;
  /** Kept in the cluster, so that another node goes on with it when this one is gone. */
  replicated?: boolean;
  /** The name of the caller that started it, where callers have names. */
  owner?: string;
}

/** One part of a session, which is read by itself. Counts are over the session's whole life. */
export interface PartSnapshot {
  dataset: Dataset;
  /** Which partition of the dataset; 0 where it has none. */
  index: number;
  /** As of the session. */
  ledgerCurrent: number;
  rows: number;
  batches: number;
  batchBytes: number;
  clients: number;
  rowsDelivered: number;
  bytesDelivered: number;
  retainedBytes: number;
}

/** A session at one moment. Counts are over its whole life unless a field says otherwise. */
export interface SessionSnapshot {
  /** UUID. */
  id: string;
  state: SessionState;
  request: SessionRequest;
  /** Where its ledgers come from, for people. */
  source: string;
  /** The last ledger whose rows are all in finished batches; 0 before the first. */
  ledgerCurrent: number;
  /** Rows emitted into batches. */
  entriesProcessed: number;
  /** Contract-data changes decoded but left out by filters. */
  entriesSkipped: number;
  ledgersProcessed: number;
  batchesCreated: number;
  /** Bytes of LedgerCloseMeta XDR decoded (inflated). */
  bytesProcessed: number;
  /** Bytes of Arrow IPC (headers and bodies) made. */
  batchBytes: number;
  errors: number;
  /** Ledgers left out because they could not be decoded (ON_ERROR=skip). */
  ledgersSkipped: number;
  /** Rows a second over the last seconds. */
  ratePerSecond: number;
  /** Rows a second over all the time that it has worked. */
  rateOverall: number;
  /** Newest ledger of the source; 0 where it does not tell. */
  ledgerTip: number;
  /** Age of the current ledger's close time; 0 before the first ledger. */
  lagSeconds: number;
  /** Flight clients reading it now. */
  clients: number;
  /** To all clients together; each counts. */
  rowsDelivered: number;
  bytesDelivered: number;
  retainedBytes: number;
  /** Each partition of each dataset; absent where the session is read as one. */
  partitions?: PartSnapshot[];
  createdUnixMs: number;
  /** 0 = not yet. */
  startedUnixMs: number;
  updatedUnixMs: number;
  /** 0 while it has not ended. */
  endedUnixMs: number;
  /** How long it has worked, in all. */
  activeMs: number;
  /** How often it went on after a stop, a failure or a restart. */
  resumes: number;
  /** A sentence for people: why it stopped, what failed, what it waits for, what was skipped; empty while all is well. */
  message: string;
  /** Set while its source fails: it is tried again, and the session goes on. */
  sourceWait?: { ledger: number; error: ErrorRecord; sinceUnixMs: number; nextTryUnixMs: number };
  /** The last ledger left out (ON_ERROR=skip), and why. */
  skippedLast?: LedgerSkip;
  /** Set in state ERROR. */
  error?: ErrorRecord;
  /** It is replicated, and another node runs it, or none: all this is as that one has written it down. */
  elsewhere?: true;
}

/** A filter, from which ledger it holds, and when that was decided. */
export interface FilterHistoryStep {
  ledgerFrom: number;
  filter: FilterRecord;
  changedUnixMs: number;
}

/** What one Flight client has had of a session. */
export interface Delivery {
  peer: string;
  rows: number;
  batches: number;
  bytes: number;
  joinedUnixMs: number;
  /** 0 while it reads. */
  leftUnixMs: number;
  dataset: Dataset;
  /** Which one, of a session that has several. */
  partition?: number;
}

/** A session at one moment, with where it would go on, its filters and its clients. */
export interface SessionDetails extends SessionSnapshot {
  /** Where it would go on after a crash. */
  checkpoint: { position: Position; savedUnixMs: number };
  /** In rising order of ledgers. */
  filterHistory: FilterHistoryStep[];
  deliveries: Delivery[];
}

/** drain: what was read is decoded and delivered; drop: what is not delivered yet is dropped. */
type StopMode = "drain" | "drop";

/** How StopProcessing stops. */
export interface StopOptions {
  mode?: StopMode;
  /** How long draining may take, clients included; 0 or absent = the default for decoding, clients not waited for. */
  deadlineMs?: number;
}

/** A change of filters: a new one, or what to change of the one in force. */
export type FilterChange = { replace: FilterRecord } | { patch: FilterPatch };

/** What to change of the filter in force; absent fields leave theirs as it is. */
export interface FilterPatch {
  add: FilterRecord;
  remove: FilterRecord;
  includeDeleted?: boolean;
  /** Empty text: any. */
  balanceMin?: string;
  /** False: other rows too. */
  balances?: boolean;
  /** Empty text: both. */
  durability?: string;
  /** 0: any. */
  modifiedAfterLedger?: number;
}

/** What ConfigureFilters has changed: the sessions, each with the ledger from which its filter holds. */
export interface FilterOutcome {
  applied: Array<{ id: string; ledgerFrom: number; filter: FilterRecord }>;
  /** The default from now on, where that was changed. */
  defaults?: FilterRecord;
}

/** state: another state, filter or wait; progress: it has got on; deleted: the snapshot is its last. */
export type WatchEvent = "state" | "progress" | "deleted";
/** Called with the session as it is after the event; must not throw. */
export type WatchListener = (session: SessionSnapshot, event: WatchEvent) => void;

/** The operations behind ControlService. Every method may throw CodedError. */
export interface SessionService {
  /**
   * @returns the session; `existed` where an earlier request with the same idempotency key has started it
   * @throws INVALID_ARGUMENT (request), NOT_FOUND (source), RESOURCE_EXHAUSTED (sessions at once),
   * FAILED_PRECONDITION (idempotency key of another request)
   * @param ownSessionsMax active sessions that the request's owner may have
   */
  start(request: SessionRequest, ownSessionsMax?: number): Promise<SessionSnapshot & { existed?: boolean }>;
  /** Idempotent: a finished session is answered as it is. @throws NOT_FOUND */
  stop(id: string, options?: StopOptions): Promise<SessionDetails>;
  /** @throws NOT_FOUND */
  get(id: string): SessionSnapshot;
  /** @throws NOT_FOUND */
  details(id: string): Promise<SessionDetails>;
  /** Newest first. */
  list(): SessionSnapshot[];
  /** @throws NOT_FOUND, FAILED_PRECONDITION, RESOURCE_EXHAUSTED (sessions at once) */
  resume(id: string): Promise<SessionSnapshot>;
  /** @throws NOT_FOUND, FAILED_PRECONDITION */
  remove(id: string, force: boolean): Promise<void>;
  /** Without an id: the default, and all sessions that have not ended. @throws INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION */
  configureFilters(change: FilterChange, id?: string): Promise<FilterOutcome>;
  /** What new sessions get. */
  readonly defaultFilter: FilterRecord;
  /**
   * Calls the listener at every change of state, and about once a second while a session gets on; the result ends that.
   * @param id absent = all sessions
   */
  watch(id: string | undefined, listener: WatchListener): () => void;
}
