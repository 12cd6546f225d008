/** A lake's objects in a bucket, whatever the store is: what its kind decides is abstract here. */
import { CodedError } from "../../error.ts";
import type { ListOptions, StoredObject, WritableStorage } from "../lake/lake-storage.ts";
import { type Send, type StoreAnswer, type StoreRequestOptions, StoreRequests } from "../store-request.ts";
import { modifiedUnixMs, OpenObject } from "./open-object.ts";

/** Names a page of a listing; the protocols' own limit. */
const PAGE_NAMES = 1_000;
/** Pages of one listing: a partition has 64,000 files, and a root a partition for each 64,000 ledgers. */
const PAGES_MAX = 1_000;

/** Where a lake lies, as every kind of address says it. */
export interface BucketPlace {
  bucket: string;
  /** Key of the lake's root: empty, or with a slash at its end. */
  prefix: string;
  /** Whether requests go without credentials, as public buckets take them. */
  isUnsigned: boolean;
}

/** What of a bucket's names a page is to hold. */
export interface PageRequest {
  prefix: string;
  /** Names behind the next slash are folded into one. */
  delimiter?: "/";
  /** Only keys behind this one. A store may give it too. */
  after?: string;
  /** From the page before. */
  token?: string;
  namesMax: number;
}

/** Keys of objects and prefixes of folders, and the token of the next page. */
export interface NamesPage {
  keys: string[];
  next: string | undefined;
}

/** Reads objects, asks for them by name, and writes them where there are none. */
export abstract class BucketStorage implements WritableStorage {
  readonly root: string;
  /** Each look is a request that costs money, and a round trip. */
  readonly lookMsMin = 250;
  readonly listsParts = true;
  readonly readAheadFiles = 48;
  private readonly requests: StoreRequests;

  /** @param host of the store, for messages */
  protected constructor(
    scheme: string,
    private readonly at: BucketPlace,
    host: string,
    options: StoreRequestOptions,
  ) {
    this.requests = new StoreRequests(host, options);
    this.root = `${scheme}://${at.bucket}/${at.prefix}`;
  }

  /** Host that requests go to now, for messages. */
  protected abstract readonly host: string;
  /** What to do where the bucket refuses, with and without credentials: ends of sentences. */
  protected abstract readonly remedies: { denied: string; notPublic: string; refused: string };
  /** A request for one object, by its whole key. @param range as the header of that name has it; default: all of it */
  protected abstract object(method: "GET" | "HEAD", key: string, range?: string): Send;
  /** A request that writes an object. @param ifAbsent it is answered with 412 where there is one */
  protected abstract upload(key: string, bytes: Uint8Array, ifAbsent: boolean): Send;
  /** A request for a page of names. */
  protected abstract listing(request: PageRequest): Send;
  /** @throws CodedError UNAVAILABLE / STORE_UNAVAILABLE where the body is no page of names */
  protected abstract pageOf(name: string, body: Uint8Array): NamesPage;
  /** The store's own word for what is wrong, out of an answer's text. */
  protected abstract faultIn(text: string): string | undefined;
  /** Whether the answer says that the bucket is elsewhere, which requests made from now on know. */
  protected abstract hasMoved(answer: StoreAnswer): boolean;

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

  async get(key: string, signal?: AbortSignal): Promise<StoredObject | undefined> {
    const name = this.nameOf(key);
    const answer = await this.answer("GET", key, signal);
    if (answer.status === 200) return new OpenObject(name, answer, () => this.again(key, signal));
    if (answer.status === 404) {
      answer.drop();
      return undefined;
    }
    throw this.refusal(name, answer.status, await answer.bytes());
  }

  /** The whole object, once its first answer has broken off. */
  private async again(key: string, signal?: AbortSignal): Promise<Uint8Array> {
    const name = this.nameOf(key);
    const { status, body } = await this.requests.whole(name, this.object("GET", this.at.prefix + key), signal);
    if (status === 200) return body;
    throw new CodedError("UNAVAILABLE", "STORE_UNAVAILABLE", `${name}: the store answers ${status} now`);
  }

  async getRange(key: string, first: number, length: number, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    if (length === 0) return (await this.has(key)) ? new Uint8Array(0) : undefined;
    const name = this.nameOf(key);
    const send = this.object("GET", this.at.prefix + key, `bytes=${first}-${first + length - 1}`);
    const { status, body } = await this.requests.whole(name, send, signal);
    if (status === 206) return body;
    if (status === 200) return body.subarray(first, first + length); // a store that knows no ranges
    if (status === 416) return new Uint8Array(0);
    if (status === 404) return undefined;
    throw this.refusal(name, status, body);
  }

  putIfAbsent(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<boolean> {
    return this.put(key, this.upload(this.at.prefix + key, bytes, true), signal);
  }

  async replace(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    await this.put(key, this.upload(this.at.prefix + key, bytes, false), signal);
  }

  /** @returns false where the upload was to make the object, and it is there */
  private async put(key: string, upload: Send, signal?: AbortSignal): Promise<boolean> {
    const name = this.nameOf(key);
    const { status, body } = await this.requests.whole(name, upload, signal);
    if (status === 200 || status === 201) return true;
    if (status === 412) return false;
    throw this.refusal(name, status, body);
  }

  async list(folder: string, { after, firstPage = false }: ListOptions = {}): Promise<string[]> {
    const prefix = this.at.prefix + (folder === "" ? "" : `${folder}/`);
    const behind = after === undefined ? undefined : prefix + after;
    const names: string[] = [];
    let token: string | undefined;
    for (let page = 0; page < PAGES_MAX; page++) {
      const request = { prefix, delimiter: "/", after: behind, token, namesMax: PAGE_NAMES } as const;
      const listed = await this.page(this.nameOf(folder), request);
      names.push(
        ...listed.keys.map((key) => key.slice(prefix.length).replace(/\/$/, "")).filter((name) => name !== ""),
      );
      token = listed.next;
      if (token === undefined || firstPage) return names;
    }
    throw new CodedError(
      "RESOURCE_EXHAUSTED",
      "STORE_LISTING",
      `${this.nameOf(folder)}: more than ${PAGES_MAX * PAGE_NAMES} names, over the limit of a listing: name a lake's own folder`,
    );
  }

  async checkRoot(): Promise<void> {
    await this.page(this.root, { prefix: this.at.prefix, namesMax: 1 });
  }

  private async page(name: string, request: PageRequest): Promise<NamesPage> {
    // The lake's manifest was asked for first, so that a bucket that has moved is known to have.
    const { status, body } = await this.requests.whole(name, this.listing(request));
    if (status !== 200) throw this.refusal(name, status, body);
    return this.pageOf(name, body);
  }

  close(): void {
    this.requests.close();
  }

  private async answer(method: "GET" | "HEAD", key: string, signal?: AbortSignal): Promise<StoreAnswer> {
    const name = this.nameOf(key);
    const send = this.object(method, this.at.prefix + key);
    const answer = await (method === "GET"
      ? this.requests.soonest(name, send, signal)
      : this.requests.answer(name, send, signal));
    if (!this.hasMoved(answer)) return answer;
    answer.drop();
    return this.requests.answer(name, this.object(method, this.at.prefix + key), signal);
  }

  /** What an answer means that is neither the object nor its absence. */
  private refusal(name: string, status: number, body: Uint8Array): CodedError {
    const fault = this.faultIn(new TextDecoder().decode(body.subarray(0, 4096)));
    const said = `the store answers ${status}${fault === undefined ? "" : ` ${fault}`}`;
    if (status === 404) {
      const message = `${name}: ${said}: there is no bucket ${this.at.bucket} at ${this.host}`;
      return new CodedError("NOT_FOUND", "BUCKET_NOT_FOUND", message);
    }
    if (status === 401 || status === 403) {
      const remedy = this.at.isUnsigned ? `the bucket is not public: ${this.remedies.notPublic}` : this.remedies.denied;
      return new CodedError("PERMISSION_DENIED", "STORE_DENIED", `${name}: ${said}: ${remedy}`);
    }
    return new CodedError("FAILED_PRECONDITION", "STORE_REFUSED", `${name}: ${said}: ${this.remedies.refused}`);
  }
}
