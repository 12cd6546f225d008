/** CLUSTER: the servers of one NATS, and who we are there. */
import { formatAddress, parseAddress } from "./address.ts";
import type { SettingType } from "./types.ts";

const PORT = 4222; // NATS' own
const SERVERS_MAX = 32; // of one NATS; three or five are usual

/** Where NATS is. */
export interface NatsServers {
  /** host:port of each; at least one. */
  servers: string[];
  /** Whether the connection has to be TLS. Without, it is where the server offers it. */
  tls: boolean;
  /** From the URL; absent: none. */
  login?: { user: string; password: string } | { token: string };
}

/** `nats://[user:password@|token@]host[:port][,…]`, and `tls://`; empty is accepted. */
export const natsServers: SettingType<NatsServers | ""> = {
  name: "address",
  accepts: `nats://host:port, with user:password@ or token@ in front of the host where NATS asks for it, and tls:// for TLS; up to ${SERVERS_MAX} of one NATS separated by commas`,
  parse: (value) => (value === "" ? "" : parseNatsServers(value)),
  fault: () => "a list of servers that cannot be read",
};

function parseNatsServers(value: string): NatsServers | undefined {
  const parts = value.split(",").map((part) => /^(?:(nats|tls):\/\/)?(?:([^@/]*)@)?([^@/]+?)\/?$/.exec(part.trim()));
  if (parts.length > SERVERS_MAX || parts[0]?.[1] === undefined) return undefined;
  const servers: string[] = [];
  const logins = new Set<string>();
  let tls = false;
  for (const part of parts) {
    const address = part && (parseAddress(part[3]!) ?? parseAddress(`${part[3]}:${PORT}`));
    if (!address || address.host === "" || address.port === 0) return undefined;
    servers.push(formatAddress(address));
    tls ||= part[1] === "tls";
    if (part[2]) logins.add(part[2]);
  }
  if (logins.size > 1) return undefined; // the client has one for all servers
  const [login] = logins;
  if (login === undefined) return { servers, tls };
  try {
    const [name, ...password] = login.split(":");
    const user = decodeURIComponent(name!);
    if (password.length === 0) return { servers, tls, login: { token: user } };
    return { servers, tls, login: { user, password: decodeURIComponent(password.join(":")) } };
  } catch {
    return undefined; // a percent sign that begins no character
  }
}
