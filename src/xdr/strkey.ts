/** Strkeys (SEP-23): 32 bytes as base32 text with a version byte in front and a CRC-16 behind. */
import { CodedError } from "../error.ts";

/** Version bytes: the letter that the text begins with, times 8. */
export const STRKEY_ACCOUNT = 6 << 3;
export const STRKEY_CONTRACT = 2 << 3;

export const STRKEY_LENGTH = 56; // 35 bytes (1 + 32 + 2) in base32

export const BASE32_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

const LETTERS = new Map([
  [STRKEY_ACCOUNT, "G"],
  [STRKEY_CONTRACT, "C"],
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

/**
 * The 32 bytes behind a strkey of the given version.
 * @throws CodedError INVALID_ARGUMENT / INVALID_STRKEY naming the value
 */
export function parseStrkey(text: string, version: number): Uint8Array {
  const letter = LETTERS.get(version) ?? "?";
  const refuse = (why: string): never => {
    throw new CodedError("INVALID_ARGUMENT", "INVALID_STRKEY", `"${text}" is not a ${letter}… strkey: ${why}`);
  };
  if (text.length !== STRKEY_LENGTH) refuse(`it has ${text.length} characters, not ${STRKEY_LENGTH}`);
  const bytes = new Uint8Array(35);
  let held = 0;
  let bits = 0;
  let at = 0;
  for (const character of text) {
    const value = BASE32_ALPHABET.indexOf(character);
    if (value < 0) refuse(`"${character}" is not a base32 character`);
    held = ((held << 5) | value) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (held >> bits) & 0xff;
    }
  }
  if (bytes[0] !== version) refuse(`it begins with ${text[0]}, not ${letter}`);
  const crc = crc16(bytes.subarray(0, 33));
  if (bytes[33] !== (crc & 0xff) || bytes[34] !== crc >> 8) refuse("the checksum is wrong");
  return bytes.slice(1, 33);
}

/** The strkey of 32 bytes. For the hot path see columns/encode.ts. */
export function formatStrkey(bytes: Uint8Array, version: number): string {
  const all = new Uint8Array(35);
  all[0] = version;
  all.set(bytes.subarray(0, 32), 1);
  const crc = crc16(all.subarray(0, 33));
  all[33] = crc & 0xff;
  all[34] = crc >> 8;
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
  return text;
}
