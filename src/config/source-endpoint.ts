/** What SOURCE_ENDPOINT may say: where ledgers come from. Only the spelling is looked at here, nothing is opened. */
import { fileURLToPath } from "node:url";
import { type Address, parseAddress } from "./address.ts";

/** Where ledgers come from, as SOURCE_ENDPOINT names it. */
export type SourceEndpoint =
  | MemberEndpoint
  /** Several of them as one, `lake|tip`: in order of preference. */
  | { kind: "join"; members: readonly MemberEndpoint[] };

/** One place where ledgers are. */
export type MemberEndpoint =
  /** A RawLedgerService, as `host:port`, `grpc://host:port` or, with TLS, `grpcs://host:port`. */
  | { kind: "grpc"; address: Address; tls?: true }
  /** A folder in Galexie's layout. */
  | { kind: "lake"; path: string }
  /** A lake in a bucket or behind a web server: `s3://`, `gs://`, `https://`, `http://`; object-store reads what follows. */
  | { kind: "store"; address: string }
  /** An RPC server's getLedgers. */
  | { kind: "rpc"; url: string }
  /** What core writes to METADATA_OUTPUT_STREAM: a FIFO, a descriptor as `/dev/fd/N`, or a file. */
  | { kind: "meta"; path: string }
  /** The same from a server. */
  | { kind: "meta+tcp"; address: Address }
  /** A lake folder that is read again and again with ledger numbers that go on: for load tests. */
  | { kind: "repeat"; path: string };

/** `s3://bucket` or `gs://bucket`, with a prefix and options behind it. */
const BUCKET_ADDRESS = /^(s3|gs):\/\/[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](\/[^?#]*)?(\?[^#]*)?$/;

const MEMBERS_MAX = 8; // a lake or two and some tips; more is a mistake

/** Undefined where the text is none of them. */
export function parseSourceEndpoint(text: string): SourceEndpoint | undefined {
  if (!text.includes("|")) return parseMember(text);
  const members = text.split("|").map((member) => parseMember(member.trim()));
  const isWhole = (all: typeof members): all is MemberEndpoint[] => !all.includes(undefined);
  return isWhole(members) && members.length <= MEMBERS_MAX ? { kind: "join", members } : undefined;
}

/** The places where a source's ledgers are, in order of preference. */
export function membersOf(endpoint: SourceEndpoint): readonly MemberEndpoint[] {
  return endpoint.kind === "join" ? endpoint.members : [endpoint];
}

function parseMember(text: string): MemberEndpoint | undefined {
  if (text.startsWith("repeat:")) {
    const path = folderPath(text.slice("repeat:".length));
    return path === undefined ? undefined : { kind: "repeat", path };
  }
  if (/^(s3|gs):\/\//.test(text)) return BUCKET_ADDRESS.test(text) ? { kind: "store", address: text } : undefined;
  // What is wrong in it is said where it is opened, without the keys in it.
  if (/^https?:\/\//.test(text)) return { kind: "store", address: text };
  if (text.startsWith("meta:")) {
    const path = streamPath(text.slice("meta:".length));
    return path === undefined ? undefined : { kind: "meta", path };
  }
  if (text.startsWith("meta+tcp://")) {
    const address = parseAddress(text.slice("meta+tcp://".length));
    return address && address.port > 0 ? { kind: "meta+tcp", address } : undefined;
  }
  if (/^rpc\+https?:/.test(text)) {
    const url = text.slice("rpc+".length);
    return URL.canParse(url) ? { kind: "rpc", url } : undefined;
  }
  const path = folderPath(text);
  if (path !== undefined) return { kind: "lake", path };
  const address = parseAddress(text.replace(/^grpcs?:\/\//, ""));
  if (address === undefined || address.port === 0) return undefined;
  return text.startsWith("grpcs://") ? { kind: "grpc", address, tls: true } : { kind: "grpc", address };
}

/** `fd:N` as core writes it, or a path. */
function streamPath(text: string): string | undefined {
  const descriptor = /^fd:(\d{1,9})$/.exec(text)?.[1];
  return descriptor === undefined ? folderPath(text) : `/dev/fd/${Number(descriptor)}`;
}

function folderPath(text: string): string | undefined {
  if (text.startsWith("file:")) {
    try {
      return fileURLToPath(text);
    } catch {
      return undefined;
    }
  }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return undefined;
  return text.includes("/") || text === "." || text === ".." ? text : undefined;
}

/**
 * The text of a source that is not one, as errors may show it: without what may be a key, behind a host or before an `@`.
 */
export function shownSource(text: string): string {
  const withoutLogin = text.replace(/:\/\/[^/|]*@/g, "://…@");
  return JSON.stringify(withoutLogin.replace(/(:\/\/[^/?|]*)[/?][^|]+/g, "$1/…"));
}
