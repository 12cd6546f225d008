/**
 * Where a lake in an S3 bucket is: `s3://bucket/prefix`, with `?region=`, `?endpoint=` and `?unsigned=true`, and beside
 * them the environment that AWS tools read. Nothing is opened here.
 */
import { CodedError } from "../../error.ts";
import type { BucketPlace } from "./bucket-storage.ts";

const REGION_DEFAULT = "us-east-1";
const BUCKET = /^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/;
const KNOWN = ["region", "endpoint", "unsigned"];

/** A lake's place in a store that speaks S3. */
export interface S3Address extends BucketPlace {
  region: string;
  /** Address of the bucket: requests append a key to it. Ends with a slash. */
  bucketUrl: string;
}

/** Credentials that somebody has put in front of the bucket: no message shows them. */
const LOGIN = /\/\/[^/]*@/;

/**
 * Reads an `s3://` address.
 * @param env AWS_REGION, AWS_DEFAULT_REGION, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_NO_SIGN_REQUEST
 * @throws CodedError INVALID_ARGUMENT / S3_ADDRESS with what is wrong in it
 */
export function parseS3Address(text: string, env: Readonly<Record<string, string | undefined>>): S3Address {
  const wrong = (what: string) =>
    new CodedError(
      "INVALID_ARGUMENT",
      "S3_ADDRESS",
      `${text.replace(LOGIN, "//…@")}: ${what}: write s3://bucket/prefix, with ?region=…, ?endpoint=https://… and ?unsigned=true as needed`,
    );
  const match = /^s3:\/\/([^/?#]*)\/?([^?#]*)(?:\?([^#]*))?$/.exec(text);
  if (match === null) throw wrong("it is no s3:// address");
  const [, bucket, path, query] = match as unknown as [string, string, string, string | undefined]; // the groups always match
  if (bucket.includes("@")) throw wrong("credentials never stand in the address: give them in the environment");
  if (!BUCKET.test(bucket)) throw wrong(`${JSON.stringify(bucket)} is no bucket's name`);
  const options = new URLSearchParams(query ?? "");
  for (const name of options.keys()) {
    if (!KNOWN.includes(name)) throw wrong(`it has ${JSON.stringify(name)}, and only ${KNOWN.join(", ")} are known`);
  }
  const unsigned = options.get("unsigned") ?? env.AWS_NO_SIGN_REQUEST ?? "";
  if (!["", "true", "false"].includes(unsigned.toLowerCase())) throw wrong(`unsigned is ${JSON.stringify(unsigned)}`);
  const region = options.get("region") ?? env.AWS_REGION ?? env.AWS_DEFAULT_REGION ?? REGION_DEFAULT;
  if (!/^[a-z0-9-]+$/.test(region)) throw wrong(`${JSON.stringify(region)} is no region`);
  const endpoint = options.get("endpoint") ?? env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL;
  const prefix = path.replace(/\/+$/, "");
  return {
    bucket,
    prefix: prefix === "" ? "" : `${prefix}/`,
    region,
    bucketUrl: endpoint === undefined ? awsUrl(bucket, region) : endpointUrl(endpoint, bucket, wrong),
    isUnsigned: unsigned.toLowerCase() === "true",
  };
}

/** AWS names a bucket in the host; one with dots does not fit its certificate, and stands in the path. */
export function awsUrl(bucket: string, region: string): string {
  const host = `s3.${region}.amazonaws.com`;
  return bucket.includes(".") ? `https://${host}/${bucket}/` : `https://${bucket}.${host}/`;
}

/** Other stores have the bucket in the path: that works without a name of its own for each. */
function endpointUrl(endpoint: string, bucket: string, wrong: (what: string) => CodedError): string {
  let url: URL;
  try {
    url = new URL(endpoint);
  } catch {
    throw wrong(`the endpoint ${JSON.stringify(endpoint)} is no URL`);
  }
  if (url.protocol !== "https:" && url.protocol !== "http:")
    throw wrong(`the endpoint is ${url.protocol}, not http(s)`);
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}/${bucket}/`;
}
