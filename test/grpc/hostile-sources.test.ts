/** A source that lies, floods or breaks off: a coded error for each, with a sentence, and no connection left. */
import { describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { RawLedger } from "../../src/grpc/generated/raw-ledger-service.ts";
import { QUEUE_MESSAGES_MAX, WINDOW_BYTES } from "../../src/grpc/stream-client/server-stream.ts";
import { HEADER_LIST_BYTES_MAX, QUIET_FRAMES_MAX } from "../../src/http2/client/client-stream.ts";
import { encodeLiterals } from "../../src/http2/hpack/literals.ts";
import { LEDGER_BYTES_MAX } from "../../src/sources/limits.ts";
import { RawLedgerSource } from "../../src/sources/raw-ledger/raw-ledger-grpc.ts";
import { RawLedgerStream } from "../../src/sources/raw-ledger/raw-ledger-stream.ts";
import { frame, settings } from "../http2/frames.ts";
import { tinyLedger } from "../sources/lake-fixture.ts";
import { failureOf } from "../support/failure.ts";
import { until } from "../support/until.ts";
import {
  ANSWER_BEGINS,
  answerHeaders,
  dataFrames,
  GREETING,
  grpcMessage,
  ledgerMessage,
  RawPeer,
  trailers,
} from "./raw-peer.ts";

const quick = { reconnectMsMin: 1, reconnectMsMax: 10, outageMsMax: 1 };

async function failure(peer: RawPeer) {
  const source = new RawLedgerSource(peer.address, quick);
  const read = async () => {
    for await (const { ledgerFirst } of source.read(1, 0, new AbortController().signal)) expect(ledgerFirst).toBe(1);
  };
  return failureOf(read());
}

/** A peer that says `parts` and waits: whoever connected leaves by itself. */
async function refusal(...parts: Uint8Array[]) {
  using peer = await RawPeer.saying(...parts);
  const error = await failure(peer);
  await until(() => peer.sockets.size === 0, "no connection is left");
  return error;
}

const FLOOD = QUIET_FRAMES_MAX + 10;
const repeated = (bytes: Buffer, count: number) => Buffer.concat(Array.from({ length: count }, () => bytes));
const unfinished = frame(1, 0, 1, encodeLiterals([[":status", "200"]]));
const ping = frame(6, 0, 0, Buffer.alloc(8));
const SETTINGS = settings();

describe("frames", () => {
  test.each<[string, Buffer[], string]>([
    ["HTTP/1", [Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")], "what it says first is not HTTP/2"],
    ["an alert of TLS", [Buffer.of(21, 3, 1, 0, 2, 2, 70, 0, 0)], "does it speak TLS? Then write grpcs://"],
    ["no SETTINGS", [ANSWER_BEGINS], "what it says first is not HTTP/2"],
    ["a frame that is too large", [GREETING, frame(0, 0, 1, Buffer.alloc(16_385))], "has 16385 B, over max 16384 B"],
    ["DATA before the answer's headers", [SETTINGS, frame(0, 0, 1, Buffer.alloc(1))], "DATA came before"],
    ["DATA of another stream", [GREETING, frame(0, 0, 3, Buffer.alloc(1))], "of stream 3; there is only 1"],
    ["more padding than bytes", [GREETING, frame(0, 8, 1, Buffer.of(3, 0))], "more padding than bytes"],
    ["padding where there is no byte", [GREETING, frame(0, 8, 1), ping], "more padding than bytes"],
    ["HEADERS with more padding", [SETTINGS, frame(1, 12, 1, Buffer.of(9, 0x88))], "more padding than bytes"],
    ["a push", [GREETING, frame(5, 4, 1, Buffer.of(0, 0, 0, 2, 0x88))], "it pushes"],
    ["CONTINUATION of nothing", [GREETING, frame(9, 4, 1)], "type 9 came outside a header block"],
    ["a frame inside a header block", [SETTINGS, unfinished, ping], "type 6 came inside a header block"],
    ["CONTINUATION of another stream", [SETTINGS, unfinished, frame(9, 4, 3)], "inside a header block"],
    ["SETTINGS of 5 bytes", [GREETING, frame(4, 0, 0, Buffer.alloc(5))], "type 4 has a wrong length or stream"],
    ["PING of 7 bytes", [GREETING, frame(6, 0, 0, Buffer.alloc(7))], "type 6 has a wrong length or stream"],
    ["RST_STREAM of no stream", [GREETING, frame(3, 0, 0, Buffer.alloc(4))], "type 3 has a wrong length or stream"],
    ["GOAWAY of 7 bytes", [GREETING, frame(7, 0, 0, Buffer.alloc(7))], "type 7 has a wrong length or stream"],
    ["headers that are no HPACK", [SETTINGS, frame(1, 4, 1, Buffer.of(0x80))], "entry 0, which is in no table"],
    ["a flood of PING", [GREETING, repeated(ping, FLOOD)], `over max ${QUIET_FRAMES_MAX}`],
    ["a flood of SETTINGS", [GREETING, repeated(SETTINGS, FLOOD)], `over max ${QUIET_FRAMES_MAX}`],
    ["a flood of empty DATA", [GREETING, repeated(frame(0, 0, 1), FLOOD)], `over max ${QUIET_FRAMES_MAX}`],
    ["a flood of nothing known", [GREETING, repeated(frame(99, 0, 9), FLOOD)], `over max ${QUIET_FRAMES_MAX}`],
    [
      "a flood of CONTINUATION",
      [SETTINGS, unfinished, repeated(frame(9, 0, 1), FLOOD)],
      `over max ${QUIET_FRAMES_MAX}`,
    ],
    [
      "a header block without end",
      [SETTINGS, unfinished, repeated(frame(9, 0, 1, Buffer.alloc(16_000)), 3)],
      `a header block of 48013 B so far is over max ${HEADER_LIST_BYTES_MAX} B`,
    ],
    [
      "a bomb of headers",
      [
        SETTINGS,
        frame(
          1,
          4,
          1,
          Buffer.concat([
            Buffer.of(0x40),
            encodeLiterals([["x", "v".repeat(4000)]]).subarray(1),
            Buffer.alloc(10_000, 0xbe),
          ]),
        ),
      ],
      `over max ${HEADER_LIST_BYTES_MAX} B`,
    ],
  ])("%s", async (_what, parts, sentence) => {
    const { code, reason, message } = await refusal(...parts);
    expect([code, reason, message]).toEqual(["UNAVAILABLE", "SOURCE_UNAVAILABLE", expect.stringContaining(sentence)]);
  });

  test("more than the window allows: what came before is read, then the end", async () => {
    const message = grpcMessage(RawLedger.encode({ sequence: 1, ledgerCloseMetaXdr: Buffer.alloc(1 << 20) }));
    using peer = await RawPeer.saying(GREETING, dataFrames(repeated(message, 12)));
    const stream = new RawLedgerStream(peer.address, 1);
    await until(() => peer.accepted === 1 && peer.sockets.size === 0, "the connection is over");
    expect(stream.queuedBytes).toBeLessThanOrEqual(WINDOW_BYTES);
    let ledgers = 0;
    for (;;) {
      const event = await stream.next(1000);
      if (event.kind === "ledger") ledgers++;
      else {
        expect(event).toMatchObject({ kind: "ended", status: { code: 13 } });
        expect((event as { status: { details: string } }).status.details).toContain("more than the window allows");
        break;
      }
    }
    expect(ledgers).toBe(7);
  });

  test("a source that reads nothing while it asks for answers", async () => {
    const pair = Buffer.concat([frame(0, 0, 1, Buffer.of(0)), ping]); // no flood: a byte of the answer comes with each
    const many = repeated(pair, 20_000);
    using peer = await RawPeer.start((socket) => {
      socket.pause();
      socket.write(Buffer.concat([GREETING, frame(0, 0, 1, grpcMessage(Buffer.alloc(0), 0, 60 << 20))]));
      const more = () => socket.destroyed || socket.write(many, more);
      more();
    });
    const { message } = await failure(peer);
    expect(message).toMatch(/does not take what it is sent: \d+ B wait, over max 65536 B/);
  }, 60_000);
});

describe("messages", () => {
  test.each<[string, Buffer[], string]>([
    [
      "a prefix of 100 MB",
      [GREETING, frame(0, 0, 1, grpcMessage(Buffer.alloc(9), 0, 100e6))],
      "100000000 B is larger than max",
    ],
    ["a prefix of 4 GiB", [GREETING, frame(0, 0, 1, grpcMessage(Buffer.alloc(9), 0, 2 ** 32 - 1))], "larger than max"],
    [
      "gzip of 100 MB",
      [
        SETTINGS,
        answerHeaders([
          [":status", "200"],
          ["content-type", "application/grpc"],
          ["grpc-encoding", "gzip"],
        ]),
        dataFrames(grpcMessage(gzipSync(Buffer.alloc(100e6)), 1)),
      ],
      "larger than max",
    ],
  ])("%s", async (_what, parts, sentence) => {
    const { code, reason, message } = await refusal(...parts);
    expect([code, reason]).toEqual(["RESOURCE_EXHAUSTED", "LEDGER_TOO_LARGE"]);
    expect(message).toContain(`a ledger over max ${LEDGER_BYTES_MAX} B`);
    expect(message).toContain(sentence);
  });

  const gzip = answerHeaders([
    [":status", "200"],
    ["content-type", "application/grpc"],
    ["grpc-encoding", "gzip"],
  ]);
  test.each<[string, Buffer[], string, string]>([
    ["a flag of 7", [GREETING, dataFrames(grpcMessage(tinyLedger(1), 7))], "UNAVAILABLE", "a message begins with 7"],
    ["too short a prefix", [GREETING, dataFrames(grpcMessage(tinyLedger(1), 0, 20))], "DATA_LOSS", "no RawLedger"],
    ["garbage", [GREETING, dataFrames(grpcMessage(Buffer.of(0xff)))], "DATA_LOSS", "a message that is no RawLedger"],
    [
      "an end inside a message",
      [GREETING, frame(0, 0, 1, ledgerMessage(1).subarray(0, 50)), trailers(["grpc-status", "0"])],
      "UNAVAILABLE",
      "INTERNAL: the stream ended inside a message",
    ],
    [
      "a flag of compression, and no encoding",
      [GREETING, dataFrames(grpcMessage(tinyLedger(1), 1))],
      "UNIMPLEMENTED",
      'it compresses messages as "nothing"; only gzip is understood',
    ],
    ["no gzip", [SETTINGS, gzip, dataFrames(grpcMessage(tinyLedger(1), 1))], "UNAVAILABLE", "a message is no gzip"],
  ])("%s", async (_what, parts, code, sentence) => {
    using peer = await RawPeer.saying(...parts);
    const error = await failure(peer);
    expect([error.code as string, error.message]).toEqual([code, expect.stringContaining(sentence)]);
  });

  test("many messages of nothing", async () => {
    using peer = await RawPeer.saying(GREETING, dataFrames(Buffer.alloc(5 * (QUEUE_MESSAGES_MAX + 3000))));
    const stream = new RawLedgerStream(peer.address, 1);
    await until(() => peer.accepted === 1 && peer.sockets.size === 0, "the connection is over");
    for (let n = 0; n < QUEUE_MESSAGES_MAX; n++) expect((await stream.next(1000)).kind).toBe("ledger");
    const details = expect.stringContaining(`over ${QUEUE_MESSAGES_MAX} messages`);
    expect(await stream.next(1000)).toMatchObject({ kind: "ended", status: { code: 8, details } });
  });

  test("a gzip message is read", async () => {
    const compressed = grpcMessage(gzipSync(ledgerMessage(1).subarray(5)), 1);
    using peer = await RawPeer.saying(SETTINGS, gzip, dataFrames(Buffer.concat([compressed, ledgerMessage(2)])));
    const source = new RawLedgerSource(peer.address, quick);
    const seen: Uint8Array[] = [];
    for await (const { bytes } of source.read(1, 2, new AbortController().signal)) seen.push(new Uint8Array(bytes));
    expect(seen).toEqual([tinyLedger(1), tinyLedger(2)]);
  });
});

describe("ends", () => {
  const goaway = (last: number, code: number, text: string) =>
    frame(7, 0, 0, Buffer.concat([Buffer.of(0, 0, 0, last, 0, 0, 0, code), Buffer.from(text)]));
  const reset = (code: number) => frame(3, 0, 1, Buffer.of(0, 0, 0, code));
  test.each<[string, Buffer[], string, string]>([
    [
      "trailers alone",
      [SETTINGS, trailers([":status", "200"], ["grpc-status", "5"], ["grpc-message", "no %C3%BC %"])],
      "NOT_FOUND",
      "no %C3%BC %",
    ],
    [
      "a reason of ours",
      [SETTINGS, trailers([":status", "200"], ["grpc-status", "5"], ["reason", "X"])],
      "NOT_FOUND",
      "",
    ],
    [
      "percent-encoding",
      [GREETING, trailers(["grpc-status", "3"], ["grpc-message", "100 %25 %C3%BC"])],
      "INVALID_ARGUMENT",
      "100 % ü",
    ],
    ["401", [SETTINGS, answerHeaders([[":status", "401"]])], "UNAUTHENTICATED", "Received HTTP status code 401"],
    ["403, at once the end", [SETTINGS, trailers([":status", "403"])], "PERMISSION_DENIED", "status code 403"],
    [
      "404",
      [
        SETTINGS,
        answerHeaders([
          [":status", "404"],
          ["content-type", "text/html"],
        ]),
      ],
      "UNIMPLEMENTED",
      "404",
    ],
    [
      "503",
      [SETTINGS, answerHeaders([[":status", "503"]])],
      "UNAVAILABLE",
      "UNAVAILABLE: Received HTTP status code 503",
    ],
    [
      "a page",
      [
        SETTINGS,
        answerHeaders([
          [":status", "200"],
          ["content-type", "text/html"],
        ]),
      ],
      "UNAVAILABLE",
      "content of type text/html",
    ],
    ["no status", [GREETING, trailers(["x", "y"])], "UNAVAILABLE", "UNKNOWN: the stream ended without a status"],
    ["no trailers", [GREETING, frame(0, 1, 1)], "UNAVAILABLE", "UNKNOWN: the stream ended without a status"],
    ["a status that is none", [GREETING, trailers(["grpc-status", "x"])], "UNAVAILABLE", "without a status"],
    ["OK", [GREETING, trailers(["grpc-status", "0"])], "UNAVAILABLE", "the source ended the stream"],
    ["a reset", [GREETING, reset(2)], "UNAVAILABLE", "INTERNAL: the source ended the stream with HTTP/2 code 2"],
    ["a cancelled stream", [GREETING, reset(8)], "UNAVAILABLE", "CANCELLED"],
    ["a refused stream", [SETTINGS, reset(7)], "UNAVAILABLE", "UNAVAILABLE: the source ended the stream"],
    ["security that is too weak", [SETTINGS, reset(12)], "PERMISSION_DENIED", "HTTP/2 code 12"],
    ["a GOAWAY that leaves the stream out", [SETTINGS, goaway(0, 0, "later")], "UNAVAILABLE", "HTTP/2 code 7"],
  ])("%s", async (what, parts, code, sentence) => {
    const error = await refusal(...parts);
    expect([error.code as string, error.message]).toEqual([code, expect.stringContaining(sentence)]);
    if (what === "a reason of ours") expect(error.reason).toBe("X");
  });

  test("1xx comes before the answer", async () => {
    const early = answerHeaders([
      [":status", "103"],
      ["link", "x"],
    ]);
    using peer = await RawPeer.saying(SETTINGS, early, ANSWER_BEGINS, dataFrames(ledgerMessage(1)));
    const stream = new RawLedgerStream(peer.address, 1);
    expect(await stream.next(1000)).toMatchObject({ kind: "ledger", ledger: { sequence: 1 } });
    stream.close();
  });

  test("a GOAWAY in mid-stream: the stream goes on, and what it said is told when the connection ends", async () => {
    const parts = [
      GREETING,
      dataFrames(ledgerMessage(1)),
      goaway(1, 11, "too_many_pings"),
      dataFrames(ledgerMessage(2)),
    ];
    using peer = await RawPeer.start((socket) => socket.end(Buffer.concat(parts)));
    const stream = new RawLedgerStream(peer.address, 1);
    for (const sequence of [1, 2]) {
      expect(await stream.next(1000)).toMatchObject({ kind: "ledger", ledger: { sequence } });
    }
    const details = "the source closed the connection after GOAWAY 11 (too_many_pings)";
    expect(await stream.next(1000)).toMatchObject({ kind: "ended", status: { code: 14, details } });
  });

  test("the end of a connection, before and after the source has said something", async () => {
    using mute = await RawPeer.start((socket) => socket.destroy());
    expect((await failure(mute)).message).toContain("does it speak TLS? Then write grpcs://");
    using cut = await RawPeer.start((socket) => socket.end(GREETING));
    const { message } = await failure(cut);
    expect(message).toContain("UNAVAILABLE: the source closed the connection");
    expect(message).not.toContain("TLS");
  });

  test("a source that accepts and says nothing is left after ten seconds", async () => {
    using peer = await RawPeer.start(() => {});
    const stream = new RawLedgerStream(peer.address, 1);
    const details = "no HTTP/2 SETTINGS within 10000 ms";
    expect(await stream.next(60_000)).toMatchObject({ kind: "ended", status: { code: 4, details } });
    await until(() => peer.sockets.size === 0, "no connection is left");
  }, 60_000);

  test("a stream closed while it connects leaves nothing behind", async () => {
    let spoke = 0;
    using peer = await RawPeer.start(() => spoke++);
    for (let i = 0; i < 50; i++) {
      const stream = new RawLedgerStream(peer.address, 1);
      const event = stream.next(60_000);
      if (i % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
      stream.close();
      expect((await event).kind).toBe("closed");
    }
    await until(() => peer.sockets.size === 0, "no connection is left");
    expect(spoke).toBeLessThanOrEqual(50);
  });
});
