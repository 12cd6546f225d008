/**
 * A lake's objects in Google Cloud Storage, or an emulator of it: objects by the XML API, which has an object's time and
 * length in its headers and answers HEAD, and names by the JSON API, as Google's own libraries do.
 */
import { randomUUID } from "node:crypto";
import { CodedError } from "../../error.ts";
import type { Send, StoreRequestOptions } from "../store-request.ts";
import { BucketStorage, type NamesPage, type PageRequest } from "./bucket-storage.ts";
import type { GsAddress } from "./gs-address.ts";
import { GoogleCredentials } from "./gs-credentials.ts";
import { pathOf } from "./open-object.ts";

/** The answer of Objects: list (Cloud Storage JSON API reference), one page. */
interface Page {
  items?: unknown;
  prefixes?: unknown;
  nextPageToken?: unknown;
}

/** Requests by Google's protocols, with a token but for public buckets and emulators. */
export class GsStorage extends BucketStorage {
  protected readonly remedies = {
    denied:
      "grant the credentials roles/storage.objectViewer on the bucket, and check its name; a public bucket takes ?unsigned=true",
    notPublic: "leave unsigned=true and GS_NO_SIGN_REQUEST out, and give credentials",
    refused: "check bucket and endpoint",
  };
  protected readonly host: string;

  /** @param credentials default: Google's application-default credentials */
  constructor(
    private readonly address: GsAddress,
    options: StoreRequestOptions = {},
    private readonly credentials: GoogleCredentials = new GoogleCredentials(),
  ) {
    super("gs", address, new URL(address.endpoint).host, options);
    this.host = new URL(address.endpoint).host;
  }

  protected object(method: "GET" | "HEAD", key: string, range?: string): Send {
    return this.sender(method, `/${this.address.bucket}/${pathOf(key)}`, {
      headers: range === undefined ? {} : { range },
    });
  }

  /** Generation 0 is that of an object which is not there. */
  protected upload(key: string, bytes: Uint8Array, ifAbsent: boolean): Send {
    const boundary = randomUUID(); // which is in no object
    const part = (type: string, content: string) => `--${boundary}\r\ncontent-type: ${type}\r\n\r\n${content}`;
    const about = `${part("application/json", JSON.stringify({ name: key }))}\r\n`;
    const object = bytes as Uint8Array<ArrayBuffer>;
    const body = new Blob([about, part("application/octet-stream", ""), object, `\r\n--${boundary}--\r\n`]);
    const headers = { "content-type": `multipart/related; boundary=${boundary}` };
    const path = `/upload/storage/v1/b/${this.address.bucket}/o?uploadType=multipart${ifAbsent ? "&ifGenerationMatch=0" : ""}`;
    return this.sender("POST", path, { headers, body });
  }

  protected listing({ prefix, delimiter, after, token, namesMax }: PageRequest): Send {
    const fields = "items(name),prefixes,nextPageToken";
    const query = new URLSearchParams({ prefix, maxResults: String(namesMax), fields });
    if (delimiter !== undefined) query.set("delimiter", delimiter);
    if (after !== undefined) query.set("startOffset", after);
    if (token !== undefined) query.set("pageToken", token);
    return this.sender("GET", `/storage/v1/b/${this.address.bucket}/o?${query}`);
  }

  protected pageOf(name: string, body: Uint8Array): NamesPage {
    let page: Page | null = null;
    try {
      page = JSON.parse(new TextDecoder().decode(body));
    } catch {
      // said below
    }
    if (typeof page !== "object" || page === null) {
      throw new CodedError("UNAVAILABLE", "STORE_UNAVAILABLE", `${name}: the store's listing is none`);
    }
    const { items, prefixes, nextPageToken } = page;
    const names = arrayOf(items).map((item) => (item as { name?: unknown } | null)?.name);
    const keys = [...names, ...arrayOf(prefixes)].filter((key) => typeof key === "string");
    return { keys, next: typeof nextPageToken === "string" ? nextPageToken : undefined };
  }

  /** The XML API's code, or the JSON API's sentence. */
  protected faultIn(text: string): string | undefined {
    const code = /<Code>([A-Za-z0-9]{1,64})<\/Code>/.exec(text)?.[1];
    return code ?? /"message"\s*:\s*"([^"\\]{1,200})"/.exec(text)?.[1]?.replace(/\.$/, "");
  }

  protected hasMoved(): boolean {
    return false; // one address for all regions
  }

  private sender(method: string, path: string, { headers, ...init }: Pick<RequestInit, "headers" | "body"> = {}): Send {
    const url = this.address.endpoint + path;
    // As it is stored: Google inflates objects that are marked as gzip for who does not accept it.
    const options = { ...init, method, redirect: "manual", decompress: false } as const;
    const accepts = { ...headers, "accept-encoding": "gzip" };
    if (this.address.isUnsigned) return (signal) => fetch(url, { ...options, headers: accepts, signal });
    return async (signal) => {
      const authorization = await this.credentials.authorization(this.root);
      return fetch(url, { ...options, headers: { ...accepts, authorization }, signal });
    };
  }
}

function arrayOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
