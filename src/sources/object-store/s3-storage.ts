/** A lake's objects in a store that speaks S3: AWS, R2, MinIO, Ceph, SeaweedFS. */
import { AwsV4Signer } from "aws4fetch";
import { CodedError } from "../../error.ts";
import type { LakeStorage, ListOptions, StoredObject } from "../lake/lake-storage.ts";
import { type Send, type StoreAnswer, type StoreRequestOptions, StoreRequests } from "../store-request.ts";
import { awsUrl, type S3Address } from "./s3-address.ts";
import { CachedCredentials } from "./s3-credentials.ts";
import { namesOfPage } from "./s3-listing.ts";

/** Keys a page of a listing; the protocol's own limit. */
const PAGE_KEYS = 1_000;
/** Pages of one listing: a partition has 64,000 files, and a root a partition for each 64,000 ledgers. */
const PAGES_MAX = 1_000;
/** sha256 of what a GET sends: its requests have no body to be signed. */
const UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD";

/** Where requests go at this moment: AWS may name another region. */
interface Place {
  region: string;
  bucketUrl: string;
}

/** Reads objects, and asks for them by name. */
export class S3Storage implements LakeStorage {
  readonly root: string;
  /** Each look is a request that costs money, and a round trip. */
  readonly lookMsMin = 250;
  readonly listsParts = true;
  readonly readAheadFiles = 48;
  private readonly requests: StoreRequests;
  private place: Place;
  /** Keys that signatures are made with: one a day, region and credentials. */
  private readonly keys = new Map<string, ArrayBuffer>();

  /** @param credentials default: as AWS tools find them */
  constructor(
    private readonly address: S3Address,
    options: StoreRequestOptions = {},
    private readonly credentials: CachedCredentials = new CachedCredentials(),
  ) {
    this.requests = new StoreRequests(new URL(address.bucketUrl).host, options);
    this.place = { region: address.region, bucketUrl: address.bucketUrl };
    this.root = `s3://${address.bucket}/${address.prefix}`;
  }

  nameOf(key: string): string {
    return this.root + key;
  }

  async has(key: string): Promise<boolean> {
    return (await this.changedUnixMs(key)) !== undefined;
  }

  async changedUnixMs(key: string): Promise<number | undefined> {
    try {
      const answer = await this.answer("HEAD", key);
      answer.drop();
      return answer.status === 200 ? modifiedUnixMs(answer.headers) : undefined;
    } catch {
      return undefined;
    }
  }

  async get(key: string): Promise<StoredObject | undefined> {
    const name = this.nameOf(key);
    const answer = await this.answer("GET", key);
    if (answer.status === 200) return new OpenObject(name, answer, () => this.again(key));
    if (answer.status === 404) {
      answer.drop();
      return undefined;
    }
    throw this.refusal(name, answer.status, await answer.bytes());
  }

  /** The whole object, once its first answer has broken off. */
  private async again(key: string): Promise<Uint8Array> {
    const { status, body } = await this.requests.whole(this.nameOf(key), this.sender("GET", this.pathOf(key)));
    if (status === 200) return body;
    throw new CodedError("UNAVAILABLE", "STORE_UNAVAILABLE", `${this.nameOf(key)}: the store answers ${status} now`);
  }

  async list(folder: string, { after, firstPage = false }: ListOptions = {}): Promise<string[]> {
    const prefix = this.address.prefix + (folder === "" ? "" : `${folder}/`);
    const names: string[] = [];
    let token: string | undefined;
    for (let page = 0; page < PAGES_MAX; page++) {
      const query = new URLSearchParams({ "list-type": "2", delimiter: "/", "max-keys": String(PAGE_KEYS), prefix });
      if (after !== undefined) query.set("start-after", prefix + after);
      if (token !== undefined) query.set("continuation-token", token);
      const listed = await this.page(this.nameOf(folder), query);
      names.push(
        ...listed.keys.map((key) => key.slice(prefix.length).replace(/\/$/, "")).filter((name) => name !== ""),
      );
      token = listed.next;
      if (token === undefined || firstPage) return names;
    }
    throw new CodedError(
      "RESOURCE_EXHAUSTED",
      "STORE_LISTING",
      `${this.nameOf(folder)}: more than ${PAGES_MAX * PAGE_KEYS} names, over the limit of a listing: name a lake's own folder`,
    );
  }

  async checkRoot(): Promise<void> {
    const query = new URLSearchParams({ "list-type": "2", "max-keys": "1", prefix: this.address.prefix });
    await this.page(this.root, query);
  }

  private async page(name: string, query: URLSearchParams): Promise<{ keys: string[]; next: string | undefined }> {
    // The lake's manifest was asked for first, so the region is right by now.
    const { status, body } = await this.requests.whole(name, this.sender("GET", `?${query}`));
    if (status !== 200) throw this.refusal(name, status, body);
    return namesOfPage(name, new TextDecoder().decode(body));
  }

  private async answer(method: string, key: string): Promise<StoreAnswer> {
    const [name, path] = [this.nameOf(key), this.pathOf(key)];
    const answer = await this.requests.answer(name, this.sender(method, path));
    const region = answer.headers.get("x-amz-bucket-region");
    const moved = [301, 307, 400].includes(answer.status) && region !== null && region !== this.place.region;
    if (!moved || this.place.bucketUrl !== awsUrl(this.address.bucket, this.place.region)) return answer;
    answer.drop();
    this.place = { region, bucketUrl: awsUrl(this.address.bucket, region) };
    return this.requests.answer(name, this.sender(method, path));
  }

  private pathOf(key: string): string {
    return (this.address.prefix + key).split("/").map(encodeURIComponent).join("/");
  }

  /** @param path behind the bucket's address: an object's, or a query about the bucket */
  private sender(method: string, path: string): Send {
    const { region, bucketUrl } = this.place;
    const url = bucketUrl + path;
    // As it is: objects carry their compression in their content.
    const options = { method, redirect: "manual", decompress: false } as const;
    if (this.address.isUnsigned) return (signal) => fetch(url, { ...options, signal });
    return async (signal) => {
      const { headers } = await this.signed(url, method, region);
      return fetch(url, { ...options, headers, signal });
    };
  }

  private async signed(url: string, method: string, region: string): Promise<{ headers: Headers }> {
    const credentials = await this.credentials.get(this.root);
    const headers = { "x-amz-content-sha256": UNSIGNED_PAYLOAD };
    return new AwsV4Signer({ url, method, headers, region, service: "s3", cache: this.keys, ...credentials }).sign();
  }

  /** What an answer means that is neither the object nor its absence. */
  private refusal(name: string, status: number, body: Uint8Array): CodedError {
    const text = new TextDecoder().decode(body.subarray(0, 4096));
    const code = /<Code>([A-Za-z0-9]{1,64})<\/Code>/.exec(text)?.[1] ?? "";
    const said = `the store answers ${status}${code === "" ? "" : ` ${code}`}`;
    if (status === 404) {
      const message = `${name}: ${said}: there is no bucket ${this.address.bucket} at ${new URL(this.place.bucketUrl).host}`;
      return new CodedError("NOT_FOUND", "BUCKET_NOT_FOUND", message);
    }
    if (status === 401 || status === 403) {
      const remedy = this.address.isUnsigned
        ? "the bucket is not public: leave unsigned=true and AWS_NO_SIGN_REQUEST out, and give credentials"
        : "check the credentials, and that they may get and list there; a public bucket takes ?unsigned=true";
      return new CodedError("PERMISSION_DENIED", "STORE_DENIED", `${name}: ${said}: ${remedy}`);
    }
    return new CodedError("FAILED_PRECONDITION", "STORE_REFUSED", `${name}: ${said}: check region and endpoint`);
  }
}

/** An object whose answer's head has come, and whose body has not been read. */
class OpenObject implements StoredObject {
  readonly size: number;
  readonly modifiedUnixMs: number;
  readonly version: string;

  constructor(
    readonly name: string,
    private readonly answer: StoreAnswer,
    private readonly again: () => Promise<Uint8Array>,
  ) {
    this.size = Number(answer.headers.get("content-length") ?? 0);
    this.modifiedUnixMs = modifiedUnixMs(answer.headers);
    this.version = answer.headers.get("etag") ?? String(this.modifiedUnixMs);
  }

  get changedUnixMs(): number {
    return this.modifiedUnixMs;
  }

  async bytes(): Promise<Uint8Array> {
    try {
      return await this.answer.bytes();
    } catch (thrown) {
      if (!(thrown instanceof CodedError) || thrown.reason !== "STORE_UNAVAILABLE") throw thrown;
      return this.again();
    }
  }

  async close(): Promise<void> {
    this.answer.drop();
  }
}

function modifiedUnixMs(headers: Headers): number {
  const time = Date.parse(headers.get("last-modified") ?? "");
  return Number.isNaN(time) ? Date.now() : time;
}
