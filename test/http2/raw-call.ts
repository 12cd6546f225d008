/**
 * A gRPC call spoken frame by frame over a socket, by a client that grants no window until it is told to. grpc-js's own
 * client cannot stand in for it: on Bun it takes in everything, whether anyone reads or not.
 */
import net from "node:net";
import tls from "node:tls";
import { CLIENT_PREFACE, type Frame, frame, parseFrames, reset, settings, windowUpdate } from "./frames.ts";

const STREAM = 1;
const SECOND_STREAM = 3;
const PLENTY = 1 << 30;

/** Header block of literal fields without indexing or Huffman coding (RFC 7541 section 6.2.2). */
function headerBlock(fields: Record<string, string>): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.from([Buffer.byteLength(value)]), Buffer.from(value)]);
  return Buffer.concat(Object.entries(fields).flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

/** The headers that open a call. */
export function opening(stream: number, path: string, fields: Record<string, string> = {}): Buffer {
  const block = headerBlock({
    ...{ ":method": "POST", ":scheme": "http", ":path": path, ":authority": "127.0.0.1" },
    ...{ "content-type": "application/grpc", te: "trailers", ...fields },
  });
  return frame(1, 4, stream, block);
}

/** The frames with which a client starts a call. */
export function start(stream: number, path: string, request: Uint8Array, fields: Record<string, string> = {}): Buffer {
  const message = Buffer.concat([Buffer.from([0, 0, 0, 0, request.length]), request]);
  return Buffer.concat([opening(stream, path, fields), frame(0, 1, stream, message)]);
}

export class RawCall {
  readonly socket: net.Socket;
  /** Frames that have come, those of the connection included. */
  readonly frames: Frame[] = [];
  #received = Buffer.alloc(0);
  #onFrame = () => {};
  #onSecondData = (_bytes: number) => {};

  /**
   * @param localAddress the address that the client comes from
   * @param ca connects by TLS, and trusts that authority
   */
  constructor(
    port: number,
    path: string,
    request: Uint8Array,
    fields: Record<string, string> = {},
    localAddress?: string,
    ca?: string,
  ) {
    const to = { port, host: "127.0.0.1", localAddress };
    this.socket = ca === undefined ? net.connect(to) : tls.connect({ ...to, ca, ALPNProtocols: ["h2"] });
    this.socket.on("error", () => {});
    this.socket.on("data", (bytes: Buffer) => this.#receive(bytes));
    this.socket.write(Buffer.concat([CLIENT_PREFACE, settings(), start(STREAM, path, request, fields)]));
  }

  /**
   * Starts a second call on the connection, whose client has a window of `windowBytes` (64 KiB at least) and grants
   * what it has received when that is half of it, as real clients do.
   */
  startSecond(path: string, request: Uint8Array, windowBytes: number): void {
    const grant = (bytes: number) => Buffer.concat([windowUpdate(0, bytes), windowUpdate(SECOND_STREAM, bytes)]);
    const credit = [windowUpdate(0, windowBytes), windowUpdate(SECOND_STREAM, windowBytes - 65535)];
    this.socket.write(Buffer.concat([start(SECOND_STREAM, path, request), ...credit]));
    let received = 0;
    this.#onSecondData = (bytes) => {
      received += bytes;
      if (received < windowBytes / 2) return;
      this.socket.write(grant(received));
      received = 0;
    };
  }

  /** Resolves when the second call has ended. */
  async secondEnded(): Promise<void> {
    await this.#ended(SECOND_STREAM);
  }

  #receive(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    let end = 0;
    while (this.#received.length - end >= 9) {
      const next = end + 9 + this.#received.readUIntBE(end, 3);
      if (next > this.#received.length) break;
      end = next;
    }
    for (const each of parseFrames(this.#received.subarray(0, end))) {
      this.frames.push(each);
      const isAck = (each.flags & 1) !== 0;
      if (each.type === 4 && !isAck) this.socket.write(frame(4, 1, 0));
      if (each.type === 0 && each.stream === SECOND_STREAM) this.#onSecondData(each.payload.length);
      if (each.type === 6 && !isAck) this.socket.write(frame(6, 1, 0, each.payload));
    }
    this.#received = this.#received.subarray(end);
    this.#onFrame();
  }

  /** Allows the server to send all that it has. */
  grantAll(): void {
    this.socket.write(Buffer.concat([windowUpdate(0, PLENTY), windowUpdate(STREAM, PLENTY)]));
  }

  cancel(): void {
    this.socket.write(reset(STREAM));
  }

  async #ended(stream: number): Promise<void> {
    const isEnd = (each: Frame) =>
      each.stream === stream && (each.type === 3 || ((each.type === 0 || each.type === 1) && (each.flags & 1) !== 0));
    while (!this.frames.some(isEnd)) {
      await new Promise<void>((resolve) => {
        this.#onFrame = resolve;
      });
    }
  }

  /** The gRPC messages of the (first) call, once the server has ended it. */
  async messages(): Promise<Buffer[]> {
    await this.#ended(STREAM);
    const data = Buffer.concat(
      this.frames.filter(({ type, stream }) => type === 0 && stream === STREAM).map(({ payload }) => payload),
    );
    const messages: Buffer[] = [];
    for (let at = 0; at < data.length; ) {
      const end = at + 5 + data.readUInt32BE(at + 1);
      messages.push(data.subarray(at + 5, end));
      at = end;
    }
    return messages;
  }

  close(): void {
    this.socket.destroy();
  }
}
