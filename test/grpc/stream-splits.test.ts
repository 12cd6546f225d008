/** A stream of everything that is allowed, split anywhere: the same messages and the same end come out. */
import { expect, test } from "bun:test";
import { encodeLiterals } from "../../src/http2/hpack/literals.ts";
import { RawLedgerStream } from "../../src/sources/raw-ledger/raw-ledger-stream.ts";
import { frame, parseFrames, settings, windowUpdate } from "../http2/frames.ts";
import { ByteProxy } from "../support/byte-proxy.ts";
import { GoSource } from "../support/go-source.ts";
import { randomFrom, seedOf } from "../support/random.ts";
import { grpcMessage } from "./raw-peer.ts";
import { received, splitAt } from "./stream-outcome.ts";

const SPLITS = 1000;
const PADDED = 8;
const PRIORITY = 0x20;
const END_HEADERS = 4;
const END_STREAM = 1;

/** Entries that go into the dynamic table, then trailers that name them. */
const indexed = (list: [string, string][]) =>
  Buffer.concat(
    list.map((header) => {
      const block = encodeLiterals([header]);
      block[0] = 0x40;
      return block;
    }),
  );

function padded(bytes: Buffer, padding: number): Buffer {
  return frame(0, PADDED, 1, Buffer.concat([Buffer.of(padding), bytes, Buffer.alloc(padding)]));
}

/** A long stream, with a byte of each kind in every position that matters; and the messages in it. */
function everything(random: () => number): { bytes: Buffer; messages: Buffer[] } {
  const sizes = [0, 1, 5, 300, 16_379, 16_384, 70_000, 0, 3];
  const messages = sizes.map((size) => Buffer.from(Uint8Array.from({ length: size }, () => random() * 256)));
  const begin = Buffer.concat([
    Buffer.of(3, 0, 0, 0, 0, 16), // pad length, priority
    Buffer.of(0x88), // :status 200
    indexed([
      ["content-type", "application/grpc"],
      ["grpc-status", "0"],
    ]),
  ]);
  const parts = [
    settings([3, 100], [4, 70_000], [5, 16_384]),
    frame(4, 1, 0),
    windowUpdate(0, 100),
    frame(1, PADDED | PRIORITY, 1, Buffer.concat([begin.subarray(0, 10), Buffer.alloc(3)])),
    frame(9, 0, 1, begin.subarray(10, 11)),
    frame(9, 0, 1),
    frame(9, END_HEADERS, 1, begin.subarray(11)),
    frame(0x42, 0xff, 7, Buffer.from("unknown")),
    frame(2, 0, 1, Buffer.alloc(5)),
  ];
  const data = Buffer.concat(messages.map((message) => grpcMessage(message)));
  for (let at = 0, n = 0; at < data.length; n++) {
    const size = Math.min(
      data.length - at,
      n % 3 === 0 ? 1 + Math.floor(random() * 40) : 1 + Math.floor(random() * 16_000),
    );
    const piece = data.subarray(at, at + size);
    parts.push(n % 4 === 0 ? padded(piece, Math.floor(random() * 255)) : frame(0, 0, 1, piece));
    if (n % 5 === 0) parts.push(frame(6, 0, 0, Buffer.from(`ping ${String(n).padStart(3)}`)));
    if (n % 7 === 0) parts.push(frame(0, 0, 1));
    if (n % 11 === 0) parts.push(padded(Buffer.alloc(0), 255));
    if (n === 9) parts.push(frame(7, 0, 0, Buffer.concat([Buffer.of(0, 0, 0, 1, 0, 0, 0, 0), Buffer.from("bye")])));
    at += size;
  }
  // 62 is the entry that came last, grpc-status; then a message whose text is percent-encoded.
  const end = Buffer.concat([Buffer.of(0xbe), encodeLiterals([["grpc-message", "100 %25 %C3%BC"]])]);
  parts.push(frame(1, END_STREAM, 1, end.subarray(0, 4)), frame(9, END_HEADERS, 1, end.subarray(4)));
  return { bytes: Buffer.concat(parts), messages };
}

test("whole, byte by byte, and at a thousand random splits", () => {
  const seed = seedOf();
  const random = randomFrom(seed);
  const { bytes, messages } = everything(random);
  const whole = received([bytes]);
  expect(whole.messages.map((message, i) => message.equals(messages[i]!))).toEqual(messages.map(() => true));
  expect(whole.status).toMatchObject({ code: 0, details: "100 % ü" });
  expect(whole.goaway).toBe("GOAWAY 0 (bye)");
  expect(whole.pings[0]).toBe("1 ping   0");
  checkSplits(bytes, whole, random, seed);
}, 120_000);

test("a stream recorded from grpc-go, with CONTINUATION and entries of the table", async () => {
  const flags = ["-metadata", "20000", "-size", "6000", "-count", "8", "-end", "0", "-goaway-at", "4"];
  using source = await GoSource.start(flags);
  if (source === undefined) return;
  using proxy = await ByteProxy.start(source.address);
  const stream = new RawLedgerStream(proxy.address, 1);
  while ((await stream.next(30_000)).kind === "ledger");
  const bytes = Buffer.concat(proxy.fromServer);
  const types = parseFrames(bytes).map(({ type }) => type);
  expect([...new Set(types)].sort()).toEqual(expect.arrayContaining([0, 1, 4, 7, 9]));
  const whole = received([bytes]);
  expect([whole.messages.length, whole.status?.code]).toEqual([8, 0]);
  expect(whole.goaway).toStartWith("GOAWAY 0");
  const seed = seedOf();
  checkSplits(bytes, whole, randomFrom(seed), seed);
}, 120_000);

function checkSplits(bytes: Buffer, whole: ReturnType<typeof received>, random: () => number, seed: number): void {
  expect(received(splitAt(bytes, () => 1))).toEqual(whole);
  for (let round = 0; round < SPLITS; round++) {
    const sizeMax = 1 + random() ** 2 * 100_000; // one in a hundred under ten bytes
    const same = Bun.deepEquals(received(splitAt(bytes, () => 1 + Math.floor(random() * sizeMax))), whole);
    if (!same) throw new Error(`SEED=${seed}: round ${round} differs`);
  }
}
