/**
 * Text from outside (clients, sources, files) made fit to be repeated in errors, logs and headers: well-formed, short,
 * and never cut between the two halves of a surrogate pair, which encodeURI, and so grpc-js, throws on.
 */

const QUOTED_LENGTH_MAX = 64; // characters of a stranger's text that a sentence repeats: longer than any name of ours

/** What encodeURI leaves as one byte; every other byte of UTF-8 becomes three. */
const PLAIN = new Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789;,/?:@&=+$-_.!~*'()#");
const ENCODED_BYTES_OF_UNIT_MAX = 9; // of one UTF-16 unit: three bytes of UTF-8, three characters each

/** `text` with a replacement character for each lone surrogate, and with … behind its first `lengthMax` UTF-16 units. */
export function shortened(text: string, lengthMax: number): string {
  if (text.length <= lengthMax) return text.toWellFormed();
  return `${cutAt(text, lengthMax).toWellFormed()}…`;
}

/** `1 row`, `2 rows`: a noun whose plural takes an s. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** A stranger's text as a JSON string for a sentence: shortened, with its control characters escaped. */
export function quoted(text: string, lengthMax: number = QUOTED_LENGTH_MAX): string {
  return JSON.stringify(shortened(text, lengthMax));
}

/**
 * `text`, well-formed, with as many code points as percent-encoding (encodeURI, as gRPC's status messages have it) turns
 * into at most `bytesMax` bytes; a text that had to be cut ends with … and its length.
 */
export function withinEncodedBytes(text: string, bytesMax: number): string {
  if (text.length * ENCODED_BYTES_OF_UNIT_MAX <= bytesMax) return text.toWellFormed();
  if (encodedLength(text, bytesMax) === text.length) return text.toWellFormed();
  const note = `… (${text.length} characters)`;
  const length = encodedLength(text, bytesMax - note.length * ENCODED_BYTES_OF_UNIT_MAX);
  return text.slice(0, length).toWellFormed() + note;
}

/** How many UTF-16 units of `text`, whole code points, fit `bytesMax` bytes once percent-encoded. */
function encodedLength(text: string, bytesMax: number): number {
  let bytes = 0;
  let length = 0;
  for (const point of text) {
    bytes += PLAIN.has(point) ? 1 : 3 * utf8Bytes(point.codePointAt(0)!);
    if (bytes > bytesMax) break;
    length += point.length;
  }
  return length;
}

function utf8Bytes(codePoint: number): number {
  if (codePoint < 0x80) return 1;
  if (codePoint < 0x800) return 2;
  return codePoint < 0x1_0000 ? 3 : 4;
}

function cutAt(text: string, length: number): string {
  const last = text.charCodeAt(length - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? length - 1 : length);
}
