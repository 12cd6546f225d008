/** Endpoints of a FlightInfo, and the places that they name. */
import { parseAddress } from "../config/address.ts";
import type { FlightInfo } from "../grpc/generated/flight.ts";

/** What is read, and where. */
export interface ReadEndpoint {
  ticket: Uint8Array;
  /** Flight's location URIs; none: only at the server that was asked. */
  locations: readonly string[];
}

/** A location as a client connects to it. */
interface Place {
  /** host:port. */
  address: string;
  tls: boolean;
}

/** The endpoints of an answer, in its order. */
export function endpointsOf({ endpoint }: FlightInfo): ReadEndpoint[] {
  return endpoint.flatMap(({ ticket, location }) =>
    ticket === undefined ? [] : [{ ticket: ticket.ticket, locations: location.map(({ uri }) => uri) }],
  );
}

/** `grpc://`, `grpc+tcp://` or `grpc+tls://` and host:port; undefined for any other, such as the server that was asked. */
export function placeOf(location: string): Place | undefined {
  const [, tls, rest] = /^grpc(?:\+tcp|(\+tls))?:\/\/([^/]+)\/?$/.exec(location) ?? [];
  if (rest === undefined || parseAddress(rest) === undefined) return undefined;
  return { address: rest, tls: tls !== undefined };
}
