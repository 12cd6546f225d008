/**
 * Memory for inflated ledgers. Rows point into their ledger's bytes until their batch is laid out, so several
 * inflated objects are alive at once; each has a buffer of its own here that is used again afterwards. Nothing is
 * allocated per ledger once the buffers have grown to size.
 */
import { Inflater } from "../sources/inflate.ts";

const BATCH_FILE_FACTOR = 4; // a file of many ledgers may inflate to this many times the limit of one

export class LedgerBuffer {
  private plain = new Uint8Array(0);
  private inflater: Inflater | undefined;
  private inflaterBytesMax = 0;

  /**
   * The object's XDR, valid until the buffer is used again.
   * @param ledgerBytesMax LEDGER_BYTES_MAX
   * @throws CodedError DATA_LOSS, RESOURCE_EXHAUSTED
   */
  fill(
    name: string,
    stored: Uint8Array,
    encoding: "none" | "zstd",
    container: "ledger" | "batch",
    ledgerBytesMax: number,
  ): Uint8Array {
    const bytesMax = container === "batch" ? ledgerBytesMax * BATCH_FILE_FACTOR : ledgerBytesMax;
    if (this.inflater === undefined || this.inflaterBytesMax !== bytesMax) {
      this.inflater?.close();
      this.inflater = new Inflater(bytesMax);
      this.inflaterBytesMax = bytesMax;
    }
    const bytes = this.inflater.inflate(name, stored, encoding);
    if (encoding !== "none") return bytes;
    // the stored bytes lie in the ring, which is to be free again
    if (this.plain.length < bytes.length) this.plain = new Uint8Array(Math.ceil(bytes.length * 1.5));
    this.plain.set(bytes);
    return this.plain.subarray(0, bytes.length);
  }
}

export class LedgerMemory {
  private readonly free: LedgerBuffer[] = [];

  take(): LedgerBuffer {
    return this.free.pop() ?? new LedgerBuffer();
  }

  give(buffers: LedgerBuffer[]): void {
    this.free.push(...buffers.splice(0));
  }
}
