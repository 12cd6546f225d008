/** A server that says what a test wants, frame by frame, to whoever connects. */
import net from "node:net";
import { RawLedger } from "../../src/grpc/generated/raw-ledger-service.ts";
import { encodeLiterals } from "../../src/http2/hpack/literals.ts";
import { frame, settings } from "../http2/frames.ts";
import { tinyLedger } from "../sources/lake-fixture.ts";

const END_STREAM = 1;
const END_HEADERS = 4;
const FRAME_BYTES_MAX = 16_384;

type Headers = readonly (readonly [string, string])[];

/** A HEADERS frame of the client's stream. */
export const answerHeaders = (list: Headers, flags = END_HEADERS): Buffer => frame(1, flags, 1, encodeLiterals(list));

/** What every answer of gRPC begins with. */
export const ANSWER_BEGINS = answerHeaders([
  [":status", "200"],
  ["content-type", "application/grpc"],
]);

export const trailers = (...list: Headers): Buffer => answerHeaders(list, END_HEADERS | END_STREAM);

/** A gRPC message; `length` is what its prefix says. */
export function grpcMessage(bytes: Uint8Array, flag = 0, length = bytes.length): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, bytes]);
}

export const ledgerMessage = (sequence: number, ledgerCloseMetaXdr: Uint8Array = tinyLedger(sequence)): Buffer =>
  grpcMessage(RawLedger.encode({ sequence, ledgerCloseMetaXdr }));

/** DATA frames of the largest size. */
export function dataFrames(bytes: Buffer): Buffer {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += FRAME_BYTES_MAX) {
    frames.push(frame(0, 0, 1, bytes.subarray(at, at + FRAME_BYTES_MAX)));
  }
  return Buffer.concat(frames);
}

/** The server's SETTINGS, and the beginning of an answer. */
export const GREETING = Buffer.concat([settings(), ANSWER_BEGINS]);

export class RawPeer {
  accepted = 0;

  private constructor(
    readonly address: string,
    private readonly server: net.Server,
    /** Open connections. */
    readonly sockets: Set<net.Socket>,
  ) {}

  /** @param script is run for each connection, once its client has said something */
  static async start(script: (socket: net.Socket) => void): Promise<RawPeer> {
    const sockets = new Set<net.Socket>();
    const server = net.createServer((socket) => {
      peer.accepted++;
      sockets.add(socket);
      socket.on("error", () => {}).on("close", () => sockets.delete(socket));
      socket.once("data", () => script(socket));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const peer: RawPeer = new RawPeer(`127.0.0.1:${(server.address() as net.AddressInfo).port}`, server, sockets);
    return peer;
  }

  /** Says that, and then nothing. */
  static saying(...parts: Uint8Array[]): Promise<RawPeer> {
    return RawPeer.start((socket) => socket.write(Buffer.concat(parts)));
  }

  [Symbol.dispose](): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}
