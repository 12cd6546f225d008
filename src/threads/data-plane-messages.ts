/**
 * What the main thread and the data-plane Worker say to each other: a few small messages a session. Everything that
 * is frequent (batches, credit, counters) goes through shared memory instead.
 */

import type { ErrorRecord } from "../error.ts";
import type { ListenerLimits } from "../grpc/listener-limits.ts";
import type { ServerTls } from "../grpc/server-tls.ts";
import type { Access } from "../security/access.ts";
import type { CallFacts, GetFacts } from "../tracing/span-facts.ts";
import type { Compression } from "../vocabulary/compression.ts";
import type { Dataset } from "../vocabulary/dataset.ts";
import type { Partition } from "../vocabulary/partition.ts";
import type { Position } from "../vocabulary/position.ts";
import type { FilterRecord } from "../vocabulary/row-filter.ts";
import type { SchemaVersion } from "../vocabulary/schema-version.ts";
import type { StreamPartName } from "../vocabulary/stream-part.ts";
import type { AssetRecord, LedgerSkip, SpanDoneRecord } from "../workers/records.ts";
import type { ClientEvent } from "./client-event.ts";
import type { FromRowRead, ToRowRead } from "./row-read.ts";

/** Given to the Worker when it starts. */
export interface DataPlaneData {
  host: string;
  port: number;
  /** Absent: Flight speaks no TLS. */
  tls?: ServerTls;
  workerCount: number;
  /** Rung by every decode worker. */
  bell: Int32Array;
  slowClientGraceMs: number;
  limits: ListenerLimits;
  /** Memory of Heartbeat. */
  heartbeat: SharedArrayBuffer;
  /** Memory of FlightTotals: what all clients together have had, for the process's metrics. */
  totals: SharedArrayBuffer;
  /** Memory of StageTimes. */
  times: SharedArrayBuffer;
  /** Memory of MemoryPressure. */
  pressure: SharedArrayBuffer;
  /** Retained batches and memory kept to be used again for more, together. */
  slotBytesMax: number;
  /** For range tickets and for schemas that belong to no session. */
  networkPassphrase: string;
  /** DICTIONARIES: for range tickets that do not say. */
  dictionaries: boolean;
  service: { name: string; version: string };
  /** Who may call; absent: everybody. */
  access?: Access;
  /** Whether DoGets are to be told when they have ended (`get`). */
  traces: boolean;
  /** What tickets are signed with, where callers are asked who they are. */
  ticketKey?: Uint8Array;
}

/** What a stream serves: a session with its readers, a range of one client, or what a session's client has missed. */
export type StreamKind = "session" | "range" | "catchUp";

/** A stream as the data plane knows it. */
export interface StreamOpening {
  stream: number;
  kind: StreamKind;
  /** Session or range id; of the session for what its client has missed. */
  id: string;
  cell: SharedArrayBuffer;
  /** Where the stream's first batch begins. */
  start: Position;
  /** First ledger of the stream. */
  ledgerStart: number;
  ledgerEnd: number;
  networkPassphrase: string;
  /** Absent: contract data alone. */
  datasets?: readonly Dataset[];
  /** Which of them, of one part of the stream. */
  dataset?: Dataset;
  /** The version of contract data; of one part, of its dataset. */
  schemaVersion: SchemaVersion;
  /** Whether its first filter lets removed and evicted entries through: a session's, also after a restart and changes. */
  includesDeleted?: boolean;
  columns?: string[];
  /** False: columns of words are text. Absent: dictionaries. */
  dictionaries?: boolean;
  /** As asked for; 0 = about the target size. */
  batchRows: number;
  compression: Compression;
  slotsMax: number;
  /** At least 2: each, of each dataset, has a log of its own, with its part of the memory. Absent: there are none. */
  partitions?: number;
  /** Which partition of a session this is, or is what a client of it has missed. */
  partition?: Partition;
  /** Whether its source can be read again: then nobody has to be waited for. */
  seekable: boolean;
  /** No longer than this is a client left without news, while ledgers come. */
  flushIntervalMs: number;
  /** The Flight server of the node that runs this session, as a location's URI; empty: none does. Absent: this one does. */
  elsewhere?: string;
}

/** A range that a ticket asks for. */
export interface RangeRequest {
  id: string;
  start: Position;
  /** Inclusive; 0 = follows the source for ever. */
  ledgerEnd: number;
  dataset: Dataset;
  /** Absent: the filter that new sessions get. An absent `includeDeleted` is also that one's. */
  filter?: FilterRecord;
  /** Known beside KNOWN_ASSETS, as SEP-11 writes them. */
  assets?: string[];
  schemaVersion: SchemaVersion;
  columns?: string[];
  dictionaries?: boolean;
  compression: Compression;
  batchRows: number;
}

/** What the data plane asks of the main thread; each is answered once. */
export interface Questions {
  /** Opens a stream of its own for one DoGet. @throws FAILED_PRECONDITION, RESOURCE_EXHAUSTED */
  openRange: { asked: RangeRequest; answer: { stream: number } };
  /** A range for the part of a session that is no longer retained. */
  openCatchUp: {
    asked: { session: number; start: Position; end: Position } & StreamPartName;
    answer: { stream: number };
  };
  /** Ends a range stream and forgets it. */
  closeRange: { asked: { stream: number }; answer: Record<string, never> };
  /**
   * Whether ranges can be read at all, up to which ledger for now, the filter of those that name none, and where else they
   * are served: Flight's locations of the live nodes of the cluster, this one first; empty where it is alone.
   * @throws FAILED_PRECONDITION
   */
  rangeSource: {
    asked: Record<string, never>;
    answer: { source: string; ledgerLatest?: number; defaultFilter: FilterRecord; locations: string[] };
  };
  /** Flight's locations of the live nodes of the cluster, this one first; empty where it is alone. */
  nodes: { asked: Record<string, never>; answer: { locations: string[] } };
  /** Flights were cancelled here: the other nodes of the cluster are told. */
  cancelled: { asked: { flights: string[] }; answer: Record<string, never> };
  /** Every session, newest first, or the one with that id. @throws NOT_FOUND */
  sessions: { asked: { id?: string }; answer: { sessions: SessionSummary[] } };
}
export type QuestionName = keyof Questions;

/** A session as Flight's actions tell of it; field names as in their JSON. */
export interface SessionSummary {
  session: string;
  state: string;
  start_ledger: number;
  end_ledger: number;
  current_ledger: number;
  rows: number;
  rows_filtered: number;
  batches: number;
  batch_bytes: number;
  clients: number;
  datasets: readonly Dataset[];
  /** Where it has several. */
  partitions?: number;
  labels?: Readonly<Record<string, string>>;
  created_unix_ms: number;
  message: string;
  error?: ErrorRecord;
}

/** What one client has had of a stream. */
export interface ClientReport {
  /** Address as the transport gives it. */
  peer: string;
  rows: number;
  batches: number;
  bytes: number;
  joinedUnixMs: number;
  /** 0 while it reads. */
  leftUnixMs: number;
  dataset: Dataset;
  /** Which partition of a session that has several. */
  partition?: number;
}

/** What the main thread says to the data plane. */
export type ToDataPlane =
  | { type: "ring"; index: number; memory: SharedArrayBuffer }
  /** Every session that there was before is open: until then no call is answered. */
  | { type: "restored" }
  | { type: "open"; opening: StreamOpening }
  /** The source has ended after this many spans, with an error or without. */
  | { type: "end"; stream: number; spans: number; error?: ErrorRecord }
  /** Ends the stream now: what is in order is delivered, then the error. */
  | { type: "fail"; stream: number; error: ErrorRecord }
  /** The stream's share of memory, in its cell, is another one now. */
  | { type: "resized"; stream: number }
  /** Keeps no batches of a stream that is over, beyond those that its readers still need. */
  | { type: "retire"; stream: number }
  /** Frees the stream's batches; its readers are ended at once, with that error or as of a session that was removed. */
  | { type: "forget"; stream: number; why?: ErrorRecord }
  | { type: "answer"; number: number; answer?: unknown; error?: ErrorRecord }
  /** Flights, by their ids, that were cancelled at any node of the cluster. */
  | { type: "cancel"; flights: string[] }
  /** Who reads a stream; answered by `clients`. */
  | { type: "clientsOf"; number: number; stream: number }
  /** What streams there are; answered by `streams`. */
  | { type: "streamsOf"; number: number }
  /** What a client of HTTP reads, by its number. */
  | { type: "read"; number: number; read: ToRowRead }
  /** Other certificates, for handshakes from now on. */
  | { type: "renewTls"; tls: ServerTls }
  /** Other files of credentials and roles, for calls from now on. */
  | { type: "renewAccess"; access: Access }
  | { type: "close"; graceMs: number };

/** What the data plane says to the main thread. */
export type FromDataPlane =
  | { type: "listening"; port: number }
  | { type: "failedToListen"; error: ErrorRecord }
  /** Every batch of the stream is in order (or it failed); clients may still be reading. */
  | { type: "ended"; stream: number; error?: ErrorRecord }
  /** What a batch or span that is now in order has taught of assets; counted in the cell as `learnedMessages`. */
  | { type: "learned"; stream: number; assets: AssetRecord[] }
  /** So many ledgers were left out in a span that is now in order, these among them. */
  | { type: "skipped"; stream: number; skips: LedgerSkip[]; count: number }
  /** A span that is traced is in order. */
  | { type: "traced"; stream: number; done: SpanDoneRecord; orderedUnixMs: number }
  | { type: "client"; event: ClientEvent }
  /** A DoGet has ended. */
  | { type: "get"; facts: GetFacts }
  /** Another call has ended. */
  | { type: "flightCall"; facts: CallFacts }
  /** A line for the log, which the main thread writes. */
  | { type: "log"; level: "warn" | "error"; message: string; fields: Record<string, string> }
  | { type: "ask"; number: number; name: QuestionName; asked: unknown }
  | { type: "clients"; number: number; clients: ClientReport[] }
  /** As the action `streams` gives them. */
  | { type: "streams"; number: number; streams: object[] }
  | { type: "read"; number: number; read: FromRowRead }
  | { type: "closed" };
