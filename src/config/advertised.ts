/** The addresses that this server tells others to reach it at: clients, and whoever it registers with. */
import { type Address, dialTarget, formatAddress, parseAddress } from "./address.ts";

const EVERY_INTERFACE = new Set(["", "0.0.0.0", "::"]);
const HOST = /^(?:[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45})$/; // a name or an address; DNS names have 253 characters

/** A host name or an IP address (IPv6 with or without brackets), without a port; undefined for anything else. */
export function parseHost(text: string): string | undefined {
  const host = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
  return HOST.test(host) ? host : undefined;
}

/**
 * `host:port` of a listener for clients that may be on other machines: under ADVERTISED_HOST where that is set; else
 * under the host that it listens on; else, where it listens on every interface, under the name by which the asking
 * client has reached this server.
 * @param listening host as configured, port as it is in use
 * @param advertisedHost ADVERTISED_HOST; empty where it is not set
 * @param reachedBy the client's own word for it (`:authority`): `host` or `host:port`; anything else is let be
 */
export function advertisedAddress(listening: Address, advertisedHost: string, reachedBy = ""): string {
  const { host, port } = listening;
  if (advertisedHost !== "") return formatAddress({ host: advertisedHost, port });
  if (!EVERY_INTERFACE.has(host)) return formatAddress(listening);
  const reached = parseAddress(reachedBy)?.host ?? reachedBy;
  const known = parseHost(reached);
  return known === undefined || EVERY_INTERFACE.has(known)
    ? dialTarget(listening)
    : formatAddress({ host: known, port });
}
