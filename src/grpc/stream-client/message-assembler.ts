/**
 * gRPC messages from the bytes of a stream, split anywhere. HOT PATH: each byte is copied once, from the socket's chunk to
 * its message. A message is a flag (1 byte: is it compressed), its length (4 bytes, big-endian), and its bytes.
 */

import * as grpc from "@grpc/grpc-js";
import type { ReusedBuffers } from "../../base/reused-buffers.ts";
import { CallFault } from "./call-status.ts";

const PREFIX_BYTES = 5;

/** One message as it was sent. */
export interface ReceivedMessage {
  /** Memory of ReusedBuffers. */
  bytes: Buffer;
  isCompressed: boolean;
}

/** For one stream. */
export class MessageAssembler {
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  #prefixFill = 0;
  #message: Buffer | undefined;
  #fill = 0;

  /** @param taken is given each message as its last byte comes */
  constructor(
    private readonly buffers: ReusedBuffers,
    private readonly messageBytesMax: number,
    private readonly taken: (message: ReceivedMessage) => void,
  ) {}

  /** The message that comes, of which so many bytes are there; undefined where none does, or a compressed one. */
  get part(): { bytes: Buffer; filled: number } | undefined {
    if (this.#message === undefined || this.#prefix[0] !== 0) return undefined;
    return { bytes: this.#message, filled: this.#fill };
  }

  /** Bytes that have come of a message that is not complete. */
  get partBytes(): number {
    return this.#prefixFill + this.#fill;
  }

  /** Bytes that are missing of it, as far as is known. */
  get missingBytes(): number {
    return this.#message === undefined ? PREFIX_BYTES - this.#prefixFill : this.#message.length - this.#fill;
  }

  /** Bytes of the message that comes, whole; 0 where that is not known yet. */
  get messageBytes(): number {
    return this.#message?.length ?? 0;
  }

  /** @throws CallFault for a prefix that is wrong or says more than `messageBytesMax` */
  add(chunk: Buffer, from: number, to: number): void {
    for (let at = from; at < to; ) {
      if (this.#message === undefined) {
        const count = Math.min(PREFIX_BYTES - this.#prefixFill, to - at);
        chunk.copy(this.#prefix, this.#prefixFill, at, at + count);
        this.#prefixFill += count;
        at += count;
        if (this.#prefixFill < PREFIX_BYTES) return;
        this.#begin();
      }
      const message = this.#message!;
      const count = Math.min(message.length - this.#fill, to - at);
      if (count > 0) {
        message.set(chunk.subarray(at, at + count), this.#fill);
        this.#fill += count;
        at += count;
      }
      if (this.#fill < message.length) return;
      const isCompressed = this.#prefix[0] === 1;
      this.#message = undefined;
      this.#fill = 0;
      this.#prefixFill = 0;
      this.taken({ bytes: message, isCompressed });
    }
  }

  #begin(): void {
    const flag = this.#prefix[0]!;
    const length = this.#prefix.readUInt32BE(1);
    if (flag > 1) {
      throw new CallFault(grpc.status.INTERNAL, `a message begins with ${flag}, where gRPC has 0 or 1`);
    }
    if (length > this.messageBytesMax) {
      const sentence = `a message of ${length} B is larger than max ${this.messageBytesMax} B`;
      throw new CallFault(grpc.status.RESOURCE_EXHAUSTED, sentence);
    }
    this.#message = this.buffers.take(length);
  }
}
