/** Opens a lake in a bucket or behind a web server. */
import { Lake } from "../lake/lake.ts";
import type { LakeStorage, WritableStorage } from "../lake/lake-storage.ts";
import type { SourceAccess } from "../source-access.ts";
import { parseGsAddress } from "./gs-address.ts";
import { GsStorage } from "./gs-storage.ts";
import { parseS3Address } from "./s3-address.ts";
import { S3Storage } from "./s3-storage.ts";
import { parseWebAddress } from "./web-address.ts";
import { WebStorage } from "./web-storage.ts";

/** Whether a text that names ledgers means a bucket or a web server. */
export function isStoreAddress(text: string): boolean {
  return /^(s3|gs|https?):\/\//.test(text);
}

/**
 * The lake at an `s3://`, `gs://`, `https://` or `http://` address; what the address leaves out comes from the environment,
 * as for the stores' own tools.
 * @throws CodedError INVALID_ARGUMENT / S3_ADDRESS, GS_ADDRESS, WEB_ADDRESS; UNAUTHENTICATED / CREDENTIALS_NOT_FOUND; as
 * Lake.at and the storages
 */
export async function openStoreLake(address: string, access: SourceAccess): Promise<Lake> {
  return Lake.at(storageAt(address, access));
}

/** Whether a text means a bucket, which can be written to. */
export function isBucketAddress(text: string): boolean {
  return /^(s3|gs):\/\//.test(text);
}

/** A place in a bucket, at an `s3://` or `gs://` address. @throws CodedError as openStoreLake, but for Lake.at */
export function openBucket(address: string, { s3 }: Pick<SourceAccess, "s3">): WritableStorage {
  if (address.startsWith("s3:")) return new S3Storage(parseS3Address(address, process.env), { tls: s3 });
  return new GsStorage(parseGsAddress(address, process.env));
}

function storageAt(address: string, access: SourceAccess): LakeStorage {
  return isBucketAddress(address) ? openBucket(address, access) : new WebStorage(parseWebAddress(address), access.peer);
}
