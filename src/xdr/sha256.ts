/** SHA-256 of small byte strings: Bun's where it runs, node:crypto elsewhere. */
import { createHash } from "node:crypto";

/** Bun's one-shot hash writes into a given buffer and makes no object: three times as fast as createHash on 112 bytes. */
const bunHash = (globalThis as { Bun?: { SHA256: { hash(input: Uint8Array, into: Uint8Array): unknown } } }).Bun
  ?.SHA256;

/** Writes the 32-byte digest of `input` to the start of `into`, which holds exactly 32 bytes. */
export const sha256Into: (input: Uint8Array, into: Uint8Array) => void =
  bunHash === undefined
    ? (input, into) => into.set(createHash("sha256").update(input).digest())
    : (input, into) => {
        bunHash.hash(input, into);
      };

/** The 32-byte digest of `input`. */
export function sha256(input: Uint8Array): Uint8Array {
  const digest = new Uint8Array(32);
  sha256Into(input, digest);
  return digest;
}
