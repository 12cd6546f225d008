/**
 * Flights that were cancelled at one node: the others are told by a message of NATS that nobody keeps. A node that is cut off
 * from NATS at that moment, or starts later, goes on serving their tickets.
 */
import type { ClusterConnection } from "./connection.ts";

const ID_LENGTH_MAX = 64; // ids of flights are UUIDs

/** Tells all nodes which flights are cancelled, by their ids. */
export function tellCancelled(connection: ClusterConnection, flights: readonly string[]): void {
  connection.publish(subjectOf(connection), Buffer.from(JSON.stringify(flights)));
}

/** Calls `cancel` with what any node has told. */
export function onCancelled(connection: ClusterConnection, cancel: (flights: string[]) => void): void {
  connection.listen(subjectOf(connection), (message) => {
    const flights = parsed(message);
    if (flights.length > 0) cancel(flights);
  });
}

function subjectOf({ place }: ClusterConnection): string {
  return `${place.name}.cancelled-flights`;
}

function parsed(message: Uint8Array): string[] {
  try {
    const flights: unknown = JSON.parse(new TextDecoder().decode(message));
    const isId = (each: unknown) => typeof each === "string" && each.length <= ID_LENGTH_MAX;
    return Array.isArray(flights) ? flights.filter(isId) : [];
  } catch {
    return []; // somebody else's
  }
}
