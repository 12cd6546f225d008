/** How large a stored object may become. */
import type { LedgerObject } from "../source.ts";
import { scanZstd } from "./zstd-frame.ts";

/** The most bytes that an object inflates to; of one that is damaged, its stored bytes. */
export function inflatedBytesMax({ name, encoding, bytes }: LedgerObject): number {
  if (encoding === "none") return bytes.length;
  try {
    return scanZstd(name, bytes).contentBytesMax;
  } catch {
    return bytes.length; // the worker will say what is wrong with it
  }
}
