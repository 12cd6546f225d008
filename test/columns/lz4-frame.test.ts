/** Our LZ4 frames against a decoder written from the format's text, and (in test/flight) against other people's. */
import { expect, test } from "bun:test";
import { lz4FrameBytesMax, writeLz4Frame } from "../../src/workers/lz4-frame.ts";
import { randomFrom, seedOf } from "../support/random.ts";

/** Decodes a frame of independent blocks without checksums or content size. */
function decode(frame: Uint8Array): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  expect(view.getUint32(0, true)).toBe(0x184d2204);
  expect([...frame.subarray(4, 7)]).toEqual([0x60, 0x70, 0x73]);
  const blocks: number[][] = [];
  let at = 7;
  for (;;) {
    const size = view.getUint32(at, true);
    at += 4;
    if (size === 0) break;
    const bytes = size & 0x7fffffff;
    const block = frame.subarray(at, at + bytes);
    blocks.push((size & 0x80000000) !== 0 ? [...block] : decodeBlock(block));
    at += bytes;
  }
  expect(at).toBe(frame.length);
  return new Uint8Array(blocks.flat());
}

function decodeBlock(block: Uint8Array): number[] {
  const out: number[] = [];
  let at = 0;
  const length = (nibble: number) => {
    let value = nibble;
    if (nibble === 15) {
      let more: number;
      do {
        more = block[at++]!;
        value += more;
      } while (more === 255);
    }
    return value;
  };
  for (;;) {
    const token = block[at++]!;
    const literals = length(token >> 4);
    for (let i = 0; i < literals; i++) out.push(block[at++]!);
    if (at === block.length) return out;
    const distance = block[at]! | (block[at + 1]! << 8);
    at += 2;
    expect(distance).toBeGreaterThan(0);
    expect(distance).toBeLessThanOrEqual(out.length);
    const match = length(token & 15) + 4;
    for (let i = 0; i < match; i++) out.push(out[out.length - distance]!);
  }
}

function roundTrip(source: Uint8Array, label: string): number {
  const out = new Uint8Array(lz4FrameBytesMax(source.length) + 3);
  const end = writeLz4Frame(source, out, 3);
  expect(end, label).toBeLessThanOrEqual(out.length);
  expect(Buffer.compare(decode(out.subarray(3, end)), source), label).toBe(0);
  return end - 3;
}

test("frames give back what went in, whatever its size and make-up (seeded)", () => {
  const seed = seedOf();
  const random = randomFrom(seed);
  for (let size = 0; size < 40; size++) roundTrip(new Uint8Array(size).fill(7), `${size} equal bytes`);
  for (let run = 0; run < 300; run++) {
    const letters = 1 + Math.floor(random() * (run % 3 === 0 ? 256 : 4));
    const source = new Uint8Array(Math.floor(random() * 3000)).map(() => Math.floor(random() * letters));
    if (source.length > 600) source.copyWithin(500, Math.floor(random() * 200), 300);
    roundTrip(source, `seed ${seed} run ${run}`);
  }
});

test("what repeats becomes small, noise hardly grows, and matches reach no further than the format allows", () => {
  expect(roundTrip(new Uint8Array(300_000), "zeros")).toBeLessThan(1500);
  const random = randomFrom(7);
  const noise = new Uint8Array(100_000).map(() => Math.floor(random() * 256));
  expect(roundTrip(noise, "noise")).toBeLessThanOrEqual(lz4FrameBytesMax(noise.length));
  roundTrip(Uint8Array.from([...noise.subarray(0, 70_000), ...noise.subarray(0, 70_000)]), "a match too far away");
});

test("more than one block", () => {
  const random = randomFrom(11);
  const source = new Uint8Array((4 << 20) + 1000).map(() => Math.floor(random() * 2));
  const out = new Uint8Array(lz4FrameBytesMax(source.length));
  const end = writeLz4Frame(source, out, 0);
  const first = new DataView(out.buffer).getUint32(7, true);
  expect(first).toBeLessThan(4 << 20);
  const second = new DataView(out.buffer).getUint32(11 + first, true) & 0x7fffffff;
  expect(end).toBe(11 + first + 4 + second + 4);
});
