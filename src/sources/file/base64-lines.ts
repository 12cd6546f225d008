/** Text files with one base64 value a line. */
import { CodedError } from "../../error.ts";
import { BATCH_BYTES_MAX } from "../limits.ts";
import { joined } from "./byte-reader.ts";

const LINE_BYTES_MAX = Math.ceil((BATCH_BYTES_MAX / 3) * 4); // the largest batch in base64

interface Base64Line {
  /** Offset of the line's first character in the text. */
  byteOffset: number;
  /** Length of the line without the space around it. */
  characters: number;
  bytes: Uint8Array;
}

/** Characters looked at: no XDR of ledgers is text for so long, because each kind has a zero byte among its first 9. */
const PROBE_BYTES = 12;

/** Widths at which tools break base64 into lines: openssl's and base64's own. */
const WRAP_WIDTHS: readonly number[] = [64, 76];

/** A remedy to add to an error about a line of `characters`, where the text looks like one value over many lines. */
export function wrapHint(characters: number): string {
  return WRAP_WIDTHS.includes(characters)
    ? `. Is one value wrapped over many lines? Write one value a line (base64 -w0)`
    : "";
}

/** True where `content` begins as base64 text does. */
export function isBase64Text(content: Uint8Array): boolean {
  if (content.length === 0) return false;
  for (let i = 0; i < Math.min(content.length, PROBE_BYTES); i++) {
    if (!isAlphabet(content[i]!) && !isSpace(content[i]!)) return false;
  }
  return true;
}

/**
 * The value of each line that is not blank, in order and as soon as the line has ended. Strict (RFC 4648, section 4):
 * padding is required and nothing outside the alphabet is skipped.
 * @param name of the file, for messages
 * @throws CodedError DATA_LOSS / BASE64 with the byte offset and the line; RESOURCE_EXHAUSTED / LEDGER_FILE_TOO_LARGE for
 * a line over LINE_BYTES_MAX
 */
export async function* base64Lines(
  name: string,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Base64Line, void, undefined> {
  let number = 1;
  let lineAt = 0;
  let parts: Uint8Array[] = []; // of the line that has not ended
  let length = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const newline = chunk.indexOf(0x0a, at);
      const end = newline === -1 ? chunk.length : newline + 1;
      parts.push(chunk.subarray(at, end));
      length += end - at;
      at = end;
      if (length > LINE_BYTES_MAX) throw tooLong(name, lineAt, length);
      if (newline === -1) break;
      yield* valuesOf(name, joined(parts, length), lineAt, number++);
      lineAt += length;
      parts = [];
      length = 0;
    }
  }
  yield* valuesOf(name, joined(parts, length), lineAt, number);
}

/** The value of a line that begins at byte `lineAt`; none where it is blank. */
function* valuesOf(name: string, line: Uint8Array, lineAt: number, number: number): Generator<Base64Line> {
  let start = 0;
  let end = line.length;
  while (start < end && isSpace(line[start]!)) start++;
  while (end > start && isSpace(line[end - 1]!)) end--;
  if (start === end) return;
  const byteOffset = lineAt + start;
  yield { byteOffset, characters: end - start, bytes: decode(name, line.subarray(start, end), byteOffset, number) };
}

function tooLong(name: string, lineAt: number, length: number): CodedError {
  return new CodedError(
    "RESOURCE_EXHAUSTED",
    "LEDGER_FILE_TOO_LARGE",
    `${name}: the line at byte ${lineAt} has ${length} B or more, over max ${LINE_BYTES_MAX} B: write one ledger a line`,
  );
}

function decode(name: string, line: Uint8Array, offset: number, number: number): Uint8Array {
  const text = Buffer.from(line.buffer, line.byteOffset, line.byteLength).toString("latin1");
  try {
    return Uint8Array.fromBase64(text, { lastChunkHandling: "strict" });
  } catch {
    let bad = line.findIndex((byte) => !isAlphabet(byte));
    if (bad === -1) bad = line.length;
    throw new CodedError(
      "DATA_LOSS",
      "BASE64",
      `${name}: bad base64 in line ${number}, at byte ${offset + bad}: the line has ${line.length} characters${wrapHint(line.length)}`,
    );
  }
}

function isAlphabet(byte: number): boolean {
  return (
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    (byte >= 0x30 && byte <= 0x39) ||
    byte === 0x2b ||
    byte === 0x2f ||
    byte === 0x3d
  );
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}
