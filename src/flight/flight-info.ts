/** FlightInfo of sessions and ranges. */

import type { HubStream } from "../delivery/hub-stream.ts";
import type { StreamPart } from "../delivery/stream-part.ts";
import { CodedError } from "../error.ts";
import {
  FlightDescriptor_DescriptorType as DescriptorType,
  type FlightDescriptor,
  type FlightInfo,
  type Location,
} from "../grpc/generated/flight.ts";
import type { Init } from "../grpc/service.ts";
import { DATASET_DEFAULT } from "../vocabulary/dataset.ts";
import { partOfStream } from "./partitions.ts";
import { partsOf, type RangeTicket } from "./range-ticket.ts";
import type { SchemaForms } from "./schemas.ts";
import { pathOf, type SessionRead, ticketOf } from "./tickets.ts";

const UNKNOWN_COUNT = -1; // Flight's way to say that a total is not known

/** Rows and bytes of a flight that has been read to its end. */
export interface Totals {
  rows: number;
  bytes: number;
}

/** Milliseconds since 1970 as google.protobuf.Timestamp. */
export function timestampOf(unixMs: number): { seconds: number; nanos: number } {
  return { seconds: Math.floor(unixMs / 1000), nanos: (unixMs % 1000) * 1_000_000 };
}

/** Totals of some parts; known for all of them, and else where all rows of the session were counted since the server began. */
function partTotals({ parts: all }: HubStream, parts: readonly StreamPart[], totals: Totals | undefined) {
  if (parts.length === all.length) return totals;
  const sum = (of: readonly StreamPart[], counter: "rows" | "batchBytes") =>
    of.reduce((sum, { cell }) => sum + cell.get(counter), 0);
  if (totals?.rows !== sum(all, "rows")) return undefined;
  return { rows: sum(parts, "rows"), bytes: sum(parts, "batchBytes") };
}

/**
 * An endpoint for each partition of the dataset, or for the one that was asked for.
 * @param totals of the whole session, once it is over
 * @param descriptor the one that was asked for; absent: the session's own path
 * @param nodes whom to ask again where the session is, for a replicated one
 * @throws CodedError FAILED_PRECONDITION where the session has no such partition
 */
export function sessionInfo(
  stream: HubStream,
  forms: SchemaForms,
  read: Omit<SessionRead, "kind" | "id">,
  totals: Totals | undefined,
  descriptor?: Init<FlightDescriptor>,
  nodes?: readonly string[],
): Init<FlightInfo> {
  const { opening } = stream;
  const { dataset } = read;
  const whole = read.from === undefined || read.from === "start";
  const isOfOne = read.shard !== undefined || typeof read.from === "object"; // a cursor belongs to one partition
  const parts = isOfOne ? [partOfStream(stream, dataset, read.shard)] : stream.partsOf(dataset);
  const { cell } = parts.length === 1 ? parts[0]! : stream;
  const known = whole ? partTotals(stream, parts, totals) : undefined;
  return {
    schema: forms.encapsulated,
    flightDescriptor: descriptor ?? { type: DescriptorType.PATH, path: pathOf(dataset, opening.id) },
    endpoint: parts.map(({ opening: { partition } }) => ({
      ticket: { ticket: ticketOf({ kind: "session", id: opening.id, ...read, shard: partition }) },
      location: opening.elsewhere ? [{ uri: opening.elsewhere }] : undefined, // absent: where this was asked
      appMetadata: partition === undefined ? undefined : jsonBytes({ partition }),
    })),
    totalRecords: known?.rows ?? UNKNOWN_COUNT,
    totalBytes: known?.bytes ?? UNKNOWN_COUNT,
    ordered: parts.length === 1, // partitions are read side by side, each in order
    appMetadata: jsonBytes({
      session: opening.id,
      dataset: dataset === DATASET_DEFAULT ? undefined : dataset,
      datasets: opening.datasets,
      start_ledger: opening.ledgerStart,
      end_ledger: opening.ledgerEnd,
      current_ledger: cell.get("ledgerCurrent"),
      partitions: opening.partitions,
      schema_version: parts[0]!.opening.schemaVersion,
      include_deleted: dataset === DATASET_DEFAULT ? opening.includesDeleted : undefined,
      nodes,
    }),
  };
}

/** Bytes of an endpoint beside its ticket: expiration, app_metadata and protobuf's framing. */
const ENDPOINT_BYTES = 96;
/** Bytes of a location beside its text: protobuf's framing. */
const LOCATION_BYTES = 8;

/** A FlightInfo that clients take: gRPC's default limit for what a client receives, with room for the schema. */
export const FLIGHT_INFO_BYTES_MAX = (4 << 20) - (64 << 10);

/**
 * The tickets of consecutive parts. Written from one text where only the ledgers differ: a thousand parts of a range whose
 * filter has thousands of values would else be a thousand times the work.
 */
function ticketsOf(parts: readonly RangeTicket[]): Uint8Array[] {
  const ticketed = (range: RangeTicket) => ticketOf({ kind: "range", range });
  const headOf = ({ ledgerStart, ledgerEnd }: RangeTicket) =>
    `{"start_ledger":${ledgerStart},"end_ledger":${ledgerEnd}`;
  const [first, second] = parts;
  if (first === undefined || second === undefined) return parts.map(ticketed);
  const text = Buffer.from(ticketed(second)).toString();
  const head = headOf(second);
  if (!text.startsWith(head)) return parts.map(ticketed);
  const tail = text.slice(head.length);
  // The first alone may have a cursor.
  return parts.map((part) => (part === first ? ticketed(part) : Buffer.from(headOf(part) + tail)));
}

/** Locations of an endpoint: who comes to one that has died goes on at the next. */
const LOCATIONS_MAX = 3;

/** Where endpoint `index` is read: endpoints go round the nodes, and each has the next ones beside it. */
function locationsOf(nodes: readonly string[], index: number): Init<Location>[] {
  return Array.from({ length: Math.min(nodes.length, LOCATIONS_MAX) }, (_, next) => ({
    uri: nodes[(index + next) % nodes.length]!,
  }));
}

/**
 * One endpoint a part, in the order in which their rows follow each other.
 * @param nodes Flight's locations of the live nodes, this one first; none: the server that was asked
 * @param announce told about how many bytes the answer will have before its endpoints are made; it may refuse
 * @throws CodedError INVALID_ARGUMENT / FLIGHT_INFO_TOO_LARGE
 */
export function rangeInfo(
  range: RangeTicket,
  forms: SchemaForms,
  totalsOf: (part: RangeTicket) => Totals | undefined,
  descriptor: Init<FlightDescriptor>,
  nodes: readonly string[],
  announce: (bytes: number) => void,
): Init<FlightInfo> {
  const parts = partsOf(range);
  const ticketBytes = ticketOf({ kind: "range", range: parts[0]! }).length;
  const locationBytes =
    Math.min(nodes.length, LOCATIONS_MAX) * (LOCATION_BYTES + Math.max(0, ...nodes.map((node) => node.length)));
  const bytes = parts.length * (ticketBytes + ENDPOINT_BYTES + locationBytes);
  if (parts.length > 1 && bytes > FLIGHT_INFO_BYTES_MAX) {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "FLIGHT_INFO_TOO_LARGE",
      `${parts.length} endpoints with tickets of ${ticketBytes} B make ${bytes} B, over max ${FLIGHT_INFO_BYTES_MAX} B: ask for fewer endpoints, or select by fewer values`,
    );
  }
  announce(bytes + descriptorBytes(descriptor));
  const tickets = ticketsOf(parts);
  const totals = parts.map(totalsOf);
  const sum = (of: (totals: Totals) => number) =>
    totals.reduce((all, part) => (part === undefined || all < 0 ? UNKNOWN_COUNT : all + of(part)), 0);
  return {
    schema: forms.encapsulated,
    flightDescriptor: descriptor,
    endpoint: parts.map((part, index) => ({
      ticket: { ticket: tickets[index] },
      location: locationsOf(nodes, index),
      expirationTime: part.expiresAtUnixMs === undefined ? undefined : timestampOf(part.expiresAtUnixMs),
      appMetadata: jsonBytes({ start_ledger: part.ledgerStart, end_ledger: part.ledgerEnd }),
    })),
    totalRecords: sum((part) => part.rows),
    totalBytes: sum((part) => part.bytes),
    ordered: true,
    appMetadata: jsonBytes({
      range: range.id,
      dataset: range.dataset === DATASET_DEFAULT ? undefined : range.dataset,
      start_ledger: range.ledgerStart,
      end_ledger: range.ledgerEnd,
    }),
  };
}

/** Bytes of what the client asked with, which comes back to it. */
function descriptorBytes({ cmd, path }: Init<FlightDescriptor>): number {
  return (cmd?.length ?? 0) + (path ?? []).reduce((sum, part) => sum + part.length, 0);
}

/** A value as JSON in UTF-8, the form of app_metadata in a FlightInfo and of results of actions. */
export function jsonBytes(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}
