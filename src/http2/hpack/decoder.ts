/** Header blocks of HTTP/2 as lists of headers (RFC 7541). One decoder for each connection: blocks refer to earlier ones. */
import { huffmanDecode } from "./huffman.ts";
import { type Header, STATIC_TABLE } from "./static-table.ts";

/** SETTINGS_HEADER_TABLE_SIZE that peers may count on where nothing else is announced (RFC 9113, section 6.5.2). */
const TABLE_BYTES_MAX = 4096;
/** What a header counts for beside its name and value (RFC 7541, section 4.1). */
const ENTRY_OVERHEAD_BYTES = 32;
const INTEGER_SHIFT_MAX = 21; // four bytes after the prefix: far more than any length or index here

/** All blocks of one connection, in order. */
export class HpackDecoder {
  /** The dynamic table, the newest entry first. */
  readonly #entries: Header[] = [];
  #entriesBytes = 0;
  #tableBytesMax = TABLE_BYTES_MAX;
  #block: Buffer = Buffer.alloc(0);
  #at = 0;

  /** @param listBytesMax of one block's headers, each counted as RFC 9113 counts SETTINGS_MAX_HEADER_LIST_SIZE */
  constructor(readonly listBytesMax: number) {}

  /** @throws RangeError for a block that is wrong, or over the limit; the connection is of no use then */
  decode(block: Buffer): Header[] {
    this.#block = block;
    this.#at = 0;
    const headers: Header[] = [];
    let listBytes = 0;
    while (this.#at < block.length) {
      const header = this.#field(headers.length === 0);
      if (header === undefined) continue;
      listBytes += bytesOf(header);
      if (listBytes > this.listBytesMax) {
        throw new RangeError(`a header block has headers of ${listBytes} B so far, over max ${this.listBytesMax} B`);
      }
      headers.push(header);
    }
    return headers;
  }

  /** One field representation (section 6); undefined where it changes the table's size. */
  #field(isFirst: boolean): Header | undefined {
    const byte = this.#block[this.#at]!;
    if (byte & 0x80) return this.#entry(this.#integer(7));
    if (byte & 0x40) {
      const header = this.#literal(6);
      this.#insert(header);
      return header;
    }
    if ((byte & 0x20) === 0) return this.#literal(4); // without indexing, or never indexed
    const size = this.#integer(5);
    if (!isFirst || size > TABLE_BYTES_MAX) {
      throw new RangeError(
        `a header block sets the table to ${size} B: max ${TABLE_BYTES_MAX} B, and before its headers`,
      );
    }
    this.#tableBytesMax = size;
    this.#evict(0);
    return undefined;
  }

  #literal(prefixBits: number): Header {
    const index = this.#integer(prefixBits);
    const name = index === 0 ? this.#string() : this.#entry(index)[0];
    return [name, this.#string()];
  }

  #entry(index: number): Header {
    const header =
      index <= STATIC_TABLE.length ? STATIC_TABLE[index - 1] : this.#entries[index - STATIC_TABLE.length - 1];
    if (header === undefined) throw new RangeError(`a header block names entry ${index}, which is in no table`);
    return header;
  }

  #insert(header: Header): void {
    const bytes = bytesOf(header);
    this.#evict(bytes);
    if (bytes > this.#tableBytesMax) return; // such a one only empties the table (section 4.4)
    this.#entries.unshift(header);
    this.#entriesBytes += bytes;
  }

  /** Makes room for so many bytes. */
  #evict(bytes: number): void {
    while (this.#entries.length > 0 && this.#entriesBytes + bytes > this.#tableBytesMax) {
      this.#entriesBytes -= bytesOf(this.#entries.pop()!);
    }
  }

  /** Section 5.1. */
  #integer(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = this.#byte() & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= INTEGER_SHIFT_MAX; shift += 7) {
      const byte = this.#byte();
      value += (byte & 0x7f) << shift;
      if ((byte & 0x80) === 0) return value;
    }
    throw new RangeError("a header block has an integer that is too large");
  }

  /** Section 5.2. */
  #string(): string {
    const isHuffman = ((this.#block[this.#at] ?? 0) & 0x80) !== 0;
    const from = this.#at;
    const length = this.#integer(7);
    const bytes = this.#block.subarray(this.#at, this.#at + length);
    if (bytes.length < length) throw new RangeError(`a header block ends inside the string at ${from}`);
    this.#at += length;
    return isHuffman ? huffmanDecode(bytes) : bytes.toString("latin1");
  }

  #byte(): number {
    const byte = this.#block[this.#at++];
    if (byte === undefined) throw new RangeError("a header block ends inside a header");
    return byte;
  }
}

function bytesOf([name, value]: Header): number {
  return name.length + value.length + ENTRY_OVERHEAD_BYTES;
}
