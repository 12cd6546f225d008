/** A meta stream from a server: we connect. The server holds core's pipe, and sends on what comes out of it. */
import { connect, type Socket } from "node:net";
import { settlesWithin } from "../../base/settles-within.ts";
import { type Address, formatAddress } from "../../config/address.ts";
import { CodedError } from "../../error.ts";
import type { MetaBytes, MetaFeed } from "./meta-feed.ts";

const CONNECT_MS_MAX = 10_000; // the system itself takes minutes where nothing answers

/** Without a byte for this long the connection is taken for dead: the network closes a ledger every 5 to 6 seconds. */
const STALL_MS_MAX = 60_000;

/** Each attach is a connection. */
export class TcpFeed implements MetaFeed {
  readonly name: string;

  /** @param stallMsMax for tests */
  constructor(
    private readonly address: Address,
    private readonly stallMsMax = STALL_MS_MAX,
  ) {
    this.name = formatAddress(address);
  }

  /** @throws CodedError UNAVAILABLE / SOURCE_UNAVAILABLE */
  async attach(signal: AbortSignal): Promise<MetaBytes> {
    const socket = connect(this.address);
    const connected = Promise.withResolvers<void>();
    const abort = () => socket.destroy();
    socket.once("connect", connected.resolve);
    socket.on("error", connected.reject);
    socket.once("close", () => {
      signal.removeEventListener("abort", abort);
      connected.reject(new Error("the connection is closed"));
    });
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
    try {
      if (!(await settlesWithin(connected.promise, CONNECT_MS_MAX))) {
        throw new Error(`no connection within ${CONNECT_MS_MAX} ms`);
      }
      await connected.promise;
    } catch (thrown) {
      socket.destroy();
      throw this.unavailable(thrown);
    }
    return new TcpBytes(socket, this.stallMsMax, signal, (thrown) => this.unavailable(thrown));
  }

  close(): void {}

  private unavailable(thrown: unknown): CodedError {
    const detail = thrown instanceof Error ? thrown.message : String(thrown);
    return new CodedError("UNAVAILABLE", "SOURCE_UNAVAILABLE", `meta stream ${this.name}: ${detail}`, {
      cause: thrown,
    });
  }
}

class TcpBytes implements MetaBytes {
  private readonly chunks: AsyncIterator<Uint8Array>;

  constructor(
    private readonly socket: Socket,
    private readonly stallMsMax: number,
    private readonly signal: AbortSignal,
    private readonly unavailable: (thrown: unknown) => CodedError,
  ) {
    this.chunks = socket[Symbol.asyncIterator]();
  }

  async next(): Promise<Uint8Array | undefined> {
    const next = this.chunks.next();
    try {
      if (!(await settlesWithin(next, this.stallMsMax))) throw new Error(`nothing came for ${this.stallMsMax} ms`);
      const { value, done } = await next;
      return done ? undefined : value;
    } catch (thrown) {
      next.catch(() => {}); // closing ends it with an error of its own
      this.close();
      if (this.signal.aborted) return undefined;
      throw this.unavailable(thrown);
    }
  }

  close(): void {
    this.socket.destroy();
  }
}
