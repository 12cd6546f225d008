import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import zlib from "node:zlib";
import { CodedError } from "../../src/error.ts";
import { detectEncoding, InflateBuffer, Inflater } from "../../src/sources/file/inflate.ts";
import { scanZstd, ZSTD_FRAMES_MAX } from "../../src/sources/file/zstd-frame.ts";
import { thrownBy } from "../support/failure.ts";
import { randomFrom, seedOf } from "../support/random.ts";

const LIMIT = 8 << 20;

/** As Galexie wrote it: one frame of several blocks, checksum, no content size. */
const galexie = new Uint8Array(
  readFileSync(new URL("../fixtures/ledgers/FCD285FF--53312000.xdr.zstd", import.meta.url)),
);
const content = Bun.zstdDecompressSync(galexie);

const u24 = (value: number) => [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff];
const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];
/** A frame without content size or checksum; `window` is the window descriptor byte (0x68: 8 MiB). */
const frame = (blocks: number[], window = 0x68) => new Uint8Array([...MAGIC, 0x00, window, ...blocks]);
const rleBlock = (size: number, last: boolean) => [...u24((size << 3) | (1 << 1) | (last ? 1 : 0)), 0x41];
const rawBlock = (bytes: number[], last: boolean) => [...u24((bytes.length << 3) | (last ? 1 : 0)), ...bytes];
const concat = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
const sized = new Uint8Array(Bun.zstdCompressSync(content));

describe.each(["fast", "documented"] as const)("Inflater, %s decoder", (decoder) => {
  const inflate = (bytes: Uint8Array, bytesMax = LIMIT) =>
    new Inflater(bytesMax, decoder).inflate("ledger.zst", bytes, "zstd");

  test("a frame without content size, and one with", () => {
    expect(Buffer.from(inflate(galexie)).equals(content)).toBe(true);
    expect(scanZstd("x", sized).contentBytesMax).toBe(content.length);
    expect(Buffer.from(inflate(sized)).equals(content)).toBe(true);
  });

  test("one object for many files; a result is valid until its buffer is used again", () => {
    const inflater = new Inflater(LIMIT, decoder);
    const kept = new InflateBuffer();
    const first = inflater.inflate("a", galexie, "zstd", kept);
    for (const size of [0, 1, 100_000, 3_000_000, 10]) {
      const bytes = new Uint8Array(size).fill(size & 0xff);
      expect(Buffer.from(inflater.inflate("b", Bun.zstdCompressSync(bytes), "zstd")).equals(bytes)).toBe(true);
    }
    expect(Buffer.from(first).equals(content)).toBe(true);
    inflater.close();
  });

  test("bytes in shared memory", () => {
    const shared = new Uint8Array(new SharedArrayBuffer(galexie.length));
    shared.set(galexie);
    expect(Buffer.from(inflate(shared)).equals(content)).toBe(true);
  });

  test("several frames and skippable ones are one content", () => {
    const skippable = new Uint8Array([0x5f, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
    const all = inflate(concat(skippable, galexie, skippable, sized, frame(rawBlock([7], true))));
    expect(Buffer.from(all).equals(concat(content, content, new Uint8Array([7])))).toBe(true);
    expect(inflate(skippable).length).toBe(0);
  });

  test("exactly the limit passes, one byte less does not", () => {
    for (const bytes of [galexie, sized, concat(frame(rleBlock(1000, true)), frame(rleBlock(1000, true)))]) {
      const length = inflate(bytes).length;
      expect(inflate(bytes, length).length).toBe(length);
      const error = thrownBy(() => inflate(bytes, length - 1));
      expect(error.code).toBe("RESOURCE_EXHAUSTED");
      expect(error.message).toContain(`ledger.zst: over max ${length - 1} B`);
    }
  });

  test("a bomb costs no more memory than the limit", () => {
    // 100,000 blocks of one repeated byte: 400 kB that inflate to 12.5 GiB.
    const blocks: number[] = [];
    for (let i = 0; i < 100_000; i++) blocks.push(...rleBlock(128 << 10, i === 99_999));
    const before = process.memoryUsage().rss;
    const error = thrownBy(() => inflate(frame(blocks)));
    expect(error.reason).toBe("INFLATED_TOO_LARGE");
    expect(process.memoryUsage().rss - before).toBeLessThan(256 << 20);
  });

  test("a frame that claims to be huge is refused before it is decoded", () => {
    const claim = new Uint8Array(sized);
    new DataView(claim.buffer).setUint32(5, 0xffff_fff0, true);
    expect(claim[4]! >> 6).toBe(2);
    const error = thrownBy(() => inflate(claim));
    expect(error.reason).toBe("ZSTD_CORRUPT");
    expect(error.message).toContain("the frame claims 4294967280 B");
  });

  test("a claimed size that is a little off", () => {
    for (const change of [-1, 1, 1000]) {
      const claim = new Uint8Array(sized);
      new DataView(claim.buffer).setUint32(5, content.length + change, true);
      expect(thrownBy(() => inflate(claim)).code).toBe("DATA_LOSS");
    }
  });

  test("cut off anywhere, it is truncated, never short", () => {
    const small = Bun.zstdCompressSync(content.subarray(0, 3000));
    for (let length = 0; length < small.length; length++) {
      const error = thrownBy(() => inflate(small.subarray(0, length)));
      expect(error.reason).toBe("ZSTD_TRUNCATED");
      expect(error.message).toContain(`ends at byte ${length}`);
    }
    for (let length = 0; length < galexie.length; length += 997) {
      expect(thrownBy(() => inflate(galexie.subarray(0, length))).reason).toBe("ZSTD_TRUNCATED");
    }
  });

  test("something else after the frame", () => {
    const error = thrownBy(() => inflate(concat(galexie, new TextEncoder().encode("and more"))));
    expect(error.reason).toBe("ZSTD_TRAILING_BYTES");
    expect(error.message).toContain(`8 B that are not zstd follow the frame that ends at byte ${galexie.length}`);
    expect(thrownBy(() => inflate(concat(galexie, new Uint8Array(3)))).reason).toBe("ZSTD_TRAILING_BYTES");
    expect(thrownBy(() => inflate(concat(galexie, new Uint8Array(MAGIC.slice(0, 3))))).reason).toBe("ZSTD_TRUNCATED");
  });

  test("a flipped bit is an error or changes nothing, and the next file is fine", () => {
    const seed = seedOf();
    const random = randomFrom(seed);
    const inflater = new Inflater(LIMIT, decoder);
    const flips = 100;
    let errors = 0;
    for (let i = 0; i < flips; i++) {
      const bytes = new Uint8Array(galexie);
      const at = MAGIC.length + Math.floor(random() * (bytes.length - MAGIC.length));
      bytes[at]! ^= 1 << Math.floor(random() * 8);
      // Headers of frames and blocks have bits without a meaning; any other is caught by the checksum at the latest.
      try {
        const inflated = inflater.inflate("flipped", bytes, "zstd");
        expect(Buffer.from(inflated).equals(content), `SEED=${seed} byte ${at}`).toBe(true);
      } catch (thrown) {
        expect(thrown, `SEED=${seed} byte ${at}`).toBeInstanceOf(CodedError);
        expect((thrown as CodedError).message).toStartWith("flipped: ");
        errors++;
      }
      expect(Buffer.from(inflater.inflate("good", galexie, "zstd")).equals(content)).toBe(true);
    }
    expect(errors, `SEED=${seed}`).toBeGreaterThan(flips / 2);
  });

  test("random bytes behind a good header", () => {
    const seed = seedOf();
    const random = randomFrom(seed);
    for (let i = 0; i < 300; i++) {
      const bytes = new Uint8Array(20 + Math.floor(random() * 2000));
      for (let j = 0; j < bytes.length; j++) bytes[j] = Math.floor(random() * 256);
      bytes.set(MAGIC);
      bytes[4] = Math.floor(random() * 256) & 0xf7;
      try {
        expect(inflate(bytes).length).toBeLessThanOrEqual(LIMIT);
      } catch (thrown) {
        expect(thrown, `SEED=${seed}`).toBeInstanceOf(CodedError);
      }
    }
  });

  test("gzip: whole, two members, cut off, followed by garbage, too large", () => {
    const inflater = new Inflater(LIMIT, decoder);
    const gzip = new Uint8Array(zlib.gzipSync(content));
    const run = (bytes: Uint8Array, max = LIMIT) => new Inflater(max, decoder).inflate("f.gz", bytes, "gzip");
    expect(Buffer.from(inflater.inflate("f.gz", gzip, "gzip")).equals(content)).toBe(true);
    expect(run(concat(gzip, gzip)).length).toBe(2 * content.length);
    expect(run(gzip, content.length).length).toBe(content.length);
    expect(thrownBy(() => run(gzip, content.length - 1)).reason).toBe("INFLATED_TOO_LARGE");
    for (const length of [3, 10, 1000, gzip.length - 8, gzip.length - 1]) {
      const error = thrownBy(() => run(gzip.subarray(0, length)));
      expect(error.message).toStartWith("f.gz: ");
      expect(error.code).toBe("DATA_LOSS");
    }
    expect(thrownBy(() => run(concat(gzip, new TextEncoder().encode("garbage")))).reason).toBe("GZIP_CORRUPT");
    const flipped = new Uint8Array(gzip);
    flipped[gzip.length - 6]! ^= 1;
    expect(thrownBy(() => run(flipped)).reason).toBe("GZIP_CORRUPT");
  });

  test("not compressed: the same bytes, within the limit", () => {
    const inflater = new Inflater(10, decoder);
    const bytes = new Uint8Array(10);
    expect(inflater.inflate("x", bytes, "none")).toBe(bytes);
    expect(thrownBy(() => inflater.inflate("x", new Uint8Array(11), "none")).message).toContain("over max 10 B");
  });
});

describe("scanZstd", () => {
  test("bounds what a frame can hold", () => {
    const scan = scanZstd("x", frame([...rleBlock(1000, false), ...rawBlock([1, 2, 3], true)]));
    expect(scan).toEqual({
      frames: [{ start: 0, end: 16, contentBytesMax: 1003, contentSizeKnown: false }],
      contentBytesMax: 1003,
    });
  });

  test.each([
    ["not zstd", new Uint8Array([1, 2, 3, 4, 5]), "ZSTD_CORRUPT", "at byte 0"],
    ["a reserved bit", new Uint8Array([...MAGIC, 0x08, 0x68, ...rleBlock(1, true)]), "ZSTD_CORRUPT", "at byte 4"],
    ["a dictionary", new Uint8Array([...MAGIC, 0x01, 0x68, 7, ...rleBlock(1, true)]), "ZSTD_CORRUPT", "dictionary"],
    ["a block of type 3", frame([...u24((1 << 3) | 7), 0]), "ZSTD_CORRUPT", "at byte 6"],
    ["a block over the window", frame(rleBlock(2000, true), 0), "ZSTD_CORRUPT", "2000 B, over the 1024 B"],
    ["a block over 128 KiB", frame(rleBlock((128 << 10) + 1, true)), "ZSTD_CORRUPT", "131073 B, over the 131072 B"],
    ["a window of 128 MiB", frame(rleBlock(1, true), 0x88), "ZSTD_WINDOW", "134217728 B, over max 33554432 B"],
    ["no last block", frame(rleBlock(1, false)), "ZSTD_TRUNCATED", "inside a block header at byte 10"],
    ["a cut-off skippable frame", new Uint8Array([0x50, 0x2a, 0x4d, 0x18, 9, 0, 0, 0]), "ZSTD_TRUNCATED", "skippable"],
  ])("%s", (_name, bytes, reason, message) => {
    const error = thrownBy(() => scanZstd("f", bytes));
    expect(error.reason).toBe(reason);
    expect(error.message).toContain(message);
  });

  test("too many frames", () => {
    const one = frame(rawBlock([], true));
    const many = new Uint8Array(one.length * (ZSTD_FRAMES_MAX + 1));
    for (let at = 0; at < many.length; at += one.length) many.set(one, at);
    expect(scanZstd("f", many.subarray(one.length)).frames.length).toBe(ZSTD_FRAMES_MAX);
    expect(thrownBy(() => scanZstd("f", many)).reason).toBe("ZSTD_FRAMES");
  });
});

test("detectEncoding", () => {
  expect(detectEncoding(galexie)).toBe("zstd");
  expect(detectEncoding(zlib.gzipSync("x"))).toBe("gzip");
  expect(detectEncoding(content)).toBe("none");
  expect(detectEncoding(new Uint8Array(0))).toBe("none");
});
