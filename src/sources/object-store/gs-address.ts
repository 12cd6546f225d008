/**
 * Where a lake in a bucket of Google Cloud Storage is: `gs://bucket/prefix`, with `?endpoint=` and `?unsigned=true`, and
 * beside them the environment. Nothing is opened here.
 */
import { CodedError } from "../../error.ts";
import type { BucketPlace } from "./bucket-storage.ts";

const ENDPOINT_DEFAULT = "https://storage.googleapis.com";
const BUCKET = /^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/; // names with dots are longer than others
const KNOWN = ["endpoint", "unsigned"];

/** A lake's place in Google Cloud Storage. */
export interface GsAddress extends BucketPlace {
  /** `https://storage.googleapis.com`: origin, and a path where the endpoint has one; no slash at its end. */
  endpoint: string;
}

/**
 * Reads a `gs://` address.
 * @param env STORAGE_EMULATOR_HOST, as Google's libraries have it: host:port or a URL, asked without credentials;
 * GS_NO_SIGN_REQUEST
 * @throws CodedError INVALID_ARGUMENT / GS_ADDRESS with what is wrong in it
 */
export function parseGsAddress(text: string, env: Readonly<Record<string, string | undefined>>): GsAddress {
  const wrong = (what: string) =>
    new CodedError(
      "INVALID_ARGUMENT",
      "GS_ADDRESS",
      `${text}: ${what}: write gs://bucket/prefix, with ?unsigned=true and ?endpoint=https://… as needed`,
    );
  const match = /^gs:\/\/([^/?#]*)\/?([^?#]*)(?:\?([^#]*))?$/.exec(text);
  if (match === null) throw wrong("it is no gs:// address");
  const [, bucket, path, query] = match as unknown as [string, string, string, string | undefined]; // the groups always match
  if (!BUCKET.test(bucket)) throw wrong(`${JSON.stringify(bucket)} is no bucket's name`);
  const options = new URLSearchParams(query ?? "");
  for (const name of options.keys()) {
    if (!KNOWN.includes(name)) throw wrong(`it has ${JSON.stringify(name)}, and only ${KNOWN.join(", ")} are known`);
  }
  const emulator = options.has("endpoint") ? undefined : env.STORAGE_EMULATOR_HOST || undefined;
  const unsigned = options.get("unsigned") ?? env.GS_NO_SIGN_REQUEST ?? "";
  if (!["", "true", "false"].includes(unsigned.toLowerCase())) throw wrong(`unsigned is ${JSON.stringify(unsigned)}`);
  const prefix = path.replace(/\/+$/, "");
  return {
    bucket,
    prefix: prefix === "" ? "" : `${prefix}/`,
    endpoint: endpointOf(options.get("endpoint") ?? emulator ?? ENDPOINT_DEFAULT, wrong),
    isUnsigned: unsigned.toLowerCase() === "true" || emulator !== undefined,
  };
}

function endpointOf(text: string, wrong: (what: string) => CodedError): string {
  const url = URL.parse(/^https?:\/\//.test(text) ? text : `http://${text}`); // an emulator's host has no scheme
  if (url === null) throw wrong(`the endpoint ${JSON.stringify(text)} is no URL`);
  return url.origin + url.pathname.replace(/\/+$/, "");
}
