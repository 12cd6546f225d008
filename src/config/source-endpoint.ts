/** What SOURCE_ENDPOINT may say: where ledgers come from. Only the spelling is looked at here, nothing is opened. */
import { fileURLToPath } from "node:url";
import { type Address, parseAddress } from "./address.ts";

/** Where ledgers come from, as SOURCE_ENDPOINT names it. */
export type SourceEndpoint =
  /** A RawLedgerService. */
  | { kind: "grpc"; address: Address }
  /** A folder in Galexie's layout. */
  | { kind: "lake"; path: string }
  /** A lake in a bucket that speaks S3, as `s3://bucket/prefix?…`; object-store/s3-address.ts reads it. */
  | { kind: "s3"; address: string }
  /** An RPC server's getLedgers. */
  | { kind: "rpc"; url: string }
  /** A lake folder that is read again and again with ledger numbers that go on: for load tests. */
  | { kind: "repeat"; path: string };

/** `s3://bucket`, with a prefix and options behind it. */
const BUCKET_ADDRESS = /^s3:\/\/[a-z0-9][a-z0-9._-]{1,61}[a-z0-9](\/[^?#]*)?(\?[^#]*)?$/;

/** Undefined where the text is none of them. */
export function parseSourceEndpoint(text: string): SourceEndpoint | undefined {
  if (text.startsWith("repeat:")) {
    const path = folderPath(text.slice("repeat:".length));
    return path === undefined ? undefined : { kind: "repeat", path };
  }
  if (text.startsWith("s3://")) return BUCKET_ADDRESS.test(text) ? { kind: "s3", address: text } : undefined;
  if (/^rpc\+https?:/.test(text)) {
    const url = text.slice("rpc+".length);
    return URL.canParse(url) ? { kind: "rpc", url } : undefined;
  }
  const path = folderPath(text);
  if (path !== undefined) return { kind: "lake", path };
  const address = parseAddress(text);
  return address && address.port > 0 ? { kind: "grpc", address } : undefined;
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
