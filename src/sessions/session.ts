/**
 * What the control plane, the metrics and the status page see of a session: plain values, read at any moment.
 * The states are those of the wire (`GetStatusResponse.Status`).
 */
import type { ErrorRecord } from "../error.ts";

export const SESSION_STATES = ["UNKNOWN", "STARTING", "RUNNING", "STOPPING", "STOPPED", "ERROR"] as const;
export type SessionState = (typeof SESSION_STATES)[number];

export interface SessionRequest {
  /** First ledger, at least 1. */
  ledgerStart: number;
  /** Last ledger, inclusive; 0 = continuous. */
  ledgerEnd: number;
  /** Rows a batch at most; 0 = the server's BATCH_SIZE, or about 1 MiB where that is unset too. */
  batchRows: number;
}

export interface SessionSnapshot {
  /** UUID. */
  id: string;
  state: SessionState;
  request: SessionRequest;
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
  /** Rows a second over the last seconds. */
  ratePerSecond: number;
  /** Flight clients reading it now. */
  clients: number;
  createdUnixMs: number;
  updatedUnixMs: number;
  /** A sentence for people: why it stopped, what failed; empty while all is well. */
  message: string;
  /** Set in state ERROR. */
  error?: ErrorRecord;
}

/** The operations behind ControlService. Every method may throw CodedError. */
export interface SessionService {
  /** @throws INVALID_ARGUMENT (range), RESOURCE_EXHAUSTED (sessions at once) */
  start(request: SessionRequest): Promise<SessionSnapshot>;
  /** Idempotent: a finished session is answered as it is. @throws NOT_FOUND */
  stop(id: string): Promise<SessionSnapshot>;
  /** @throws NOT_FOUND */
  get(id: string): SessionSnapshot;
  /** Newest first. */
  list(): SessionSnapshot[];
}
