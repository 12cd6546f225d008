/**
 * Memory given back at once. A dropped buffer lies until the collector of its thread comes round, and collectors go by
 * the growth of their heap: a thread that reads files into fresh buffers held 80 MB of them.
 *
 * For the main thread only. Once a buffer has been detached in a thread, its compiler no longer takes typed arrays for
 * constants, and decoding or serving costs a tenth more CPU: decode workers and the data plane use their buffers again.
 */

/**
 * Frees the memory behind `bytes`, which nobody may read or write any more. Does nothing where `bytes` is part of a larger
 * buffer, or of shared memory. Every view of the buffer has length 0 afterwards.
 */
export function freeBytes({ buffer, byteLength }: Uint8Array): void {
  if (!(buffer instanceof ArrayBuffer) || byteLength !== buffer.byteLength || byteLength === 0) return;
  buffer.transfer(0);
}
