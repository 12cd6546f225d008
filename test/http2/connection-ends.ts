/** Both ends of a connection as models: a client with windows of its own, and what node:http2 believes that it may send. */
import { expect } from "bun:test";
import { type Frame, parseFrames } from "./frames.ts";

const WINDOW_BYTES = 65_535; // of a connection that has just begun

/** Frames out of bytes that come in pieces. */
class FrameReader {
  private unread = Buffer.alloc(0);

  /** Bytes of a frame that has not come whole. */
  get bytesLeft(): number {
    return this.unread.length;
  }

  /** Takes the pieces away, and answers with the frames that are whole by then. */
  read(pieces: Buffer[]): Frame[] {
    this.unread = Buffer.concat([this.unread, ...pieces.splice(0)]);
    let end = 0;
    while (this.unread.length - end >= 9 && end + 9 + this.unread.readUIntBE(end, 3) <= this.unread.length) {
      end += 9 + this.unread.readUIntBE(end, 3);
    }
    const frames = parseFrames(this.unread.subarray(0, end));
    this.unread = this.unread.subarray(end);
    return frames;
  }
}

/** The client's side: what it allows, what it got. */
export class ClientEnd {
  connectionWindow = WINDOW_BYTES;
  readonly windows: Map<number, number>;
  readonly got: Map<number, Buffer[]>;
  /** Of the initial window, that are not acknowledged yet. */
  readonly raises: number[] = [];
  headersGot = 0;
  private readonly frames = new FrameReader();

  /** @param laned streams whose windows count */
  constructor(
    private readonly streams: readonly number[],
    private readonly laned: ReadonlySet<number>,
    initialWindowBytes: number,
  ) {
    this.windows = new Map(streams.map((stream) => [stream, initialWindowBytes]));
    this.got = new Map(streams.map((stream) => [stream, []]));
  }

  get bytesLeft(): number {
    return this.frames.bytesLeft;
  }

  grant(stream: number, bytes: number): void {
    this.windows.set(stream, this.windows.get(stream)! + bytes);
  }

  receive(pieces: Buffer[]): void {
    for (const each of this.frames.read(pieces)) this.take(each);
  }

  private take({ type, stream, flags, payload }: Frame): void {
    if (type === 1) this.headersGot += 1;
    if (type === 4 && flags === 1 && this.raises.length > 0) {
      const raise = this.raises.shift()!;
      for (const each of this.streams) this.grant(each, raise);
    }
    if (type !== 0) return;
    this.connectionWindow -= payload.length;
    expect(this.connectionWindow).toBeGreaterThanOrEqual(0);
    if (this.laned.has(stream)) {
      this.grant(stream, -payload.length);
      expect(this.windows.get(stream)!).toBeGreaterThanOrEqual(0);
    }
    this.got.get(stream)!.push(Buffer.from(payload));
  }
}

/** node:http2's side: it sends as long as it believes that it may. */
export class NodeEnd {
  believed = WINDOW_BYTES;
  /** Bytes of DATA that came; NaN once they are not those of their stream. */
  uploaded = 0;
  private readonly frames = new FrameReader();

  get bytesLeft(): number {
    return this.frames.bytesLeft;
  }

  receive(pieces: Buffer[]): void {
    for (const { type, stream, payload } of this.frames.read(pieces)) {
      if (type === 8 && stream === 0) this.believed += payload.readUInt32BE(0);
      else if (type === 0) this.uploaded += payload.every((byte) => byte === stream) ? payload.length : Number.NaN;
      else expect([4, 8]).toContain(type);
    }
  }
}
