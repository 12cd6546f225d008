/** Streams and their clients, for people and programs that watch them. */
import type { HubStream } from "../delivery/hub-stream.ts";
import type { StreamPart } from "../delivery/stream-part.ts";
import { encodeCursor } from "../threads/cursor.ts";
import { DATASET_DEFAULT } from "../vocabulary/dataset.ts";
import { hasDictionaries } from "./schemas.ts";

/** An open stream and its clients, with the field names of the action `streams`. */
export function describeStream({ opening, cell, log, over, parts, isShared }: HubStream) {
  return {
    [opening.kind === "range" ? "range" : "session"]: opening.id,
    kind: opening.kind,
    start_ledger: opening.ledgerStart,
    end_ledger: opening.ledgerEnd,
    current_ledger: cell.get("ledgerCurrent"),
    schema_version: opening.schemaVersion,
    dictionaries: hasDictionaries(opening),
    compression: opening.compression,
    over,
    rows: cell.get("rows"),
    batches: cell.get("batches"),
    retained_bytes: cell.get("retainedBytes"),
    full: parts.some((part) => part.log.full),
    oldest_retained: isShared ? undefined : encodeCursor(log.startPosition, parts[0]!.opening),
    held_back_ms_max: Math.round(Math.max(...parts.map((part) => part.log.heldBackMsMax))),
    datasets: opening.datasets ?? [DATASET_DEFAULT],
    partitions: isShared ? parts.map(describePart) : undefined,
    rows_sent: cell.get("rowsSent"),
    bytes_sent: cell.get("bytesSent"),
    clients: parts.flatMap(describeClients),
  };
}

function describePart({ opening, cell, log }: StreamPart) {
  return {
    dataset: opening.dataset,
    index: opening.partition?.index,
    current_ledger: cell.get("ledgerCurrent"),
    rows: cell.get("rows"),
    batches: cell.get("batches"),
    retained_bytes: log.retainedBytes,
    oldest_retained: encodeCursor(log.startPosition, opening),
    held_back_ms_max: Math.round(log.heldBackMsMax),
    rows_sent: cell.get("rowsSent"),
    bytes_sent: cell.get("bytesSent"),
  };
}

function describeClients({ opening, clients }: StreamPart) {
  const { dataset, partition } = opening;
  return [...clients].map((client) => ({
    client: client.number,
    peer: client.peer,
    dataset,
    partition: partition?.index,
    joined_unix_ms: client.joinedUnixMs,
    mode: client.mode,
    batches: client.batches,
    rows: client.rows,
    bytes: client.bytes,
    lag_ledgers: client.lag.ledgers,
    lag_batches: client.lag.batches,
    lag_bytes: client.lag.bytes,
    blocked_ms: Math.round(client.blockedMs),
    unread_ms: client.blockedSinceMs === undefined ? 0 : Math.round(performance.now() - client.blockedSinceMs),
    cursor: encodeCursor(client.position, opening),
  }));
}
