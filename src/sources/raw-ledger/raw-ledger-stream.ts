/** One call of RawLedgerService.StreamRawLedgers, pulled ledger by ledger. */
import { parseAddress } from "../../grpc/address.ts";
import { RawLedger, RawLedgerService } from "../../grpc/generated/raw-ledger-service.ts";
import { ServerStream, type ServerStreamEvent } from "../../grpc/stream-client/server-stream.ts";
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
    const event = await this.#stream.next(stallMsMax);
    if (event.kind !== "message") return event;
    try {
      return { kind: "ledger", ledger: RawLedger.decode(event.bytes), release: event.release };
    } catch (error) {
      return { kind: "garbage", error };
    }
  }

  /** Ends the call and its connection; a waiting `next` gets `closed`. */
  close(): void {
    this.#stream.close();
  }
}
