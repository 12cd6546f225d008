/** One call of RawLedgerService.StreamRawLedgers, pulled ledger by ledger. */
import protobuf from "protobufjs/minimal.js";
import { parseAddress } from "../../grpc/address.ts";
import { RawLedger, RawLedgerService } from "../../grpc/generated/raw-ledger-service.ts";
import { ServerStream, type ServerStreamEvent } from "../../grpc/stream-client/server-stream.ts";
import { BrieflyAwaited } from "../coming-bytes.ts";
import { LEDGER_BYTES_MAX } from "../limits.ts";
import type { PeerAccess } from "../source-access.ts";

/** A message holds one ledger and a few bytes around it. */
const MESSAGE_BYTES_MAX = LEDGER_BYTES_MAX + (1 << 20);

/** How a service is connected to. */
export interface RawLedgerAccess extends PeerAccess {
  /** Whether it speaks TLS. */
  isSecure?: boolean;
}

/** What `next` gives: a ledger, or why there are no more. */
export type RawLedgerEvent =
  /** `release` gives the memory of its bytes back; nobody may use them afterwards. */
  | { kind: "ledger"; ledger: RawLedger; release: () => void }
  /** The message is not a RawLedger. */
  | { kind: "garbage"; error: unknown }
  | Exclude<ServerStreamEvent, { kind: "message" }>;

/** A large ledger, as far as it has come; `whole` gives it whole, in the same memory. */
interface ComingLedger {
  kind: "coming";
  ledger: RawLedger;
  coming: BrieflyAwaited;
}

/** One reader calls `next`, and awaits it before it calls again. */
export class RawLedgerStream {
  readonly #stream: ServerStream;

  /** Connects to `address` (host:port), over a connection of its own, and asks for the ledgers from `ledgerFirst` on. */
  constructor(address: string, ledgerFirst: number, { isSecure, tls, authorization }: RawLedgerAccess = {}) {
    const method = RawLedgerService.methods.streamRawLedgers;
    this.#stream = new ServerStream({
      address: parseAddress(address),
      tls: isSecure ? (tls ?? {}) : undefined,
      authorization,
      path: `/${RawLedgerService.typeName}/${method.name}`,
      request: method.request.encode({ startLedger: ledgerFirst }),
      messageBytesMax: MESSAGE_BYTES_MAX,
    });
  }

  /** Bytes that have come and were not taken yet. */
  get queuedBytes(): number {
    return this.#stream.queuedBytes;
  }

  /** The next ledger, in the order of the stream. What came before the end is handed out first. Never rejects. */
  async next(stallMsMax: number): Promise<RawLedgerEvent> {
    return this.#ledgerOf(await this.#stream.next(stallMsMax));
  }

  /** As `next`, but a ledger of that size or above is told of as soon as it begins. */
  async nextOrComing(stallMsMax: number, comingBytesMin: number): Promise<RawLedgerEvent | ComingLedger> {
    const event = await this.#stream.nextOrComing(stallMsMax, comingBytesMin);
    if (event.kind !== "coming") return this.#ledgerOf(event);
    return this.#coming(event.bytes) ?? this.next(stallMsMax);
  }

  /** The ledger that comes, as `next`; stalled where nothing of it has come for that long. */
  async whole({ coming }: ComingLedger, stallMsMax: number): Promise<RawLedgerEvent> {
    for (;;) {
      const filled = coming.filled();
      const event = await this.next(stallMsMax);
      if (event.kind !== "stalled" || coming.filled() === filled) return event;
    }
  }

  #ledgerOf(event: ServerStreamEvent): RawLedgerEvent {
    if (event.kind !== "message") return event;
    try {
      return { kind: "ledger", ledger: RawLedger.decode(event.bytes), release: event.release };
    } catch (error) {
      return { kind: "garbage", error };
    }
  }

  #coming(message: Uint8Array): ComingLedger | undefined {
    const ledger = beginningOf(message);
    if (ledger === undefined) return undefined;
    const from = message.length - ledger.ledgerCloseMetaXdr.length;
    const coming = new BrieflyAwaited({
      filled: () => Math.max(0, this.#stream.filled(message) - from),
      until: (bytes, msMax) => this.#stream.until(message, from + bytes, msMax),
    });
    return { kind: "coming", ledger, coming };
  }

  /** Ends the call and its connection; a waiting `next` gets `closed`. */
  close(): void {
    this.#stream.close();
  }
}

const SEQUENCE_TAG = 0x08; // field 1, varint
const XDR_TAG = 0x12; // field 2, bytes

/** A RawLedger of whose message the first bytes are there; undefined where it is not written in the usual way: both fields, in their order. */
function beginningOf(message: Uint8Array): RawLedger | undefined {
  try {
    const reader = protobuf.Reader.create(message);
    if (reader.uint32() !== SEQUENCE_TAG) return undefined;
    const sequence = reader.uint32();
    if (reader.uint32() !== XDR_TAG) return undefined;
    const bytes = reader.uint32();
    if (reader.pos + bytes !== message.length) return undefined;
    return { sequence, ledgerCloseMetaXdr: message.subarray(reader.pos) };
  } catch {
    return undefined; // why, is told once it is whole
  }
}
