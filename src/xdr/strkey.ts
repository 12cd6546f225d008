/** Strkeys (SEP-23): a key or hash as base32 text with a version byte in front and a CRC-16 behind. */
import { quoted } from "../base/text.ts";
import { CodedError } from "../error.ts";

/** Version bytes: the letter that the text begins with, times 8. */
export const STRKEY_ACCOUNT = 6 << 3;
export const STRKEY_CONTRACT = 2 << 3;
/** Payload: an ed25519 key, then a 64-bit id. */
export const STRKEY_MUXED = 12 << 3;
/** Payload: the type of the balance's id (0), then its hash. */
export const STRKEY_CLAIMABLE_BALANCE = 1 << 3;
export const STRKEY_LIQUIDITY_POOL = 11 << 3;

export const STRKEY_LENGTH = 56; // 35 bytes (1 + 32 + 2) in base32
export const STRKEY_MUXED_LENGTH = 69; // 43 bytes
export const STRKEY_CLAIMABLE_BALANCE_LENGTH = 58; // 36 bytes

/** RFC 4648, section 6. */
export const BASE32_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

interface Kind {
  letter: string;
  payloadBytes: number;
  /** Length of the text. */
  length: number;
}

const KINDS = new Map<number, Kind>([
  [STRKEY_ACCOUNT, { letter: "G", payloadBytes: 32, length: STRKEY_LENGTH }],
  [STRKEY_CONTRACT, { letter: "C", payloadBytes: 32, length: STRKEY_LENGTH }],
  [STRKEY_MUXED, { letter: "M", payloadBytes: 40, length: STRKEY_MUXED_LENGTH }],
  [STRKEY_CLAIMABLE_BALANCE, { letter: "B", payloadBytes: 33, length: STRKEY_CLAIMABLE_BALANCE_LENGTH }],
  [STRKEY_LIQUIDITY_POOL, { letter: "L", payloadBytes: 32, length: STRKEY_LENGTH }],
]);

/** CRC-16/XMODEM of `bytes`, as SEP-23 wants. */
export function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc;
}

/** The version byte of a strkey by its first letter; undefined where that begins none that names a holder. */
export function strkeyVersion(text: string): number | undefined {
  for (const [version, { letter }] of KINDS) if (text.startsWith(letter)) return version;
  return undefined;
}

/**
 * The payload behind a strkey of the given version: 32 bytes, or as the version's constant says.
 * @throws CodedError INVALID_ARGUMENT / INVALID_STRKEY naming the value
 */
export function parseStrkey(text: string, version: number): Uint8Array {
  const { letter, payloadBytes, length } = KINDS.get(version)!;
  const refuse = (why: string): never => {
    throw new CodedError("INVALID_ARGUMENT", "INVALID_STRKEY", `${quoted(text)} is not a ${letter}… strkey: ${why}`);
  };
  if (text.length !== length) refuse(`it has ${text.length} characters, not ${length}`);
  const bytes = new Uint8Array(1 + payloadBytes + 2);
  let held = 0;
  let bits = 0;
  let at = 0;
  for (const character of text) {
    const value = BASE32_ALPHABET.indexOf(character);
    if (value < 0) refuse(`${quoted(character)} is not a base32 character`);
    held = ((held << 5) | value) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (held >> bits) & 0xff;
    }
  }
  if (bytes[0] !== version) refuse(`it begins with ${text[0]}, not ${letter}`);
  if ((held & ((1 << bits) - 1)) !== 0) refuse("its last character has bits that stand for nothing");
  const crc = crc16(bytes.subarray(0, 1 + payloadBytes));
  if (bytes[1 + payloadBytes] !== (crc & 0xff) || bytes[2 + payloadBytes] !== crc >> 8) refuse("the checksum is wrong");
  return bytes.slice(1, 1 + payloadBytes);
}

/** The strkey of a payload. For the hot path see columns/encode.ts. */
export function formatStrkey(payload: Uint8Array, version: number): string {
  const { payloadBytes } = KINDS.get(version)!;
  const all = new Uint8Array(1 + payloadBytes + 2);
  all[0] = version;
  all.set(payload.subarray(0, payloadBytes), 1);
  const crc = crc16(all.subarray(0, 1 + payloadBytes));
  all[1 + payloadBytes] = crc & 0xff;
  all[2 + payloadBytes] = crc >> 8;
  let text = "";
  let held = 0;
  let bits = 0;
  for (const byte of all) {
    held = ((held << 8) | byte) & 0xfff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32_ALPHABET[(held >> bits) & 31];
    }
  }
  if (bits > 0) text += BASE32_ALPHABET[(held << (5 - bits)) & 31];
  return text;
}
