/**
 * Formatting of bytes as text, straight into a byte buffer: HOT PATH. Each function writes ASCII to `out` at `q` and
 * returns the position after it; `out` is a DataView because its writes need no alignment and take two or four
 * characters at once. No object is made per value. Words are read and written signed: the engine keeps an unsigned 32-bit
 * read as a floating-point number, which makes the same loop take three times as long.
 */
import { ADDRESS_ACCOUNT, ADDRESS_CLAIMABLE_BALANCE, ADDRESS_LIQUIDITY_POOL, ADDRESS_MUXED } from "../ledger/terms.ts";
import {
  BASE32_ALPHABET,
  crc16,
  formatStrkey,
  STRKEY_ACCOUNT,
  STRKEY_CLAIMABLE_BALANCE,
  STRKEY_CLAIMABLE_BALANCE_LENGTH,
  STRKEY_CONTRACT,
  STRKEY_LENGTH,
  STRKEY_LIQUIDITY_POOL,
  STRKEY_MUXED,
  STRKEY_MUXED_LENGTH,
} from "../xdr/strkey.ts";

const BASE64_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Two characters of a radix-2^bits alphabet by the 2·bits-wide number they stand for, first character low. */
function pairs(alphabet: string, bits: number): Uint16Array {
  const mask = (1 << bits) - 1;
  return Uint16Array.from(
    { length: 1 << (2 * bits) },
    (_, value) => alphabet.charCodeAt(value >> bits) | (alphabet.charCodeAt(value & mask) << 8),
  );
}

const HEX = pairs("0123456789abcdef", 4);
const BASE64 = pairs(BASE64_ALPHABET, 6);
const BASE32 = pairs(BASE32_ALPHABET, 5);
const PAD = 0x3d; // "="
const MINUS = 0x2d;

/** Characters that `bytes` bytes take in base64, with padding. */
export function base64Length(bytes: number): number {
  return Math.ceil(bytes / 3) * 4;
}

/** Lowercase hex of `bytes` bytes (a multiple of 2). */
export function writeHex(d: DataView, p: number, bytes: number, out: DataView, q: number): number {
  const end = p + bytes;
  for (const last = end - 4; p <= last; p += 4, q += 8) {
    const word = d.getInt32(p);
    out.setInt32(q, HEX[word >>> 24]! | (HEX[(word >>> 16) & 0xff]! << 16), true);
    out.setInt32(q + 4, HEX[(word >>> 8) & 0xff]! | (HEX[word & 0xff]! << 16), true);
  }
  for (; p < end; p += 2, q += 4) {
    const pair = d.getUint16(p);
    out.setInt32(q, HEX[pair >> 8]! | (HEX[pair & 0xff]! << 16), true);
  }
  return q;
}

/** Base64 (RFC 4648, padded) of `bytes` bytes. */
export function writeBase64(d: DataView, p: number, bytes: number, out: DataView, q: number): number {
  const end = p + bytes;
  // Twelve bytes are three whole words on this side and four on the other.
  for (const last = end - 12; p <= last; p += 12, q += 16) {
    const a = d.getInt32(p);
    const b = d.getInt32(p + 4);
    const c = d.getInt32(p + 8);
    out.setInt32(q, BASE64[a >>> 20]! | (BASE64[(a >>> 8) & 0xfff]! << 16), true);
    out.setInt32(q + 4, BASE64[((a & 0xff) << 4) | (b >>> 28)]! | (BASE64[(b >>> 16) & 0xfff]! << 16), true);
    out.setInt32(q + 8, BASE64[(b >>> 4) & 0xfff]! | (BASE64[((b & 0xf) << 8) | (c >>> 24)]! << 16), true);
    out.setInt32(q + 12, BASE64[(c >>> 12) & 0xfff]! | (BASE64[c & 0xfff]! << 16), true);
  }
  for (; end - p >= 3; p += 3, q += 4) {
    const low = d.getUint16(p + 1);
    const high = d.getUint8(p);
    out.setInt32(q, BASE64[(high << 4) | (low >> 12)]! | (BASE64[low & 0xfff]! << 16), true);
  }
  const left = end - p;
  if (left === 1) {
    out.setUint16(q, BASE64[d.getUint8(p) << 4]!, true);
    out.setUint16(q + 2, PAD | (PAD << 8), true);
    q += 4;
  } else if (left === 2) {
    const word = d.getUint16(p);
    out.setUint16(q, BASE64[word >> 4]!, true);
    out.setUint16(q + 2, (BASE64[(word & 15) << 8]! & 0xff) | (PAD << 8), true);
    q += 4;
  }
  return q;
}

// CRC-16 is linear: the checksum of 33 bytes is the exclusive or of what each byte alone gives at its place. 32 tables
// make 32 independent look-ups of what would be 33 steps that wait for each other.
const CRC_TABLES = new Uint16Array(32 * 256);
for (let at = 0; at < 32; at++) {
  const bytes = new Uint8Array(33);
  for (let value = 0; value < 256; value++) {
    bytes[at + 1] = value;
    CRC_TABLES[at * 256 + value] = crc16(bytes);
  }
}
const CRC_OF_VERSION = Uint16Array.from({ length: 256 }, (_, version) => {
  const bytes = new Uint8Array(33);
  bytes[0] = version;
  return crc16(bytes);
});

/** Writes the 8 characters of 40 bits: 8 high, 32 low. */
function writeGroup(high: number, low: number, out: DataView, q: number): void {
  const first = (high << 2) | (low >>> 30);
  const second = (low >>> 20) & 0x3ff;
  out.setInt32(q, BASE32[first]! | (BASE32[second]! << 16), true);
  out.setInt32(q + 4, BASE32[(low >>> 10) & 0x3ff]! | (BASE32[low & 0x3ff]! << 16), true);
}

/** The strkey (SEP-23, 56 characters) of the 32 bytes at `p`. */
export function writeStrkey(version: number, d: DataView, p: number, out: DataView, q: number): number {
  let crc = CRC_OF_VERSION[version]!;
  for (let i = 0; i < 32; i += 4) {
    const word = d.getInt32(p + i);
    const at = i * 256;
    crc ^=
      CRC_TABLES[at + (word >>> 24)]! ^
      CRC_TABLES[at + 256 + ((word >>> 16) & 0xff)]! ^
      CRC_TABLES[at + 512 + ((word >>> 8) & 0xff)]! ^
      CRC_TABLES[at + 768 + (word & 0xff)]!;
  }
  writeGroup(version, d.getInt32(p), out, q);
  writeGroup(d.getUint8(p + 4), d.getInt32(p + 5), out, q + 8);
  writeGroup(d.getUint8(p + 9), d.getInt32(p + 10), out, q + 16);
  writeGroup(d.getUint8(p + 14), d.getInt32(p + 15), out, q + 24);
  writeGroup(d.getUint8(p + 19), d.getInt32(p + 20), out, q + 32);
  writeGroup(d.getUint8(p + 24), d.getInt32(p + 25), out, q + 40);
  // The checksum stands low byte first.
  const low = (d.getUint16(p + 30) << 16) | ((crc & 0xff) << 8) | (crc >> 8);
  writeGroup(d.getUint8(p + 29), low, out, q + 48);
  return q + 56;
}

/** Characters of the strkey of an address of a kind (SCAddressType). */
export function addressLength(kind: number): number {
  if (kind === ADDRESS_MUXED) return STRKEY_MUXED_LENGTH;
  return kind === ADDRESS_CLAIMABLE_BALANCE ? STRKEY_CLAIMABLE_BALANCE_LENGTH : STRKEY_LENGTH;
}

/** The strkey of an address of a kind, whose 32 bytes of key or hash lie at `p` (a muxed account's id before them). */
export function writeAddress(kind: number, d: DataView, p: number, out: DataView, q: number): number {
  switch (kind) {
    case ADDRESS_ACCOUNT:
      return writeStrkey(STRKEY_ACCOUNT, d, p, out, q);
    case ADDRESS_LIQUIDITY_POOL:
      return writeStrkey(STRKEY_LIQUIDITY_POOL, d, p, out, q);
    case ADDRESS_MUXED:
    case ADDRESS_CLAIMABLE_BALANCE:
      return writeLongStrkey(kind, d, p, out, q);
    default:
      return writeStrkey(STRKEY_CONTRACT, d, p, out, q);
  }
}

/** The two kinds of strkeys whose payload is longer; rare enough to be made the simple way. */
function writeLongStrkey(kind: number, d: DataView, p: number, out: DataView, q: number): number {
  const isMuxed = kind === ADDRESS_MUXED;
  const payload = new Uint8Array(isMuxed ? 40 : 33);
  for (let i = 0; i < 32; i++) payload[isMuxed ? i : i + 1] = d.getUint8(p + i);
  if (isMuxed) for (let i = 0; i < 8; i++) payload[32 + i] = d.getUint8(p - 8 + i);
  const text = formatStrkey(payload, isMuxed ? STRKEY_MUXED : STRKEY_CLAIMABLE_BALANCE);
  for (let i = 0; i < text.length; i++) out.setUint8(q + i, text.charCodeAt(i));
  return q + text.length;
}

const LIMB = 1e7; // remainder × 2^16 stays exact, and seven digits come out of one pass
const LIMB_DIGITS = 7;
const LIMBS = new Int32Array(5); // of 2^128, above what a double holds exactly
/** Two decimal digits by number, first digit low. */
const DIGIT_PAIRS = Uint16Array.from(
  { length: 100 },
  (_, value) => (0x30 + Math.floor(value / 10)) | ((0x30 + (value % 10)) << 8),
);
const GROUP = 1e8; // integer arithmetic below, floating point above
const GROUP_DIGITS = 8;

/** How many decimal digits a number from 0 to 10^8 - 1 has. */
function digitsOf(value: number): number {
  if (value < 10_000) return value < 100 ? (value < 10 ? 1 : 2) : value < 1000 ? 3 : 4;
  return value < 1_000_000 ? (value < 100_000 ? 5 : 6) : value < 10_000_000 ? 7 : 8;
}

/** Exactly `digits` digits of an integer below 10^8, zeros in front; returns the position after them. */
function writeDigits(value: number, digits: number, out: DataView, q: number): number {
  let at = q + digits;
  for (; at - q >= 2; at -= 2) {
    const rest = (value / 100) | 0;
    out.setInt16(at - 2, DIGIT_PAIRS[value - rest * 100]!, true);
    value = rest;
  }
  if (at > q) out.setUint8(q, 0x30 + value);
  return q + digits;
}

/** Decimal digits of the unsigned 128-bit number at `p`. */
export function writeUint128(d: DataView, p: number, out: DataView, q: number): number {
  return writeWords(d.getUint32(p), d.getUint32(p + 4), d.getUint32(p + 8), d.getUint32(p + 12), out, q);
}

/** Decimal digits of the unsigned number of four 32-bit words, high to low. */
export function writeWords(a: number, b: number, c: number, e: number, out: DataView, q: number): number {
  let limbs = 0;
  // Long division by 10^7, 16 bits at a time, until the number is small enough to be exact.
  while (a !== 0 || b !== 0 || c >= 0x20_0000) {
    let rest = a % LIMB;
    a = (a - rest) / LIMB;
    let x = rest * 65536 + (b >>> 16);
    let quotient = Math.floor(x / LIMB);
    rest = x - quotient * LIMB;
    x = rest * 65536 + (b & 0xffff);
    let low = Math.floor(x / LIMB);
    rest = x - low * LIMB;
    b = quotient * 65536 + low;
    x = rest * 65536 + (c >>> 16);
    quotient = Math.floor(x / LIMB);
    rest = x - quotient * LIMB;
    x = rest * 65536 + (c & 0xffff);
    low = Math.floor(x / LIMB);
    rest = x - low * LIMB;
    c = quotient * 65536 + low;
    x = rest * 65536 + (e >>> 16);
    quotient = Math.floor(x / LIMB);
    rest = x - quotient * LIMB;
    x = rest * 65536 + (e & 0xffff);
    low = Math.floor(x / LIMB);
    rest = x - low * LIMB;
    e = quotient * 65536 + low;
    LIMBS[limbs++] = rest;
  }
  q = writeUint(c * 0x1_0000_0000 + e, out, q);
  while (limbs > 0) q = writeDigits(LIMBS[--limbs]!, LIMB_DIGITS, out, q);
  return q;
}

/** Decimal text of the signed 128-bit number at `p`. */
export function writeInt128(d: DataView, p: number, out: DataView, q: number): number {
  if (d.getInt32(p) >= 0) return writeUint128(d, p, out, q);
  out.setUint8(q, MINUS);
  // Two's complement: invert, add one.
  const e = (~d.getUint32(p + 12) + 1) >>> 0;
  const c = (~d.getUint32(p + 8) + (e === 0 ? 1 : 0)) >>> 0;
  const b = (~d.getUint32(p + 4) + (e === 0 && c === 0 ? 1 : 0)) >>> 0;
  const a = (~d.getUint32(p) + (e === 0 && c === 0 && b === 0 ? 1 : 0)) >>> 0;
  return writeWords(a, b, c, e, out, q + 1);
}

/** Decimal text of the signed 64-bit number at `p`. */
export function writeInt64(d: DataView, p: number, out: DataView, q: number): number {
  if (d.getInt32(p) >= 0) return writeWords(0, 0, d.getUint32(p), d.getUint32(p + 4), out, q);
  out.setUint8(q, MINUS);
  const low = (~d.getUint32(p + 4) + 1) >>> 0;
  const high = (~d.getUint32(p) + (low === 0 ? 1 : 0)) >>> 0;
  return writeWords(0, 0, high, low, out, q + 1);
}

const COUNTED = new DataView(new ArrayBuffer(40));

/** How many digits `writeUint128` writes. */
export function uint128Length(d: DataView, p: number): number {
  if (d.getUint32(p) === 0 && d.getUint32(p + 4) === 0 && d.getUint32(p + 8) < 0x20_0000) {
    const value = d.getUint32(p + 8) * 0x1_0000_0000 + d.getUint32(p + 12);
    let digits = 1;
    for (let power = 10; power <= value; power *= 10) digits++;
    return digits;
  }
  return writeUint128(d, p, COUNTED, 0);
}

/** Decimal digits of a whole number from 0 to 2^53. */
export function writeUint(value: number, out: DataView, q: number): number {
  if (value < GROUP) return writeDigits(value | 0, digitsOf(value), out, q);
  const high = Math.floor(value / GROUP);
  q = writeUint(high, out, q);
  return writeDigits((value - high * GROUP) | 0, GROUP_DIGITS, out, q);
}

/** Words made ready for `writeWord`. */
export function wordViews(words: readonly string[]): DataView[] {
  return words.map((word) => {
    const { buffer, byteOffset, length } = new TextEncoder().encode(word);
    return new DataView(buffer, byteOffset, length);
  });
}

/** Copies ASCII bytes made ready before, four at once. */
export function writeWord(word: DataView, out: DataView, q: number): number {
  const length = word.byteLength;
  let i = 0;
  for (; i <= length - 4; i += 4) out.setInt32(q + i, word.getInt32(i));
  for (; i < length; i++) out.setUint8(q + i, word.getUint8(i));
  return q + length;
}

/** Copies `bytes` bytes, leaving out NULs. */
export function writeWithoutNuls(d: DataView, p: number, bytes: number, out: DataView, q: number): number {
  for (const end = p + bytes; p < end; p++) {
    const byte = d.getUint8(p);
    if (byte !== 0) out.setUint8(q++, byte);
  }
  return q;
}

/** How many of `bytes` bytes are not NUL. */
export function lengthWithoutNuls(d: DataView, p: number, bytes: number): number {
  let length = 0;
  for (const end = p + bytes; p < end; p++) if (d.getUint8(p) !== 0) length++;
  return length;
}
