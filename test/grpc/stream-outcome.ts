/** What comes out of a server's bytes, without sockets. */

import { ReusedBuffers } from "../../src/base/reused-buffers.ts";
import { type CallStatus, statusOfTrailers } from "../../src/grpc/stream-client/call-status.ts";
import { MessageAssembler } from "../../src/grpc/stream-client/message-assembler.ts";
import { ClientStream } from "../../src/http2/client/client-stream.ts";
import type { Header } from "../../src/http2/hpack/static-table.ts";
import { parseFrames } from "../http2/frames.ts";

const WINDOW_BYTES = 8 << 20;

interface Outcome {
  messages: Buffer[];
  status: CallStatus | undefined;
  pings: string[];
  goaway: string | undefined;
}

/** @param pieces the bytes, split anywhere */
export function received(pieces: Iterable<Buffer>): Outcome {
  const outcome: Outcome = { messages: [], status: undefined, pings: [], goaway: undefined };
  const buffers = new ReusedBuffers(1 << 20);
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

/** Pieces as long as `next` says. */
export function* splitAt(bytes: Buffer, next: () => number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const to = Math.min(bytes.length, at + next());
    yield bytes.subarray(at, to);
    at = to;
  }
}
