/** Header blocks as plain literals (RFC 7541, section 6.2): nothing is compressed, and no table is needed. */
import type { Header } from "./static-table.ts";

const WITHOUT_INDEXING = 0x00;
const NEVER_INDEXED = 0x10; // proxies on the way keep it out of their tables, too: section 7.1.3
const LENGTH_PREFIX_MAX = 0x7f;

/** @param headers names in lower case; characters are octets. The value of `authorization` is kept out of all tables */
export function encodeLiterals(headers: readonly Header[]): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of headers) {
    parts.push(Buffer.of(name === "authorization" ? NEVER_INDEXED : WITHOUT_INDEXING));
    for (const text of [name, value]) parts.push(lengthOf(text), Buffer.from(text, "latin1"));
  }
  return Buffer.concat(parts);
}

/** An integer with a prefix of 7 bits (section 5.1). */
function lengthOf({ length }: string): Buffer {
  if (length < LENGTH_PREFIX_MAX) return Buffer.of(length);
  const bytes = [LENGTH_PREFIX_MAX];
  let rest = length - LENGTH_PREFIX_MAX;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.of(...bytes, rest);
}
