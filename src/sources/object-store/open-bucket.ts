/** Opens a lake in a bucket. */
import { Lake } from "../lake/lake.ts";
import { parseS3Address } from "./s3-address.ts";
import { S3Storage } from "./s3-storage.ts";

/** Whether a text that names ledgers means a bucket. */
export function isBucketAddress(text: string): boolean {
  return text.startsWith("s3://");
}

/**
 * The lake at an `s3://` address; what the address leaves out comes from the environment, as for AWS tools.
 * @throws CodedError INVALID_ARGUMENT / S3_ADDRESS; UNAUTHENTICATED / CREDENTIALS_NOT_FOUND; as Lake.at and S3Storage
 */
export async function openBucketLake(address: string): Promise<Lake> {
  return Lake.at(new S3Storage(parseS3Address(address, process.env)));
}
