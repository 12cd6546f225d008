/** A stream of everything that is allowed, split anywhere: the same messages and the same end come out. */
import { expect, test } from "bun:test";
import type { CallStatus } from "../../src/grpc/stream-client/call-status.ts";
import { statusOfTrailers } from "../../src/grpc/stream-client/call-status.ts";
import { MessageAssembler } from "../../src/grpc/stream-client/message-assembler.ts";
import { MessageBuffers } from "../../src/grpc/stream-client/message-buffers.ts";
import { ClientStream } from "../../src/http2/client/client-stream.ts";
import { encodeLiterals } from "../../src/http2/hpack/literals.ts";
import type { Header } from "../../src/http2/hpack/static-table.ts";
import { frame, parseFrames, settings, windowUpdate } from "../http2/frames.ts";
import { randomFrom, seedOf } from "../support/random.ts";
import { grpcMessage } from "./raw-peer.ts";

const SPLITS = 1000;
const WINDOW_BYTES = 8 << 20;
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
  const sizes = [0, 1, 5, 300, 16_379, 16_384, 70_000, 0, 200_000, 65_536, 3];
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

interface Outcome {
  messages: Buffer[];
  status: CallStatus | undefined;
  pings: string[];
  goaway: string | undefined;
}

function received(pieces: Iterable<Buffer>): Outcome {
  const outcome: Outcome = { messages: [], status: undefined, pings: [], goaway: undefined };
  const buffers = new MessageBuffers(1 << 20);
  const written: Buffer[] = [];
  const assembler = new MessageAssembler(buffers, 1 << 20, ({ bytes }) => {
    outcome.messages.push(Buffer.from(bytes));
    buffers.give(bytes); // the next message comes into the same memory
  });
  const stream = new ClientStream(
    {
      write: (bytes) => written.push(bytes),
      headers: (headers: readonly Header[], isLast) => {
        if (isLast) outcome.status = statusOfTrailers(headers);
      },
      data: (chunk, from, to) => assembler.add(chunk, from, to),
      ended: () => {},
      reset: () => {},
    },
    [[":path", "/"]],
    Buffer.alloc(0),
    WINDOW_BYTES,
  );
  const request = written.length;
  for (const piece of pieces) {
    const own = Buffer.from(piece);
    stream.feed(own);
    own.fill(0xee); // as a socket's memory, which is used again
  }
  for (const { type, flags, payload } of parseFrames(Buffer.concat(written.slice(request)))) {
    if (type === 6) outcome.pings.push(`${flags} ${payload.toString()}`);
  }
  outcome.goaway = stream.goawaySaid;
  return outcome;
}

function* splitAt(bytes: Buffer, next: () => number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const to = Math.min(bytes.length, at + next());
    yield bytes.subarray(at, to);
    at = to;
  }
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
  expect(received(splitAt(bytes, () => 1))).toEqual(whole);
  for (let round = 0; round < SPLITS; round++) {
    const sizeMax = 1 + random() ** 4 * 100_000;
    const same = Bun.deepEquals(received(splitAt(bytes, () => 1 + Math.floor(random() * sizeMax))), whole);
    if (!same) throw new Error(`SEED=${seed}: round ${round} differs`);
  }
}, 120_000);
