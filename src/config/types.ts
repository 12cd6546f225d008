/** The kinds of value that a setting can have: how text becomes the value, and how to say what is accepted. */

import { BALANCE_MAX, isBalance } from "../vocabulary/row-filter.ts";
import { ASSETS_GIVEN_MAX, checkedAssets } from "../xdr/sep11.ts";
import { type Address, formatAddress, parseAddress, parsePort } from "./address.ts";
import { parseHost } from "./advertised.ts";
import { formatDuration, parseDurationMs } from "./duration.ts";
import { parseSourceEndpoint, type SourceEndpoint, shownSource } from "./source-endpoint.ts";

const SOURCES_MAX = 64; // each holds connections and buffers
const HEADER_CHARACTERS_MAX = 4096; // half of what servers take as headers; a large JWT has 2,000

/** How a setting's value is written, and what it becomes. */
export interface SettingType<T> {
  /** For the reference: `duration`, `list`, … */
  readonly name: string;
  /** Completes "… is accepted" in an error. */
  readonly accepts: string;
  /** Undefined where the text is not accepted. */
  parse(text: string): T | undefined;
  /** What is wrong with a text that is not accepted, where it is too long to be repeated. */
  fault?(text: string): string;
}

/** Any text, as it is. */
export const text: SettingType<string> = { name: "text", accepts: "any text", parse: (value) => value };

/** A name of letters, digits, `_` and `-`; empty is accepted. */
export function word(charactersMax: number): SettingType<string> {
  return {
    name: "name",
    accepts: `a name of up to ${charactersMax} letters, digits, _ or -`,
    parse: (value) => (value.length <= charactersMax && /^[A-Za-z0-9_-]*$/.test(value) ? value : undefined),
  };
}

/** A whole number in a closed range. */
export function integer(min: number, max: number): SettingType<number> {
  return {
    name: "integer",
    accepts: `a whole number from ${min} to ${max}`,
    parse(value) {
      if (!/^\d{1,15}$/.test(value)) return undefined;
      const number = Number(value);
      return number >= min && number <= max ? number : undefined;
    },
  };
}

/** A balance, which may be larger than a number holds exactly, as text; empty is accepted. */
export const balance: SettingType<string> = {
  name: "integer",
  accepts: `a whole number from 0 to ${BALANCE_MAX}`,
  parse: (value) => (value === "" || isBalance(value) ? value : undefined),
};

const TRUE = ["1", "t", "T", "TRUE", "true", "True"];
const FALSE = ["0", "f", "F", "FALSE", "false", "False"];

/** The spellings of Go's strconv.ParseBool; undefined for any other. */
export function parseGoBoolean(value: string): boolean | undefined {
  return TRUE.includes(value) ? true : FALSE.includes(value) ? false : undefined;
}

/** True or false, as Go's strconv.ParseBool reads them. */
export const boolean: SettingType<boolean> = {
  name: "boolean",
  accepts: "true or false (or 1, t, 0, f)",
  parse: parseGoBoolean,
};

/** In milliseconds. */
export function duration(minMs: number, maxMs: number): SettingType<number> {
  return {
    name: "duration",
    accepts: `a duration with its unit (500ms, 5s, 1m30s) from ${formatDuration(minMs)} to ${formatDuration(maxMs)}`,
    parse(value) {
      const ms = parseDurationMs(value);
      return ms !== undefined && ms >= minMs && ms <= maxMs ? ms : undefined;
    },
  };
}

const SIZE_UNITS: Readonly<Record<string, number>> = { "": 1, B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** In bytes. */
export function byteSize(min: number, max: number): SettingType<number> {
  return {
    name: "size",
    accepts: `a number of bytes, or of KiB, MiB or GiB with the unit, from ${formatSize(min)} to ${formatSize(max)}`,
    parse(value) {
      const match = /^(\d{1,12})(B|KiB|MiB|GiB)?$/.exec(value);
      if (!match) return undefined;
      const bytes = Number(match[1]) * (SIZE_UNITS[match[2] ?? ""] ?? 1);
      return bytes >= min && bytes <= max ? bytes : undefined;
    },
  };
}

/** 67108864 → `64MiB`; what is no whole number of a unit stays in bytes. */
export function formatSize(bytes: number): string {
  for (const unit of ["GiB", "MiB", "KiB"]) {
    const size = SIZE_UNITS[unit]!;
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return `${bytes}`;
}

/** A number of mebibytes, given without a unit; the value is in bytes. */
export function mebibytes(min: number, max: number): SettingType<number> {
  const number = integer(min, max);
  return {
    ...number,
    parse: (value) => {
      const count = number.parse(value);
      return count === undefined ? undefined : count * 2 ** 20;
    },
  };
}

/** One of a few words, in any case. */
export function oneOf<const W extends readonly string[]>(words: W): SettingType<W[number]> {
  return {
    name: "word",
    accepts: `one of ${words.join(", ")}`,
    parse: (value) => words.find((word) => word === value.toLowerCase()),
  };
}

/** Comma-separated; blanks around items and empty items are dropped, as in the original. */
export function list(item: RegExp, what: string, itemsMax: number): SettingType<string[]> {
  return {
    name: "list",
    accepts: `up to ${itemsMax} ${what}, separated by commas,`,
    parse(value) {
      const items = itemsOf(value);
      return items.length <= itemsMax && items.every((part) => item.test(part)) ? items : undefined;
    },
  };
}

/** Any of a few words, comma-separated. */
export function listOf<const W extends readonly string[]>(words: W): SettingType<W[number][]> {
  return {
    name: "list",
    accepts: `any of ${words.join(", ")}, separated by commas,`,
    parse(value) {
      const items = itemsOf(value);
      return items.every((item) => words.includes(item)) ? items : undefined;
    },
  };
}

/** An http or https URL, as it is; empty is accepted. */
export const httpUrl: SettingType<string> = {
  name: "url",
  accepts: "an http or https URL",
  parse(value) {
    if (value === "") return value;
    const url = URL.parse(value);
    return url?.protocol === "https:" || url?.protocol === "http:" ? value : undefined;
  },
};

function itemsOf(value: string): string[] {
  return value
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

/** Assets as SEP-11 writes them, comma-separated like a list. */
export const assets: SettingType<string[]> = {
  name: "list",
  accepts: `up to ${ASSETS_GIVEN_MAX} assets (native, or CODE:G… with the strkey of its issuer), separated by commas,`,
  parse(value) {
    try {
      return checkedAssets(itemsOf(value), "entry");
    } catch {
      return undefined;
    }
  },
  fault(value) {
    try {
      return `a list of ${checkedAssets(itemsOf(value), "entry").length}`;
    } catch (thrown) {
      return `no list of assets (${(thrown as Error).message})`;
    }
  },
};

/** Where to listen. */
export const listenAddress: SettingType<Address> = {
  name: "address",
  accepts: ":port (all interfaces) or host:port",
  parse: parseAddress,
};

/** Where to listen; a bare port too. */
export const listenPort: SettingType<Address> = {
  name: "port",
  accepts: "a port from 0 to 65535 (all interfaces), or host:port",
  parse(value) {
    const port = parsePort(value);
    return port === undefined ? parseAddress(value) : { host: "", port };
  },
};

/** A host without a port; empty is accepted. */
export const hostName: SettingType<string> = {
  name: "host",
  accepts: "a host name or an IP address, without a port",
  parse: (value) => (value === "" ? "" : parseHost(value)),
};

/** The value of an HTTP header; empty is accepted. */
export const headerValue: SettingType<string> = {
  name: "header",
  accepts: `up to ${HEADER_CHARACTERS_MAX} printable ASCII characters without blanks around them`,
  parse: (value) =>
    /^([!-~]([ -~]*[!-~])?)?$/.test(value) && value.length <= HEADER_CHARACTERS_MAX ? value : undefined,
};

/** What to connect to. */
export const dialAddress: SettingType<string> = {
  name: "address",
  accepts: "host:port",
  parse(value) {
    const address = parseAddress(value);
    return address && address.port > 0 ? formatAddress(address) : undefined;
  },
};

/** A gRPC server: `grpcs://` in front for TLS, `grpc://` or nothing for none. */
export const grpcEndpoint: SettingType<{ address: string; tls: boolean }> = {
  name: "address",
  accepts: "host:port, or grpcs://host:port with TLS",
  parse(value) {
    const address = dialAddress.parse(value.replace(/^grpcs?:\/\//, ""));
    return address === undefined ? undefined : { address, tls: value.startsWith("grpcs://") };
  },
};

/** A source: a folder, a bucket, a web server, a raw-ledger server, a meta stream, or repeat: and a folder; or several joined by |. */
export const sourceEndpoint: SettingType<SourceEndpoint> = {
  name: "source",
  accepts:
    "host:port of a raw-ledger server (grpcs://host:port with TLS), a lake folder (with a slash: ./lake, /data/lake, file:///data/lake), a lake in a bucket (s3://bucket/prefix, gs://bucket/prefix) or behind a web server (https://host/path), an RPC server (rpc+https://host/path), core's meta stream (meta:/path/fifo, meta:fd:3, meta+tcp://host:port), repeat:<lake folder>, or up to 8 of them joined, lake|tip",
  parse: parseSourceEndpoint,
  fault: shownSource,
};

/** `name=source`, comma-separated, by name. */
export const namedSources: SettingType<ReadonlyMap<string, SourceEndpoint>> = {
  name: "sources",
  fault: shownSource,
  accepts: `1 to ${SOURCES_MAX} of name=source (names of 1 to 32 letters, digits, _ or -; sources as in SOURCE_ENDPOINT), separated by commas,`,
  parse(value) {
    const named = new Map<string, SourceEndpoint>();
    if (value === "") return named; // its default: none
    for (const part of value.split(",").map((item) => item.trim())) {
      if (part === "") continue;
      const match = /^([A-Za-z0-9_-]{1,32})=(.+)$/.exec(part);
      const source = match ? parseSourceEndpoint(match[2]!) : undefined;
      if (source === undefined || named.has(match![1]!)) return undefined;
      named.set(match![1]!, source);
    }
    return named.size >= 1 && named.size <= SOURCES_MAX ? named : undefined;
  },
};
