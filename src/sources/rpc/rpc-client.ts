/** Calls to a Stellar RPC server (JSON-RPC 2.0 over HTTP), sent again by the rules of every store. */
import { freeBytes } from "../../base/free-bytes.ts";
import { CodedError } from "../../error.ts";
import { headersOf, type PeerAccess, withoutSecret } from "../source-access.ts";
import { type StoreRequestOptions, StoreRequests } from "../store-request.ts";
import { fetchOverTls } from "../tls-fault.ts";

const ANSWER_BYTES_MAX = 256 << 20; // a page of ledgers of the largest size in base64

/** What a server says in place of a result. */
export class RpcError extends CodedError {
  /** @param range the ledgers that it has, where it says so */
  constructor(
    message: string,
    readonly range: { oldest: number; latest: number } | undefined,
  ) {
    super("FAILED_PRECONDITION", "RPC_ANSWER", message);
  }
}

/** One RPC server. */
export class RpcClient {
  private readonly requests: StoreRequests;
  private id = 0;

  /**
   * @param url of the server; a key in its path or query is shown to nobody
   * @param name for messages
   */
  constructor(
    private readonly url: string,
    readonly name: string,
    private readonly options: StoreRequestOptions & PeerAccess = {},
  ) {
    this.requests = new StoreRequests(new URL(url).host, options);
  }

  /**
   * The result of a call.
   * @param signal of whoever waits for it; default: until `close`
   * @throws RpcError for an error of the method; CodedError PERMISSION_DENIED / RPC_ANSWER where the server wants another
   * key, UNAVAILABLE / STORE_UNAVAILABLE, SOURCE_TLS, RPC_ANSWER
   */
  async call(method: string, params: object = {}, signal?: AbortSignal): Promise<unknown> {
    const what = `${this.name}: ${method}`;
    const body = JSON.stringify({ jsonrpc: "2.0", id: ++this.id, method, params });
    const { tls } = this.options;
    const headers = { "content-type": "application/json", ...headersOf(this.options) };
    const send = (given: AbortSignal) =>
      fetchOverTls(this.name, this.url, { method: "POST", headers, body, signal: given, tls }, "SOURCE");
    const answer = await this.requests.whole(what, send, signal);
    if (answer.status === 401 || answer.status === 403) {
      const message = `${what}: the server answers ${answer.status}: check the key in its address, or SOURCE_AUTHORIZATION`;
      throw new CodedError("PERMISSION_DENIED", "RPC_ANSWER", message);
    }
    if (answer.body.length > ANSWER_BYTES_MAX) {
      const message = `${what}: an answer of ${answer.body.length} B, over max ${ANSWER_BYTES_MAX} B`;
      throw new CodedError("UNAVAILABLE", "RPC_ANSWER", message);
    }
    const text = new TextDecoder().decode(answer.body);
    freeBytes(answer.body);
    let said: { result?: unknown; error?: { message?: unknown } } | null;
    try {
      said = JSON.parse(text);
    } catch {
      throw new CodedError("UNAVAILABLE", "RPC_ANSWER", `${what}: the server answers ${answer.status}, and no JSON`);
    }
    if (typeof said?.error?.message === "string") {
      const sentence = withoutSecret(said.error.message, this.options);
      throw new RpcError(`${what}: ${sentence}`, rangeOf(said.error.message));
    }
    if (typeof said !== "object" || said?.result === undefined) {
      throw new CodedError("UNAVAILABLE", "RPC_ANSWER", `${what}: the answer has neither a result nor an error`);
    }
    return said.result;
  }

  /** Ends the calls that have no signal of their own. */
  close(): void {
    this.requests.close();
  }
}

/** The ledgers that a server has, out of its sentence about one that it has not. */
function rangeOf(message: string): RpcError["range"] {
  const match = /oldest ledger: (\d+) and the latest ledger: (\d+)/.exec(message);
  return match === null ? undefined : { oldest: Number(match[1]), latest: Number(match[2]) };
}
