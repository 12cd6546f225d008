/** Listening addresses as they are written in settings. */
import { CodedError } from "../error.ts";

/** Host and port of a listener, as `parseAddress` reads them. */
export interface Address {
  /** Name or IP address without brackets; "" for every interface. */
  host: string;
  /** 0 to 65535; 0 lets the system choose. */
  port: number;
}

const PORT_MAX = 65535; // 16 bits in TCP

/**
 * Parses `:8816` (every interface), `127.0.0.1:0`, `[::1]:8816` and `host:port`, the forms that Go's net.Listen takes.
 * Throws INVALID_ARGUMENT / ADDRESS_INVALID with the text and the forms that are right.
 */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9A-Fa-f:.]+(?:%[^\]]+)?)\]|([^\s:[\]]*)):([0-9]{1,5})$/.exec(text.trim());
  const port = Number(match?.[3]);
  if (match === null || port > PORT_MAX) {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "ADDRESS_INVALID",
      `"${text}" is not an address: write :8816, 127.0.0.1:8816, [::1]:8816 or host:8816, with a port from 0 to ${PORT_MAX}`,
    );
  }
  return { host: match[1] ?? match[2] ?? "", port };
}

/** The inverse of `parseAddress`. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
