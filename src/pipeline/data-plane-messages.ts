/**
 * What the main thread and the data-plane Worker say to each other: a few small messages a session. Everything that
 * is frequent (batches, credit, counters) goes through shared memory instead.
 */
import type { SchemaVersion } from "../columns/batch-encoder.ts";
import type { ErrorRecord } from "../error.ts";
import type { Position } from "../workers/records.ts";

/** Given to the Worker when it starts. */
export interface DataPlaneData {
  host: string;
  port: number;
  workerCount: number;
  /** Rung by every decode worker. */
  bell: Int32Array;
  slowClientGraceMs: number;
  connectionsMax: number;
}

/** A stream as the data plane knows it. */
export interface StreamOpening {
  stream: number;
  /** Session or range id. */
  id: string;
  cell: SharedArrayBuffer;
  /** Where the stream's first batch begins. */
  start: Position;
  /** First ledger of the stream. */
  ledgerStart: number;
  ledgerEnd: number;
  networkPassphrase: string;
  schemaVersion: SchemaVersion;
  columns?: string[];
  slotsMax: number;
  retainedBytesMax: number;
}

export type ToDataPlane =
  | { type: "ring"; index: number; memory: SharedArrayBuffer }
  | { type: "open"; opening: StreamOpening }
  /** The source has ended after this many spans, with an error or without. */
  | { type: "end"; stream: number; spans: number; error?: ErrorRecord }
  /** Ends the stream now: what is in order is delivered, then the error. */
  | { type: "fail"; stream: number; error: ErrorRecord }
  /** Frees the stream's batches; its readers are ended. */
  | { type: "forget"; stream: number }
  | { type: "close"; graceMs: number };

export type FromDataPlane =
  | { type: "listening"; port: number }
  | { type: "failedToListen"; error: ErrorRecord }
  /** Every batch of the stream is in order (or it failed); clients may still be reading. */
  | { type: "ended"; stream: number; error?: ErrorRecord }
  | { type: "closed" };
