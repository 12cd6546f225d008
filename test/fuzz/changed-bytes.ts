/** Bytes that were sound. */
import type { Dice } from "./dice.ts";

/** The bytes with up to four of them changed; now and then cut. */
export function changedBytes(dice: Dice, sound: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(sound);
  if (bytes.length === 0) return bytes;
  for (let change = dice.below(4); change >= 0; change--) bytes[dice.below(bytes.length)] = dice.below(256);
  return dice.chance(0.3) ? bytes.subarray(0, dice.below(bytes.length)) : bytes;
}
