/**
 * One call of RawLedgerService.StreamRawLedgers, pulled message by message. grpc-js by itself takes up to 16 messages
 * ahead of its reader, whatever their size; here the next one is asked for only while what is queued is within the
 * limits, so that HTTP/2 flow control holds the source back (on Bun by the work-around in http2-client-hold.ts).
 */
import * as grpc from "@grpc/grpc-js";
import { DroppedMemory } from "../../base/dropped-memory.ts";
import { parseAddress } from "../../grpc/address.ts";
import { RawLedger, RawLedgerService } from "../../grpc/generated/raw-ledger-service.ts";
import { methodDefinition } from "../../grpc/service.ts";
import { TlsCredentials } from "../../grpc/tls-credentials.ts";
import { holdClientStreams } from "../../http2/http2-client-hold.ts";
import { LEDGER_BYTES_MAX } from "../limits.ts";
import type { PeerAccess } from "../source-access.ts";

/** A message holds one ledger and a few bytes around it. */
const MESSAGE_BYTES_MAX = LEDGER_BYTES_MAX + (1 << 20);

/** HTTP/2 window: with the 64 KiB default a source reaches half the speed; beyond a few MiB nothing is gained. */
export const FLOW_CONTROL_WINDOW_BYTES = 4 << 20;

/**
 * Bytes queued before no more is asked for: enough to bridge a pause of the reader. Where one more message would go over
 * it, that is asked for only when the reader waits for it: ledgers of tens of MiB stand in memory once and not twice.
 */
export const QUEUE_BYTES_MAX = 16 << 20;

/** Messages queued likewise: bounds what small ledgers cost in objects. */
const QUEUE_LEDGERS_MAX = 256;

/** How a service is connected to. */
export interface RawLedgerAccess extends PeerAccess {
  /** Whether it speaks TLS. */
  isSecure?: boolean;
}

/** What `next` gives: a ledger, or why there are no more. */
type RawLedgerEvent =
  | { kind: "ledger"; ledger: RawLedger }
  /** The message is not a RawLedger. */
  | { kind: "garbage"; error: unknown }
  /** The source ended the stream without an error. */
  | { kind: "ended" }
  | { kind: "failed"; error: grpc.ServiceError; tlsFailure: unknown }
  /** Nothing came for the time given. */
  | { kind: "stalled" }
  /** `close` was called. */
  | { kind: "closed" };

/**
 * The call and its queue, which takes no more beyond about QUEUE_BYTES_MAX or QUEUE_LEDGERS_MAX; a larger message is
 * taken alone. One reader calls `next`, and awaits it before it calls again.
 */
export class RawLedgerStream {
  readonly #client: grpc.Client;
  readonly #call: grpc.ClientReadableStream<Buffer>;
  readonly #queue: Buffer[] = [];
  #queuedBytes = 0;
  /** Bytes of the last message: the next one will be about as large. */
  #lastBytes = 0;
  readonly #dropped = new DroppedMemory();
  #end: RawLedgerEvent | undefined;
  #wake: (() => void) | undefined;
  /** Asks grpc-js for one more message; set while it is held back. */
  #heldRead: (() => void) | undefined;

  /** Connects to `address` (host:port), over a connection of its own, and asks for the ledgers from `ledgerFirst` on. */
  constructor(address: string, ledgerFirst: number, { isSecure, tls, authorization }: RawLedgerAccess = {}) {
    holdClientStreams();
    const credentials = isSecure
      ? new TlsCredentials(parseAddress(address).host, tls)
      : grpc.credentials.createInsecure();
    const metadata = new grpc.Metadata();
    if (authorization !== undefined) metadata.set("authorization", authorization);
    this.#client = new grpc.Client(address, credentials, {
      "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
      "grpc-node.flow_control_window": FLOW_CONTROL_WINDOW_BYTES,
      "grpc.enable_retries": 0, // who reads decides where to go on
      "grpc.use_local_subchannel_pool": 1, // a reader that pauses must not hold back another on the same connection
    });
    const { path, requestSerialize } = methodDefinition(RawLedgerService, RawLedgerService.methods.streamRawLedgers);
    const pace: grpc.Interceptor = (options, nextCall) =>
      new PacedCall(nextCall(options), (read) => {
        this.#heldRead = read;
        this.#readOn();
      });
    this.#call = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      (bytes: Buffer) => bytes, // decoded by `next`, so that a bad message is an error of ours with a name
      { startLedger: ledgerFirst },
      metadata,
      { interceptors: [pace] },
    );
    this.#call.on("data", (bytes: Buffer) => {
      this.#queue.push(bytes);
      this.#queuedBytes += bytes.length;
      this.#lastBytes = bytes.length;
      this.#dropped.add(bytes.length); // the pieces that it came in
      this.#notify();
    });
    this.#call.on("error", (error: grpc.ServiceError) => {
      const tlsFailure = credentials instanceof TlsCredentials ? credentials.failure : undefined;
      this.#finish({ kind: "failed", error, tlsFailure });
    });
    this.#call.on("end", () => this.#finish({ kind: "ended" }));
  }

  /** Bytes that have come and were not taken yet. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** The next ledger, in the order of the stream. What came before the end is handed out first. Never rejects. */
  async next(stallMsMax: number): Promise<RawLedgerEvent> {
    if (this.#queue.length === 0 && this.#end === undefined && !(await this.#wait(stallMsMax))) {
      return { kind: "stalled" };
    }
    const bytes = this.#end?.kind === "closed" ? undefined : this.#queue.shift();
    if (bytes === undefined) return this.#end!;
    this.#queuedBytes -= bytes.length;
    this.#readOn();
    try {
      return { kind: "ledger", ledger: RawLedger.decode(bytes) };
    } catch (error) {
      return { kind: "garbage", error };
    }
  }

  /** Cancels the call and closes its connection; a waiting `next` gets `closed`. */
  close(): void {
    if (this.#end?.kind === "closed") return;
    this.#end = { kind: "closed" };
    this.#queue.length = 0;
    this.#queuedBytes = 0;
    this.#call.cancel();
    this.#client.close();
    this.#notify();
  }

  #readOn(): void {
    const expected = this.#queuedBytes + this.#lastBytes;
    const isWanted = this.#queue.length === 0 && this.#wake !== undefined;
    if (!isWanted && (expected > QUEUE_BYTES_MAX || this.#queue.length >= QUEUE_LEDGERS_MAX)) return;
    const read = this.#heldRead;
    this.#heldRead = undefined;
    read?.();
  }

  /** The first reason counts: after an error grpc-js also ends the stream. */
  #finish(end: RawLedgerEvent): void {
    this.#end ??= end;
    this.#notify();
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  /** False where the time ran out. */
  #wait(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#wake = undefined;
        resolve(false);
      }, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
      this.#readOn();
    });
  }
}

/** Hands every request for a message to `hold` in place of carrying it out. */
class PacedCall extends grpc.InterceptingCall {
  readonly #hold: (read: () => void) => void;

  constructor(next: ConstructorParameters<typeof grpc.InterceptingCall>[0], hold: (read: () => void) => void) {
    super(next);
    this.#hold = hold;
  }

  override startRead(): void {
    this.#hold(() => super.startRead());
  }
}
