/**
 * Which Host headers may read what a browser should not carry to another site. In a DNS rebinding attack a page of a
 * stranger's domain makes the browser ask this server under that domain's name, and reads the answer as its own. An IP
 * address or a name that this machine is known by cannot be a stranger's domain.
 */
import { isIP } from "node:net";
import { hostname } from "node:os";

/**
 * The host of a Host header: lower case, without port, brackets and final dot; undefined for an absent or empty header.
 */
function hostOf(header: string | undefined): string | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]*))(?::[0-9]*)?$/.exec(header?.trim() ?? "");
  const host = (match?.[1] ?? match?.[2] ?? "").toLowerCase().replace(/\.$/, "");
  return host === "" ? undefined : host;
}

/**
 * A check of Host headers. Allowed: an absent or empty one (no browser sends that), IP addresses, localhost, this
 * machine's name, and `names`.
 *
 * @param names hosts without port, in any case
 */
export function allowedHosts(names: readonly string[]): (header: string | undefined) => boolean {
  const known = new Set(["localhost", hostname().toLowerCase(), ...names.map((name) => name.toLowerCase())]);
  return (header) => {
    if (header === undefined || header.trim() === "") return true;
    const host = hostOf(header);
    return host !== undefined && (isIP(host) !== 0 || host.endsWith(".localhost") || known.has(host));
  };
}
