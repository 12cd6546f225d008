/**
 * Memory for ledgers of one worker. Rows point into their ledger's bytes until their batch is laid out, so several
 * ledgers are alive at once; each has a buffer of its own here that is used again afterwards. One inflater serves all
 * of them. Nothing is allocated per ledger once the buffers have grown to size.
 */
import { DroppedMemory } from "../base/dropped-memory.ts";
import { InflateBuffer, Inflater } from "../sources/file/inflate.ts";

const BATCH_FILE_FACTOR = 4; // a file of many ledgers may inflate to this many times the limit of one

/** Holds one object's bytes. */
export class LedgerBuffer {
  readonly inflated = new InflateBuffer();
  plain = new Uint8Array(0);
  /** Memory that it occupies. */
  bytes = 0;
  /** What it holds: so many bytes of XDR, up to that ledger. */
  xdrBytes = 0;
  ledgerLast = 0;
}

/** Buffers for inflated ledgers, used again once no row refers to them. */
export class LedgerMemory {
  private readonly free: LedgerBuffer[] = [];
  private freeBytes = 0;
  private readonly dropped = new DroppedMemory();
  private inflater: Inflater | undefined;

  /** @param freeBytesMax memory kept to be used again */
  constructor(private readonly freeBytesMax: number) {}

  /**
   * The object's inflated bytes, in a buffer that is added to `held`; valid until it is given back.
   * @param ledgerBytesMax LEDGER_BYTES_MAX
   * @throws CodedError DATA_LOSS, RESOURCE_EXHAUSTED
   */
  inflate(
    held: LedgerBuffer[],
    name: string,
    stored: Uint8Array,
    container: "ledger" | "batch",
    ledgerBytesMax: number,
  ): Uint8Array {
    const bytesMax = container === "batch" ? ledgerBytesMax * BATCH_FILE_FACTOR : ledgerBytesMax;
    this.inflater ??= new Inflater(ledgerBytesMax);
    const buffer = this.take(held);
    const bytes = this.inflater.inflate(name, stored, "zstd", buffer.inflated, bytesMax);
    buffer.bytes = bytes.buffer.byteLength + buffer.plain.length;
    return bytes;
  }

  /** A copy of `bytes`, in a buffer that is added to `held`. */
  copy(held: LedgerBuffer[], bytes: Uint8Array): Uint8Array {
    const buffer = this.take(held);
    if (buffer.plain.length < bytes.length) {
      buffer.bytes -= buffer.plain.length;
      buffer.plain = new Uint8Array(Math.ceil(bytes.length * 1.5));
      buffer.bytes += buffer.plain.length;
    }
    buffer.plain.set(bytes);
    return buffer.plain.subarray(0, bytes.length);
  }

  /** Takes buffers back, to use them again as far as they are worth keeping. */
  give(held: LedgerBuffer[]): void {
    for (const buffer of held.splice(0)) {
      if (this.freeBytes + buffer.bytes > this.freeBytesMax) {
        this.dropped.addNow(buffer.bytes);
        continue;
      }
      this.free.push(buffer);
      this.freeBytes += buffer.bytes;
    }
  }

  /** Lets go of what is free, and of the inflater; for a worker that has had nothing to do for a while. */
  trim(): void {
    this.free.length = 0;
    this.freeBytes = 0;
    this.inflater?.close();
    this.inflater = undefined;
  }

  private take(held: LedgerBuffer[]): LedgerBuffer {
    const buffer = this.free.pop() ?? new LedgerBuffer();
    this.freeBytes -= buffer.bytes;
    held.push(buffer);
    return buffer;
  }
}
