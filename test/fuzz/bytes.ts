/** Small pieces of XDR. */

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** A big-endian integer of 4 or 8 bytes; negative numbers in two's complement. */
export function int(value: number, size: 4 | 8 = 4): Uint8Array {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  if (size === 4) view.setInt32(0, value);
  else view.setBigInt64(0, BigInt(value));
  return bytes;
}

/** Length, content, padding. */
export function opaqueBytes(content: Uint8Array): Uint8Array {
  return concat(int(content.length), content, new Uint8Array(-content.length & 3));
}
