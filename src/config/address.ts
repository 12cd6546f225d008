/** Network addresses in the environment: their spelling is that of src/grpc/address.ts. */
import { type Address, formatAddress, parseAddress as parseStrictly } from "../grpc/address.ts";

export { type Address, formatAddress };

const PORT_MAX = 65_535; // TCP's

/** A port in decimal; undefined where the text is none. */
export function parsePort(text: string): number | undefined {
  if (!/^\d{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port <= PORT_MAX ? port : undefined;
}

/** `host:port`, `[ipv6]:port`, `:port`; undefined where the text is no address. */
export function parseAddress(text: string): Address | undefined {
  try {
    return parseStrictly(text);
  } catch {
    return undefined;
  }
}

/** `host:port` that can be connected to from this machine: listening everywhere becomes 127.0.0.1. */
export function dialTarget(address: Address): string {
  const everywhere = address.host === "" || address.host === "0.0.0.0" || address.host === "::";
  return formatAddress({ host: everywhere ? "127.0.0.1" : address.host, port: address.port });
}
