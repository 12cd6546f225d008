/** Protobuf's base-128 varint (Encoding, "Base 128 Varints"). */

/** Bytes that an unsigned 32-bit number takes: 1 to 5. */
export function varintLength(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  return value < 0x10000000 ? 4 : 5;
}
