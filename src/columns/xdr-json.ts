/**
 * ScVals as XDR-JSON (SEP-51), written byte by byte as the Rust implementation writes them: no spaces, fields in the
 * order of their XDR, 64-bit and wider numbers as decimal text, bytes as hex, strings with what is not printable ASCII
 * escaped, addresses as strkeys, names in snake case without the enum's prefix. HOT PATH.
 *
 * What the walkers do not validate is written as it can be: a bool over 1 as true, an unknown error code as its number.
 */
import { ADDRESS_CLAIMABLE_BALANCE, ADDRESS_MUXED } from "../ledger/terms.ts";
import { writeAddress, writeHex, writeInt64, writeInt128, writeUint, writeUint128, writeWords } from "./encode.ts";
import { ESCAPE_BYTES_MAX, ESCAPES, IS_PLAIN, type Literal, literal } from "./json-literal.ts";

const SCV_U32 = 3;
const SCV_I256 = 12;
const LITERAL_BYTES_MAX = 64; // longer than any literal here, with what it touches beyond
const FIXED_BYTES_MAX = 192; // of a value of fixed size, its quotes and braces

const VOID = literal('"void"');
const NULL = literal("null");
const BOOL_FALSE = literal('{"bool":false}');
const BOOL_TRUE = literal('{"bool":true}');
const LEDGER_KEY_CONTRACT_INSTANCE = literal('"ledger_key_contract_instance"');
const LEDGER_KEY_NONCE = literal('{"ledger_key_nonce":{"nonce":"');
const INSTANCE_WASM = literal('{"contract_instance":{"executable":{"wasm":"');
const INSTANCE_WASM_END = literal('"},"storage":');
const INSTANCE_ASSET = literal('{"contract_instance":{"executable":"stellar_asset","storage":');
const INSTANCE_EXTERNAL = literal('{"contract_instance":{"executable":{"external_ref":{"executable_owner":"');
const EXTERNAL_TAG = literal('","tag":"');
const INSTANCE_EXTERNAL_END = literal('"}},"storage":');
const KEY = literal('{"key":');
const VAL = literal(',"val":');
const QUOTE_CLOSE = literal('"}');
const QUOTE_CLOSE_TWICE = literal('"}}');

const OPEN_U32 = literal('{"u32":');
const OPEN_I32 = literal('{"i32":');
const OPEN_U64 = literal('{"u64":"');
const OPEN_I64 = literal('{"i64":"');
const OPEN_TIMEPOINT = literal('{"timepoint":"');
const OPEN_DURATION = literal('{"duration":"');
const OPEN_U128 = literal('{"u128":"');
const OPEN_I128 = literal('{"i128":"');
const OPEN_U256 = literal('{"u256":"');
const OPEN_I256 = literal('{"i256":"');
const OPEN_BYTES = literal('{"bytes":"');
const OPEN_STRING = literal('{"string":"');
const OPEN_SYMBOL = literal('{"symbol":"');
const OPEN_VEC = literal('{"vec":');
const OPEN_MAP = literal('{"map":');
const OPEN_ADDRESS = literal('{"address":"');
const OPEN_EXECUTABLE_TAG = literal('{"executable_tag":"');

const ERROR_CONTRACT = 0;
/** By ScErrorType; `contract` has a number in the place of a code. */
const OPEN_ERROR = [
  ...["contract", "wasm_vm", "context", "storage", "object"],
  ...["crypto", "events", "budget", "value", "auth"],
].map((name, type) => literal(`{"error":{"${name}":${type === ERROR_CONTRACT ? "" : '"'}`));
/** By ScErrorCode. */
const ERROR_CODES = [
  ...["arith_domain", "index_bounds", "invalid_input", "missing_value", "existing_value"],
  ...["exceeded_limit", "invalid_action", "internal_error", "unexpected_type", "unexpected_size"],
].map(literal);

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const BRACKET_OPEN = 0x5b;
const BRACKET_CLOSE = 0x5d;
const BRACE_CLOSE = 0x7d;

/** Writes ScVals one behind the other into a buffer that grows. */
export class XdrJsonWriter {
  /** What was written: [0, end). Larger than that; may be another array after each call. */
  bytes: Uint8Array = new Uint8Array(1 << 16);
  /** Where the next text goes; may be set back, or to another place inside `bytes`. */
  end = 0;
  private out = new DataView(this.bytes.buffer);
  private d = this.out;
  private p = 0;

  /** Appends the ScVal at `p`, which a walker has stepped over before. */
  write(d: DataView, p: number): void {
    this.d = d;
    this.p = p;
    this.scVal();
    this.d = this.out; // a writer stands for as long as its stream: the ledger's memory may go
  }

  /** Moves the text from `from` on to the beginning. */
  drop(from: number): void {
    this.bytes.copyWithin(0, from, this.end);
    this.end -= from;
  }

  private reserve(bytes: number): void {
    const needed = this.end + bytes;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, needed));
    grown.set(this.bytes.subarray(0, this.end));
    this.bytes = grown;
    this.out = new DataView(grown.buffer);
  }

  private put({ words, length }: Literal): void {
    const { out } = this;
    let q = this.end;
    for (let i = 0; i < words.length; i++, q += 4) out.setInt32(q, words[i]!, true);
    this.end += length;
  }

  private scVal(): void {
    this.reserve(FIXED_BYTES_MAX);
    const { d } = this;
    const p = this.p + 4;
    const type = d.getInt32(this.p);
    if (type >= SCV_U32 && type <= SCV_I256) {
      this.number(type, p);
      return;
    }
    switch (type) {
      case 0:
        this.put(d.getUint32(p) === 0 ? BOOL_FALSE : BOOL_TRUE);
        this.p = p + 4;
        return;
      case 1:
        this.put(VOID);
        this.p = p;
        return;
      case 2:
        this.error(p);
        return;
      case 13:
        this.put(OPEN_BYTES);
        this.close(this.hex(p));
        return;
      case 14:
        this.text(OPEN_STRING, p);
        return;
      case 15:
        this.text(OPEN_SYMBOL, p);
        return;
      case 16:
        this.put(OPEN_VEC);
        this.vec(p);
        return;
      case 17:
        this.put(OPEN_MAP);
        this.map(p);
        this.out.setUint8(this.end++, BRACE_CLOSE);
        return;
      case 18:
        this.put(OPEN_ADDRESS);
        this.close(this.address(p));
        return;
      case 19:
        this.instance(p);
        return;
      case 20:
        this.put(LEDGER_KEY_CONTRACT_INSTANCE);
        this.p = p;
        return;
      case 21:
        this.put(LEDGER_KEY_NONCE);
        this.end = writeInt64(d, p, this.out, this.end);
        this.put(QUOTE_CLOSE_TWICE);
        this.p = p + 8;
        return;
      default: // 22, the newest: the walkers let no other pass
        this.text(OPEN_EXECUTABLE_TAG, p);
    }
  }

  /** A value of one of the ScVal types U32 to I256, by its number. */
  private number(type: number, p: number): void {
    const { d } = this;
    switch (type) {
      case 3:
        this.put(OPEN_U32);
        this.end = writeUint(d.getUint32(p), this.out, this.end);
        this.closeBrace(p + 4);
        return;
      case 4:
        this.i32(p);
        return;
      case 5:
        this.u64(OPEN_U64, p);
        return;
      case 6:
        this.put(OPEN_I64);
        this.end = writeInt64(d, p, this.out, this.end);
        this.close(p + 8);
        return;
      case 7:
        this.u64(OPEN_TIMEPOINT, p);
        return;
      case 8:
        this.u64(OPEN_DURATION, p);
        return;
      case 9:
        this.put(OPEN_U128);
        this.end = writeUint128(d, p, this.out, this.end);
        this.close(p + 16);
        return;
      case 10:
        this.put(OPEN_I128);
        this.end = writeInt128(d, p, this.out, this.end);
        this.close(p + 16);
        return;
      case 11:
        this.wide(OPEN_U256, p, false);
        return;
      default:
        this.wide(OPEN_I256, p, true);
        return;
    }
  }

  /** Closes a value that is text; `p` is where the next one begins. */
  private close(p: number): void {
    this.put(QUOTE_CLOSE);
    this.p = p;
  }

  private closeBrace(p: number): void {
    this.out.setUint8(this.end++, BRACE_CLOSE);
    this.p = p;
  }

  private error(p: number): void {
    const { d } = this;
    const type = d.getUint32(p);
    const code = d.getUint32(p + 4);
    this.put(OPEN_ERROR[type]!);
    const name = type === ERROR_CONTRACT ? undefined : ERROR_CODES[code];
    if (name === undefined) this.end = writeUint(code, this.out, this.end);
    else this.put(name);
    if (type !== ERROR_CONTRACT) this.out.setUint8(this.end++, QUOTE);
    this.out.setUint8(this.end++, BRACE_CLOSE);
    this.closeBrace(p + 8);
  }

  private i32(p: number): void {
    const value = this.d.getInt32(p);
    this.put(OPEN_I32);
    if (value < 0) this.out.setUint8(this.end++, MINUS);
    this.end = writeUint(Math.abs(value), this.out, this.end);
    this.closeBrace(p + 4);
  }

  private u64(open: Literal, p: number): void {
    const { d } = this;
    this.put(open);
    this.end = writeWords(0, 0, d.getUint32(p), d.getUint32(p + 4), this.out, this.end);
    this.close(p + 8);
  }

  /** 256-bit numbers are rare: the only values here that go by way of a BigInt. */
  private wide(open: Literal, p: number, isSigned: boolean): void {
    const { d, out } = this;
    this.put(open);
    let value = 0n;
    for (let i = 0; i < 32; i += 8) value = (value << 64n) | d.getBigUint64(p + i);
    const text = String(isSigned ? BigInt.asIntN(256, value) : value);
    for (let i = 0; i < text.length; i++) out.setUint8(this.end++, text.charCodeAt(i));
    this.close(p + 32);
  }

  /** Byte string at `p` as hex; the position after it. */
  private hex(p: number): number {
    const { d } = this;
    const bytes = d.getUint32(p);
    p += 4;
    this.reserve(2 * bytes + LITERAL_BYTES_MAX);
    const even = bytes & ~1;
    this.end = writeHex(d, p, even, this.out, this.end);
    if (even < bytes) {
      const byte = d.getUint8(p + even);
      this.out.setUint16(this.end, (HEX_DIGITS.charCodeAt(byte >> 4) << 8) | HEX_DIGITS.charCodeAt(byte & 15));
      this.end += 2;
    }
    return p + ((bytes + 3) & ~3);
  }

  private text(open: Literal, p: number): void {
    this.put(open);
    this.close(this.escaped(p));
  }

  /** String at `p`; the position after it. */
  private escaped(p: number): number {
    const { d } = this;
    const bytes = d.getUint32(p);
    p += 4;
    this.reserve(ESCAPE_BYTES_MAX * bytes + LITERAL_BYTES_MAX);
    const { bytes: out } = this;
    let q = this.end;
    for (let i = 0; i < bytes; i++) {
      const byte = d.getUint8(p + i);
      if (IS_PLAIN[byte] === 1) {
        out[q++] = byte;
        continue;
      }
      this.end = q;
      this.put(ESCAPES[byte]!);
      q = this.end;
    }
    this.end = q;
    return p + ((bytes + 3) & ~3);
  }

  private vec(p: number): void {
    const { d } = this;
    if (d.getUint32(p) === 0) {
      this.put(NULL);
      this.closeBrace(p + 4);
      return;
    }
    let left = d.getUint32(p + 4);
    this.p = p + 8;
    this.out.setUint8(this.end++, BRACKET_OPEN);
    for (; left > 0; left--) {
      this.scVal();
      if (left > 1) {
        this.reserve(1);
        this.out.setUint8(this.end++, COMMA);
      }
    }
    this.reserve(2);
    this.out.setUint8(this.end++, BRACKET_CLOSE);
    this.out.setUint8(this.end++, BRACE_CLOSE);
  }

  /** An optional map at `p`; leaves room for what closes the value around it. */
  private map(p: number): void {
    const { d } = this;
    if (d.getUint32(p) === 0) {
      this.put(NULL);
      this.p = p + 4;
      return;
    }
    let left = d.getUint32(p + 4);
    this.p = p + 8;
    this.out.setUint8(this.end++, BRACKET_OPEN);
    for (; left > 0; left--) {
      this.reserve(LITERAL_BYTES_MAX);
      this.put(KEY);
      this.scVal();
      this.reserve(LITERAL_BYTES_MAX);
      this.put(VAL);
      this.scVal();
      this.reserve(2);
      this.out.setUint8(this.end++, BRACE_CLOSE);
      if (left > 1) this.out.setUint8(this.end++, COMMA);
    }
    this.reserve(LITERAL_BYTES_MAX);
    this.out.setUint8(this.end++, BRACKET_CLOSE);
  }

  /** ScAddress at `p`; the position after it. */
  private address(p: number): number {
    const { d } = this;
    const kind = d.getUint32(p);
    // A muxed account's id, or the type of an account's key or of a claimable balance's id, comes first.
    const at = p + 4 + (kind === ADDRESS_MUXED ? 8 : kind === 0 || kind === ADDRESS_CLAIMABLE_BALANCE ? 4 : 0);
    this.end = writeAddress(kind, d, at, this.out, this.end);
    return at + 32;
  }

  private instance(p: number): void {
    const { d } = this;
    switch (d.getInt32(p)) {
      case 0:
        this.put(INSTANCE_WASM);
        this.end = writeHex(d, p + 4, 32, this.out, this.end);
        this.put(INSTANCE_WASM_END);
        p += 36;
        break;
      case 1:
        this.put(INSTANCE_ASSET);
        p += 4;
        break;
      default:
        this.put(INSTANCE_EXTERNAL);
        p = this.address(p + 4);
        this.put(EXTERNAL_TAG);
        p = this.escaped(p);
        this.put(INSTANCE_EXTERNAL_END);
    }
    this.reserve(LITERAL_BYTES_MAX);
    this.map(p);
    this.out.setUint8(this.end++, BRACE_CLOSE);
    this.out.setUint8(this.end++, BRACE_CLOSE);
  }
}

const HEX_DIGITS = "0123456789abcdef";
