/**
 * Formatting of bytes as text, straight into a byte buffer: HOT PATH. Each function writes ASCII to `out` at `q` and
 * returns the position after it; `out` is a DataView because its writes need no alignment and take two or four
 * characters at once. No object is made per value.
 */
import { BASE32_ALPHABET, crc16 } from "../xdr/strkey.ts";

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

/** Characters that `bytes` bytes take in base64, with padding. */
export function base64Length(bytes: number): number {
  return Math.ceil(bytes / 3) * 4;
}

/** Lowercase hex of `bytes` bytes (a multiple of 2). */
export function writeHex(d: DataView, p: number, bytes: number, out: DataView, q: number): number {
  for (const end = p + bytes; p < end; p += 2, q += 4) {
    const pair = d.getUint16(p);
    out.setUint32(q, HEX[pair >> 8]! | (HEX[pair & 0xff]! << 16), true);
  }
  return q;
}

/** Base64 (RFC 4648, padded) of `bytes` bytes. */
export function writeBase64(d: DataView, p: number, bytes: number, out: DataView, q: number): number {
  const end = p + bytes;
  // Three bytes at a time out of a four-byte read, as long as the fourth is inside the value too.
  for (const last = end - 4; p <= last; p += 3, q += 4) {
    const word = d.getUint32(p);
    out.setUint32(q, BASE64[word >>> 20]! | (BASE64[(word >>> 8) & 0xfff]! << 16), true);
  }
  for (; end - p >= 3; p += 3, q += 4) {
    const low = d.getUint16(p + 1);
    const high = d.getUint8(p);
    out.setUint32(q, BASE64[(high << 4) | (low >> 12)]! | (BASE64[low & 0xfff]! << 16), true);
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
  out.setUint32(q, BASE32[first]! | (BASE32[second]! << 16), true);
  out.setUint32(q + 4, BASE32[(low >>> 10) & 0x3ff]! | (BASE32[low & 0x3ff]! << 16), true);
}

/** The strkey (SEP-23, 56 characters) of the 32 bytes at `p`. */
export function writeStrkey(version: number, d: DataView, p: number, out: DataView, q: number): number {
  let crc = CRC_OF_VERSION[version]!;
  for (let i = 0; i < 32; i += 4) {
    const word = d.getUint32(p + i);
    const at = i * 256;
    crc ^=
      CRC_TABLES[at + (word >>> 24)]! ^
      CRC_TABLES[at + 256 + ((word >>> 16) & 0xff)]! ^
      CRC_TABLES[at + 512 + ((word >>> 8) & 0xff)]! ^
      CRC_TABLES[at + 768 + (word & 0xff)]!;
  }
  writeGroup(version, d.getUint32(p), out, q);
  writeGroup(d.getUint8(p + 4), d.getUint32(p + 5), out, q + 8);
  writeGroup(d.getUint8(p + 9), d.getUint32(p + 10), out, q + 16);
  writeGroup(d.getUint8(p + 14), d.getUint32(p + 15), out, q + 24);
  writeGroup(d.getUint8(p + 19), d.getUint32(p + 20), out, q + 32);
  writeGroup(d.getUint8(p + 24), d.getUint32(p + 25), out, q + 40);
  // The checksum stands low byte first.
  const low = ((d.getUint16(p + 30) << 16) | ((crc & 0xff) << 8) | (crc >> 8)) >>> 0;
  writeGroup(d.getUint8(p + 29), low, out, q + 48);
  return q + 56;
}

const DIGITS = new Uint8Array(40); // 2^127 has 39 digits
const LIMB = 1e7; // remainder × 2^16 stays exact, and seven digits come out of one pass

/** Decimal digits of the unsigned 128-bit number at `p`. */
export function writeUint128(d: DataView, p: number, out: DataView, q: number): number {
  let a = d.getUint32(p);
  let b = d.getUint32(p + 4);
  let c = d.getUint32(p + 8);
  let e = d.getUint32(p + 12);
  let at = DIGITS.length;
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
    for (let i = 0; i < 7; i++) {
      const tenth = Math.floor(rest / 10);
      DIGITS[--at] = 48 + (rest - tenth * 10);
      rest = tenth;
    }
  }
  let small = c * 0x1_0000_0000 + e;
  do {
    const tenth = Math.floor(small / 10);
    DIGITS[--at] = 48 + (small - tenth * 10);
    small = tenth;
  } while (small > 0);
  for (; at < DIGITS.length; at++) out.setUint8(q++, DIGITS[at]!);
  return q;
}

/** Decimal digits of a whole number from 0 to 2^53. */
export function writeUint(value: number, out: DataView, q: number): number {
  let at = DIGITS.length;
  do {
    const tenth = Math.floor(value / 10);
    DIGITS[--at] = 48 + (value - tenth * 10);
    value = tenth;
  } while (value > 0);
  for (; at < DIGITS.length; at++) out.setUint8(q++, DIGITS[at]!);
  return q;
}

/** Copies ASCII bytes made ready before. */
export function writeBytes(bytes: Uint8Array, out: DataView, q: number): number {
  for (let i = 0; i < bytes.length; i++) out.setUint8(q + i, bytes[i]!);
  return q + bytes.length;
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
