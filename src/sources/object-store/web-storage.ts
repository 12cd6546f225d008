/**
 * A lake's objects behind a plain web server: no listing, so everything is asked for by name.
 *
 *     200                        the object; a page (text/html) in its place means that there is none
 *     404, 410                   there is none
 *     403 of an object           there is none, if the manifest can be read: so S3 answers to who may not list
 *     301, 302, 303, 307, 308    followed, but not from https to http, and without the password to another host
 *     405, 501 to a HEAD         a GET for the first byte asks instead, from then on
 */
import type { OutgoingTls } from "../../config/tls-files.ts";
import { CodedError } from "../../error.ts";
import { LAKE_MANIFEST_KEY } from "../lake/lake-manifest.ts";
import type { KnownOfLake, LakeStorage, StoredObject } from "../lake/lake-storage.ts";
import { headersOf, type PeerAccess } from "../source-access.ts";
import { type Send, type StoreAnswer, type StoreRequestOptions, StoreRequests } from "../store-request.ts";
import { fetchOverTls } from "../tls-fault.ts";
import { modifiedUnixMs, OpenObject, pathOf } from "./open-object.ts";
import type { WebAddress } from "./web-address.ts";

const REDIRECTS = [301, 302, 303, 307, 308];
const REDIRECTS_MAX = 5; // http to https, another host, a mirror; more is a circle

/** What an object's name stands for. */
type Presence = "there" | "absent" | "denied";

/** Reads objects, and asks for them by name. */
export class WebStorage implements LakeStorage {
  readonly root: string;
  readonly known: KnownOfLake;
  /** Each look is a round trip, and the server is somebody's. */
  readonly lookMsMin = 250;
  readonly listsParts = false;
  readonly readAheadFiles = 48;
  private readonly requests: StoreRequests;
  private hasHead = true;
  private hadManifest = false;

  constructor(
    private readonly address: WebAddress,
    private readonly options: StoreRequestOptions & PeerAccess = {},
  ) {
    this.root = address.root;
    this.known = address.known;
    this.requests = new StoreRequests(new URL(address.root).host, options);
  }

  nameOf(key: string): string {
    return this.root + key;
  }

  /** As every verdict hangs on it here. @throws CodedError where the server does not tell */
  async has(key: string): Promise<boolean> {
    return (await this.changedUnixMs(key)) !== undefined;
  }

  /** @throws CodedError where the server does not tell */
  async changedUnixMs(key: string): Promise<number | undefined> {
    const { presence, headers } = await this.look(key);
    if (presence === "denied") await this.checkRoot();
    return presence === "there" ? modifiedUnixMs(headers) : undefined;
  }

  async get(key: string, signal?: AbortSignal): Promise<StoredObject | undefined> {
    const name = this.nameOf(key);
    const answer = await this.requests.soonest(name, this.sender("GET", key), signal);
    const presence = this.presenceOf(name, answer);
    if (presence !== "there") {
      answer.drop();
      if (presence === "denied") {
        if (key === LAKE_MANIFEST_KEY) throw this.denied();
        await this.checkRoot();
      }
      return undefined;
    }
    try {
      checkHead(name, answer.headers);
    } catch (thrown) {
      answer.drop();
      throw thrown;
    }
    if (key === LAKE_MANIFEST_KEY) this.hadManifest = true;
    return new OpenObject(name, answer, () => this.again(key, signal));
  }

  /** The manifest is what tells that the lake is there, and may be read. */
  async checkRoot(): Promise<void> {
    const { presence } = await this.look(LAKE_MANIFEST_KEY);
    if (presence === "denied") throw this.denied();
    if (presence === "absent" && this.hadManifest) {
      const message = `${this.nameOf(LAKE_MANIFEST_KEY)}: it was there, and is not any more`;
      throw new CodedError("NOT_FOUND", "FILE_NOT_FOUND", message);
    }
  }

  close(): void {
    this.requests.close();
  }

  private denied(): CodedError {
    return new CodedError(
      "PERMISSION_DENIED",
      "STORE_DENIED",
      `${this.root}: the server refuses: check the user and password, or the key, in the address, or SOURCE_AUTHORIZATION`,
    );
  }

  private async look(key: string): Promise<{ presence: Presence; headers: Headers }> {
    const name = this.nameOf(key);
    const answer = await this.requests.answer(name, this.sender("HEAD", key));
    answer.drop();
    return { presence: this.presenceOf(name, answer), headers: answer.headers };
  }

  /** The whole object, once its first answer has broken off. */
  private async again(key: string, signal?: AbortSignal): Promise<Uint8Array> {
    const name = this.nameOf(key);
    const { status, headers, body } = await this.requests.whole(name, this.sender("GET", key), signal);
    if (status === 200 && !isPage(headers)) return body;
    throw new CodedError("UNAVAILABLE", "STORE_UNAVAILABLE", `${name}: the server answers ${status} now`);
  }

  /** @throws CodedError FAILED_PRECONDITION / STORE_REFUSED for an answer that means neither */
  private presenceOf(name: string, { status, headers }: StoreAnswer): Presence {
    if (status === 200 || status === 206) return isPage(headers) ? "absent" : "there";
    if (status === 404 || status === 410 || status === 416) return "absent";
    if (status === 401 || status === 403) return "denied";
    const message = `${name}: the server answers ${status}: check the address`;
    throw new CodedError("FAILED_PRECONDITION", "STORE_REFUSED", message);
  }

  private sender(method: "GET" | "HEAD", key: string): Send {
    const url = this.root + pathOf(key) + this.address.query;
    // As it is: objects carry their compression in their content.
    const headers: Record<string, string> = { "accept-encoding": "identity", ...headersOf(this.options) };
    if (this.address.authorization !== undefined) headers.authorization = this.address.authorization;
    const firstByte = { ...headers, range: "bytes=0-0" };
    const { tls } = this.options;
    return async (signal) => {
      const over = { signal, tls };
      if (method === "GET") return follow(url, "GET", headers, over);
      if (!this.hasHead) return follow(url, "GET", firstByte, over);
      const response = await follow(url, "HEAD", headers, over);
      if (response.status !== 405 && response.status !== 501) return response;
      this.hasHead = false;
      return follow(url, "GET", firstByte, over);
    };
  }
}

/** @throws CodedError FAILED_PRECONDITION / STORE_REFUSED where it is sent from place to place, or from https to http */
async function follow(
  from: string,
  method: string,
  headers: Record<string, string>,
  over: { signal: AbortSignal; tls?: OutgoingTls },
): Promise<Response> {
  let url = new URL(from);
  let sent = headers;
  for (let hops = 0; ; hops++) {
    const shown = `${url.origin}${url.pathname}`;
    const init = { method, headers: sent, redirect: "manual", decompress: false, ...over } as const;
    const response = await fetchOverTls(shown, url.href, init, "SOURCE");
    const location = response.headers.get("location");
    if (!REDIRECTS.includes(response.status) || location === null) return response;
    await response.body?.cancel();
    const next = URL.parse(location, url.href);
    const refused = (what: string) => new CodedError("FAILED_PRECONDITION", "STORE_REFUSED", `${shown}: ${what}`);
    if (next === null || !/^https?:$/.test(next.protocol))
      throw refused("the server sends on to what is no http address");
    if (url.protocol === "https:" && next.protocol === "http:")
      throw refused(
        `the server sends on from https to http, at ${next.host}: name an https address that answers itself`,
      );
    if (hops === REDIRECTS_MAX)
      throw refused(`the server sends on more than ${REDIRECTS_MAX} times: name the address that it ends at`);
    if (next.origin !== url.origin) {
      const { authorization: _, ...rest } = sent;
      sent = rest;
    }
    url = next;
  }
}

/** Servers of applications answer with a page, and 200, for what they do not have. No object of a lake is one. */
function isPage(headers: Headers): boolean {
  return /^\s*(text\/html|application\/xhtml)/i.test(headers.get("content-type") ?? "");
}

/** @throws CodedError FAILED_PRECONDITION / STORE_REFUSED where the object is not sent as it is stored, or without length */
function checkHead(name: string, headers: Headers): void {
  const encoding = headers.get("content-encoding")?.trim().toLowerCase() ?? "identity";
  // `zstd` is what servers say of a file by its name.
  if (!["", "identity", "zstd"].includes(encoding)) {
    const message = `${name}: the server sends it in ${JSON.stringify(encoding)}, though asked not to compress: turn compression off there for .zst and .json`;
    throw new CodedError("FAILED_PRECONDITION", "STORE_REFUSED", message);
  }
  if (!/^\d+$/.test(headers.get("content-length") ?? "")) {
    const message = `${name}: the server does not say how long it is: it must send Content-Length`;
    throw new CodedError("FAILED_PRECONDITION", "STORE_REFUSED", message);
  }
}
