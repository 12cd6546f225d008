import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import zlib from "node:zlib";
import { CodedError } from "../../src/error.ts";
import { headerSequence } from "../../src/sources/file/header-offsets.ts";
import { openLedgerInput } from "../../src/sources/file/ledger-file.ts";
import { isRecordStream, ledgersOfXdr } from "../../src/sources/file/xdr-content.ts";
import { failureOf } from "../support/failure.ts";
import { PUBNET } from "../support/networks.ts";
import { randomFrom, seedOf } from "../support/random.ts";
import { sharedFolder } from "../support/shared.ts";
import { batchOf, TemporaryLake, tinyLedger } from "./lake-fixture.ts";

const fixtures = path.join(import.meta.dir, "../fixtures/ledgers");
const folder = mkdtempSync(path.join(tmpdir(), "ledger-file-"));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function fileOf(content: Uint8Array | string): string {
  const file = path.join(folder, `${files++}`);
  writeFileSync(file, content);
  return file;
}

interface Found {
  sequence: number;
  ledgerIndex: number;
  byteOffset: number;
  bytes: Uint8Array;
}

async function read(file: string): Promise<Found[]> {
  const found: Found[] = [];
  for await (const { path, ledgerIndex, byteOffset, bytes } of (await openLedgerInput(file)).ledgers) {
    found.push({ sequence: headerSequence(path, bytes), ledgerIndex, byteOffset, bytes: bytes.slice() });
  }
  return found;
}

/** Faults of record-marked streams and of lines, which are read a ledger at a time. */
const STREAM_FAULTS = new Set([
  "RECORD_TRUNCATED",
  "RECORD_MARK",
  "LEDGER_OUT_OF_STEP",
  "ZSTD_TRUNCATED",
  "ZSTD_CORRUPT",
  "GZIP_TRUNCATED",
  "BASE64",
]);

/** What is wrong with a file; it shows before anything of it is handed out, but for a stream's. */
async function faultOf(file: string): Promise<CodedError> {
  let ledgers = 0;
  const reading = async () => {
    for await (const _ of (await openLedgerInput(file)).ledgers) ledgers++;
  };
  const error = await failureOf(reading());
  if (!STREAM_FAULTS.has(error.reason)) expect(ledgers).toBe(0);
  return error;
}

const concat = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
const word = (value: number) => new Uint8Array(new Uint32Array([value]).buffer).reverse();
const mark = (length: number, last = true) => word(last ? length + 0x8000_0000 : length);
const record = (bytes: Uint8Array) => concat(mark(bytes.length), bytes);
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
const real = (await read(path.join(fixtures, "58752000.xdr.zst")))[0]!.bytes;

describe("formats", () => {
  const batch = batchOf(7, 9);
  const stream = concat(record(tinyLedger(4)), record(real), record(tinyLedger(58752001)));
  const lines = `${base64(tinyLedger(4))}\n\n  ${base64(real)}\r\n${base64(batch)}`;
  const kinds: [string, Uint8Array, number[], number[]][] = [
    ["a ledger", real, [58752000], [0]],
    ["a batch", batch, [7, 8, 9], [12, 424, 836]],
    ["a record-marked stream", stream, [4, 58752000, 58752001], [4, 420, 420 + real.length + 4]],
    ["base64 lines", new TextEncoder().encode(lines), [4, 58752000, 7, 8, 9], []],
  ];
  test.each(kinds)("%s, as it is, in zstd and in gzip", async (kind, content, sequences, offsets) => {
    if (kind === "base64 lines") {
      const last = lines.lastIndexOf("\n") + 1;
      offsets = [0, lines.indexOf("  ") + 2, last, last, last];
    }
    for (const stored of [content, Bun.zstdCompressSync(content), zlib.gzipSync(content)]) {
      const found = await read(fileOf(stored));
      expect(found.map(({ sequence }) => sequence)).toEqual(sequences);
      expect(found.map(({ byteOffset }) => byteOffset)).toEqual(offsets);
      expect(found.map(({ ledgerIndex }) => ledgerIndex)).toEqual(sequences.map((_, i) => i));
      const largest = found.find(({ sequence }) => sequence === 58752000);
      if (largest !== undefined) expect(Buffer.from(largest.bytes).equals(real)).toBe(true);
    }
  });

  test("a pipe", async () => {
    const file = path.join(fixtures, "ledgers-base64.txt.gz");
    const script = `import { openLedgerInput } from ${JSON.stringify(path.join(import.meta.dir, "../../src/sources/file/ledger-file.ts"))};
      let count = 0;
      for await (const _ of (await openLedgerInput("/dev/stdin")).ledgers) count++;
      console.log(count);`;
    // By a shell: Bun.spawn's own streams are sockets, which cannot be opened by path.
    const child = Bun.spawn(["sh", "-c", 'cat "$1" | "$2" -e "$3"', "sh", file, process.execPath, script]);
    expect(await new Response(child.stdout).text()).toBe("5\n");
  });

  test("records cut into random fragments", async () => {
    const seed = seedOf();
    const random = randomFrom(seed);
    for (let round = 0; round < 50; round++) {
      const ledgers = [tinyLedger(4), real.slice(), tinyLedger(58752001)].slice(0, 1 + Math.floor(random() * 3));
      const parts: Uint8Array[] = [];
      for (const ledger of ledgers) {
        for (let at = 0; at < ledger.length; ) {
          const size = Math.min(ledger.length - at, 1 + Math.floor(random() * 2 ** (random() * 20)));
          parts.push(mark(size, at + size === ledger.length), ledger.subarray(at, at + size));
          at += size;
        }
      }
      const found = await read(fileOf(concat(...parts)));
      expect(found.length, `SEED=${seed} round ${round}`).toBe(ledgers.length);
      for (const { bytes } of found) expect(Buffer.from(bytes).equals(ledgers.shift()!)).toBe(true);
    }
  });

  test("a batch that begins with a number that could be a version, or a mark", () => {
    for (const first of [0, 1, 2, 3, 0x7fff_ffff, 0x8000_0000, 0x8000_019c, 0xffff_fffe]) {
      const batch = batchOf(first, first + 1);
      expect(isRecordStream(batch)).toBe(false);
      expect(ledgersOfXdr("batch", batch).map(({ sequence }) => sequence)).toEqual([first, first + 1]);
    }
  });

  test("a ledger or a stream is never taken for a batch", async () => {
    for (const name of readdirSync(fixtures)) {
      if (!/\.(zst|zstd|gz)$/.test(name)) continue;
      for (const { bytes } of await read(path.join(fixtures, name))) {
        expect(isRecordStream(bytes)).toBe(false);
        expect(ledgersOfXdr(name, bytes).map(({ byteOffset }) => byteOffset)).toEqual([0]);
        expect(isRecordStream(record(bytes))).toBe(true);
      }
    }
  });
});

describe("lake folders", () => {
  test("the sample, in order, with its passphrase", async () => {
    const lake = path.join(import.meta.dir, "../../sample/lake");
    const input = await openLedgerInput(lake);
    expect(input.networkPassphrase).toBe(PUBNET);
    const found = await read(lake);
    expect(found.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 7 }, (_, i) => 58751994 + i));
    expect(found.every(({ ledgerIndex, byteOffset }) => ledgerIndex === 0 && byteOffset === 12)).toBe(true);
  });

  test("several ledgers a file, and a first file that is not full", async () => {
    using lake = new TemporaryLake({ ledgersPerBatch: 8, batchesPerPartition: 2, extension: "zst" });
    lake.write("FFFFFFFF--0-15/FFFFFFFF--0-7.xdr.zst", Bun.zstdCompressSync(batchOf(2, 7)));
    lake.putAll(8, 31);
    const found = await read(lake.folder);
    expect(found.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 30 }, (_, i) => 2 + i));
    expect(found.map(({ ledgerIndex }) => ledgerIndex).slice(0, 8)).toEqual([0, 1, 2, 3, 4, 5, 0, 1]);
  });

  test("a file that holds other ledgers than its name says", async () => {
    using lake = new TemporaryLake().putAll(1, 3);
    lake.write("FFFFFFFF--0-9/FFFFFFFE--1.xdr.zst", Bun.zstdCompressSync(batchOf(2, 2)));
    const named = await faultOf(lake.folder);
    expect([named.code, named.reason]).toEqual(["DATA_LOSS", "LEDGER_OUT_OF_STEP"]);
    expect(named.message).toContain("named for ledgers 1 to 1 and holds 2 to 2");
    lake.write("FFFFFFFF--0-9/FFFFFFFE--1.xdr.zst", Bun.zstdCompressSync(batchOf(1, 1, () => tinyLedger(77))));
    expect((await faultOf(lake.folder)).message).toContain("ledger 77 stands at byte 12, where 1 should");
    lake.write("FFFFFFFF--0-9/FFFFFFFE--1.xdr.zst", Bun.zstdCompressSync(tinyLedger(1)));
    expect((await faultOf(lake.folder)).code).toBe("DATA_LOSS");
  });

  test("an empty lake, and a folder that is none", async () => {
    using lake = new TemporaryLake();
    expect((await faultOf(lake.folder)).reason).toBe("LAKE_EMPTY");
    expect((await faultOf(folder)).reason).toBe("LAKE_NOT_FOUND");
    expect((await faultOf(path.join(folder, "nowhere"))).reason).toBe("FILE_NOT_FOUND");
  });
});

describe("bad files", () => {
  const cases: [string, Uint8Array | string, string, string][] = [
    ["empty", "", "LEDGER_FILE_EMPTY", "0 B of content"],
    ["blank", "\n \n\n ", "LEDGER_FILE_EMPTY", "no ledger in it"],
    ["text", "hello, this is not a ledger", "BATCH_HEAD", "no ledger data"],
    ["a ledger and more", concat(tinyLedger(5), word(0)), "XDR_TRAILING_BYTES", "at byte 412"],
    [
      "a batch that counts too few",
      concat(word(7), word(9), word(2), batchOf(7, 9).subarray(12)),
      "BATCH_HEAD",
      "batch of ledgers 7 to 9 that counts 2",
    ],
    [
      "a batch that counts more than it has",
      concat(word(7), word(9), word(3), tinyLedger(7)),
      "XDR_LENGTH",
      "3 ledgers cannot be in the 412 B",
    ],
    [
      "a batch of a thousand million ledgers",
      concat(word(7), word(1_000_000_006), word(1_000_000_000), tinyLedger(7)),
      "XDR_LENGTH",
      "at byte 8",
    ],
    ["a batch and more", concat(batchOf(7, 9), word(0)), "XDR_TRAILING_BYTES", "at byte 1248"],
    [
      "a record mark that is too long",
      concat(record(tinyLedger(4)), mark(413), tinyLedger(5)),
      "RECORD_TRUNCATED",
      "at byte 416: a record mark of 413 B, and 412 B are left",
    ],
    [
      "a record mark of 2 GiB",
      concat(mark(0x7fff_ffff), tinyLedger(5)),
      "LEDGER_TOO_LARGE",
      "the ledger at byte 0 has 2147483647 B or more, over max 67108864 B",
    ],
    [
      "a record mark that is too short",
      concat(mark(411), tinyLedger(5)),
      "RECORD_MARK",
      "at byte 0: a record of 411 B, and a ledger has 412 B at least",
    ],
    [
      "a record of nothing",
      concat(record(tinyLedger(4)), mark(0)),
      "RECORD_MARK",
      "at byte 416: a record mark of length 0",
    ],
    ["a record that is no ledger", concat(mark(8), word(1), word(2)), "RECORD_MARK", "a record of 8 B"],
    ["a record whose last fragment never comes", concat(mark(412, false), tinyLedger(4)), "RECORD_TRUNCATED", ""],
    ["base64 cut off", base64(tinyLedger(4)).slice(0, -5), "BASE64", "line 1, at byte 547"],
    [
      "base64 with a bad character",
      `${base64(tinyLedger(4))}\n${base64(tinyLedger(5)).replace("A", "*")}`,
      "BASE64",
      "line 2, at byte 553",
    ],
    ["base64 without padding", base64(real).replace(/=*$/, "").slice(0, -1), "BASE64", "line 1"],
    ["base64 wrapped", base64(tinyLedger(4)).replace(/.{76}/g, "$&\n"), "XDR_TRUNCATED", "Write one value a line"],
    ["base64 of half a ledger", base64(real.subarray(0, 999_999)), "XDR_LENGTH", "LedgerCloseMeta.v1"],
    ["base64 of a stream", base64(record(tinyLedger(4))), "BATCH_HEAD", ""],
  ];
  test.each(cases)("%s", async (_kind, content, reason, message) => {
    const file = fileOf(content);
    const error = await faultOf(file);
    expect(error.message).toStartWith(file);
    expect(error.message).toContain(message);
    expect(error.reason).toBe(reason);
  });

  test("a ledger cut off anywhere says the byte and the path", async () => {
    const seed = seedOf();
    const random = randomFrom(seed);
    for (let i = 0; i < 60; i++) {
      const length = 4 + Math.floor(random() * (real.length - 4));
      for (const content of [real.subarray(0, length), concat(word(7), word(7), word(1), real.subarray(0, length))]) {
        const error = await faultOf(fileOf(content));
        expect(error.code, `SEED=${seed} length ${length}`).toBe("DATA_LOSS");
        if (length > 412)
          expect(error.message, `SEED=${seed} length ${length}`).toMatch(/at byte \d+.*LedgerCloseMeta/);
      }
    }
  });

  test("a stream, a batch and compressed files cut off anywhere", async () => {
    const seed = seedOf();
    const random = randomFrom(seed);
    const contents = [
      concat(...[1, 2, 3, 4, 5, 6].map((n) => record(tinyLedger(n)))),
      batchOf(100, 110),
      new Uint8Array(readFileSync(path.join(fixtures, "FCD285FF--53312000.xdr.zstd"))),
      new Uint8Array(readFileSync(path.join(fixtures, "load-test-ledgers.xdr.zstd"))),
      new Uint8Array(readFileSync(path.join(fixtures, "ledgers-base64.txt.gz"))),
    ];
    for (const [kind, content] of contents.entries()) {
      for (let i = 0; i < 40; i++) {
        const length = Math.floor(random() * content.length);
        if (kind === 0 && length % 416 === 0 && length > 0) continue; // whole records
        const error = await faultOf(fileOf(content.subarray(0, length)));
        expect(error.code, `SEED=${seed} content ${kind} length ${length}`).toBe("DATA_LOSS");
      }
    }
  });

  test("random words never crash or hang it", async () => {
    const seed = seedOf();
    const random = randomFrom(seed);
    for (let i = 0; i < 2000; i++) {
      const content = i % 2 ? new Uint8Array(Math.floor(random() * 600)) : batchOf(7, 9);
      for (let j = 0; j < 8 && content.length > 0; j++) {
        content[Math.floor(random() * content.length)] = Math.floor(random() * 256);
      }
      try {
        isRecordStream(content);
        ledgersOfXdr("x", content);
      } catch (thrown) {
        expect(thrown, `SEED=${seed} round ${i}`).toBeInstanceOf(CodedError);
      }
    }
  });
});

const shared = sharedFolder("ledgers");
describe.skipIf(shared === undefined)("every ledger under ../shared/ledgers (skipped where that is absent)", () => {
  test("files of all kinds", async () => {
    let count = 0;
    for (const entry of readdirSync(shared!, { recursive: true, withFileTypes: true })) {
      if (entry.isFile() && /\.(xdr|xdr\.zst|xdr\.zstd)$/.test(entry.name) && !entry.parentPath.includes("--")) {
        count += (await read(path.join(entry.parentPath, entry.name))).length;
      }
    }
    expect(count).toBeGreaterThan(100);
  });

  test("lakes", async () => {
    expect((await read(path.join(shared!, "lake"))).map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: 200 }, (_, i) => 63103900 + i),
    );
    expect((await read(path.join(shared!, "lake-lpf8"))).length).toBe(16);
  });
});
