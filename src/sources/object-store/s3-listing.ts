/** The answer of ListObjectsV2 (Amazon S3 API reference), one page. */
import { XMLParser } from "fast-xml-parser";
import { CodedError } from "../../error.ts";
import type { NamesPage } from "./bucket-storage.ts";

const parser = new XMLParser({
  parseTagValue: false,
  htmlEntities: true, // also those by number, as in &#39;
  isArray: (name) => ["Contents", "CommonPrefixes"].includes(name),
});

interface Page {
  ListBucketResult?: {
    IsTruncated?: string;
    NextContinuationToken?: string;
    Contents?: { Key?: string }[];
    CommonPrefixes?: { Prefix?: string }[];
  };
}

/**
 * Keys of objects and prefixes of folders on a page, and the token of the next page.
 * @param name of what is listed, for messages
 * @throws CodedError UNAVAILABLE / STORE_UNAVAILABLE where the text is no such answer
 */
export function namesOfPage(name: string, text: string): NamesPage {
  let result: Page["ListBucketResult"] | undefined;
  try {
    result = (parser.parse(text) as Page).ListBucketResult;
  } catch {
    // said below
  }
  if (result === undefined || typeof result !== "object") {
    throw new CodedError("UNAVAILABLE", "STORE_UNAVAILABLE", `${name}: the store's listing is none`);
  }
  const { Contents = [], CommonPrefixes = [], IsTruncated, NextContinuationToken } = result;
  const keys = [...Contents.map(({ Key }) => Key), ...CommonPrefixes.map(({ Prefix }) => Prefix)];
  return {
    keys: keys.filter((key) => typeof key === "string"),
    next: IsTruncated === "true" ? NextContinuationToken : undefined,
  };
}
