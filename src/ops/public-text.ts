/**
 * What HTTP tells to anybody who asks: no idempotency keys, which would let a stranger take a client's session for its
 * own, and no folders of the machine.
 */

/** An absolute path of at least two parts, at the text's start or behind what can stand before a path. */
const PATH = /(^|[\s"'(=:])(?:\/[^\s"'():,/]+)+(\/[^\s"'():,/]+)/g;

/** `text` with the last part alone of every absolute path: `lake /data/pubnet/lake` → `lake …/lake`. */
export function withoutFolders(text: string): string {
  return text.replace(PATH, "$1…$2");
}

/** A replacer for JSON.stringify. */
export function publicValue(key: string, value: unknown): unknown {
  if (key === "idempotencyKey") return undefined;
  return typeof value === "string" ? withoutFolders(value) : value;
}
