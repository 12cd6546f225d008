/** A lake's objects in a store that speaks S3: AWS, R2, MinIO, Ceph, SeaweedFS. */
import { AwsV4Signer } from "aws4fetch";
import type { OutgoingTls } from "../../config/tls-files.ts";
import type { Send, StoreAnswer, StoreRequestOptions } from "../store-request.ts";
import { fetchOverTls } from "../tls-fault.ts";
import { BucketStorage, type NamesPage, type PageRequest } from "./bucket-storage.ts";
import { pathOf } from "./open-object.ts";
import { awsUrl, type S3Address } from "./s3-address.ts";
import { CachedCredentials } from "./s3-credentials.ts";
import { namesOfPage } from "./s3-listing.ts";

/** In place of a body's sha256: few requests have one, and TLS guards those. */
const UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD";

/** How long a signed address holds: as far as clocks may differ, which is what a signed header bears too. */
const VALID_SECONDS = 900;

/** Answers are taken as they are: objects carry their compression in their content. */
const AS_IT_IS = { redirect: "manual", decompress: false } as const;

/** Where requests go at this moment: AWS may name another region. */
interface Place {
  region: string;
  bucketUrl: string;
}

/** Requests by the S3 protocol, signed but for public buckets. */
export class S3Storage extends BucketStorage {
  protected readonly remedies = {
    denied: "check the credentials, and that they may get and list there; a public bucket takes ?unsigned=true",
    notPublic: "leave unsigned=true and AWS_NO_SIGN_REQUEST out, and give credentials",
    refused: "check region and endpoint",
  };
  private place: Place;
  /** Keys that signatures are made with: one a day, region and credentials. */
  private readonly keys = new Map<string, ArrayBuffer>();

  /** @param credentials default: as AWS tools find them */
  constructor(
    private readonly address: S3Address,
    private readonly options: StoreRequestOptions & { tls?: OutgoingTls } = {},
    private readonly credentials: CachedCredentials = new CachedCredentials(),
  ) {
    super("s3", address, new URL(address.bucketUrl).host, options);
    this.place = { region: address.region, bucketUrl: address.bucketUrl };
  }

  protected get host(): string {
    return new URL(this.place.bucketUrl).host;
  }

  /** Signed in the address, which costs a seventh of the CPU that signed headers do. */
  protected object(method: "GET" | "HEAD", key: string, range?: string): Send {
    const headers: Record<string, string> = range === undefined ? {} : { range };
    if (this.address.isUnsigned) return this.sender(method, pathOf(key), headers);
    const { region, bucketUrl: endpoint } = this.place;
    return async (signal) => {
      const { accessKeyId, secretAccessKey, sessionToken } = await this.credentials.get(this.root);
      const place = { region, endpoint, virtualHostedStyle: true }; // the endpoint has the bucket in it
      const signing = { accessKeyId, secretAccessKey, sessionToken, method, expiresIn: VALID_SECONDS } as const;
      const url = Bun.S3Client.presign(key, { ...place, ...signing });
      return this.fetch(url, { method, headers, ...AS_IT_IS, signal });
    };
  }

  protected upload(key: string, bytes: Uint8Array, ifAbsent: boolean): Send {
    return this.sender("PUT", pathOf(key), ifAbsent ? { "if-none-match": "*" } : {}, bytes);
  }

  protected listing({ prefix, delimiter, after, token, namesMax }: PageRequest): Send {
    const query = new URLSearchParams({ "list-type": "2", "max-keys": String(namesMax), prefix });
    if (delimiter !== undefined) query.set("delimiter", delimiter);
    if (after !== undefined) query.set("start-after", after);
    if (token !== undefined) query.set("continuation-token", token);
    return this.sender("GET", `?${query}`);
  }

  protected pageOf(name: string, body: Uint8Array): NamesPage {
    return namesOfPage(name, new TextDecoder().decode(body));
  }

  protected faultIn(text: string): string | undefined {
    return /<Code>([A-Za-z0-9]{1,64})<\/Code>/.exec(text)?.[1];
  }

  protected hasMoved({ status, headers }: StoreAnswer): boolean {
    const region = headers.get("x-amz-bucket-region");
    if (![301, 307, 400].includes(status) || region === null || region === this.place.region) return false;
    if (this.place.bucketUrl !== awsUrl(this.address.bucket, this.place.region)) return false;
    this.place = { region, bucketUrl: awsUrl(this.address.bucket, region) };
    return true;
  }

  /** @param path behind the bucket's address: an object's, or a query about the bucket */
  private sender(method: string, path: string, headers: Record<string, string> = {}, body?: Uint8Array): Send {
    const { region, bucketUrl } = this.place;
    const url = bucketUrl + path;
    const options = { method, body: body as Uint8Array<ArrayBuffer> | undefined, ...AS_IT_IS };
    if (this.address.isUnsigned) return (signal) => this.fetch(url, { ...options, headers, signal });
    return async (signal) => {
      const signed = await this.signed(url, method, region, headers);
      return this.fetch(url, { ...options, headers: signed.headers, signal });
    };
  }

  private fetch(url: string, init: BunFetchRequestInit): Promise<Response> {
    return fetchOverTls(this.root, url, { ...init, tls: this.options.tls }, "S3");
  }

  private async signed(
    url: string,
    method: string,
    region: string,
    more: Record<string, string>,
  ): Promise<{ headers: Headers }> {
    const credentials = await this.credentials.get(this.root);
    const headers = { ...more, "x-amz-content-sha256": UNSIGNED_PAYLOAD };
    return new AwsV4Signer({ url, method, headers, region, service: "s3", cache: this.keys, ...credentials }).sign();
  }
}
