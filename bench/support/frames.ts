/** Files of frames, 4-byte big-endian length and that many bytes each: how ledgers are handed to what is measured. */
import { readFileSync, writeFileSync } from "node:fs";

export function writeFrames(path: string, frames: readonly Uint8Array[]): void {
  const parts: Uint8Array[] = [];
  for (const frame of frames) {
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, frame.length);
    parts.push(length, frame);
  }
  writeFileSync(path, Buffer.concat(parts));
}

export function readFrames(path: string): Uint8Array[] {
  const bytes = readFileSync(path);
  const frames: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    frames.push(new Uint8Array(bytes.buffer, bytes.byteOffset + at + 4, length));
    at += 4 + length;
  }
  return frames;
}
