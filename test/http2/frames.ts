/** HTTP/2 frames for tests, written and read independently of src/http2. */

export interface Frame {
  type: number;
  flags: number;
  stream: number;
  payload: Buffer;
}

export const CLIENT_PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.from([
    payload.length >> 16,
    (payload.length >> 8) & 0xff,
    payload.length & 0xff,
    type,
    flags,
    stream >>> 24,
    (stream >> 16) & 0xff,
    (stream >> 8) & 0xff,
    stream & 0xff,
  ]);
  return Buffer.concat([header, payload]);
}

export function settings(...entries: [id: number, value: number][]): Buffer {
  const payload = Buffer.alloc(entries.length * 6);
  entries.forEach(([id, value], i) => {
    payload.writeUInt16BE(id, i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  });
  return frame(4, 0, 0, payload);
}

/** Acknowledges a SETTINGS frame. */
export const ACK = frame(4, 1, 0);

export const initialWindow = (bytes: number): Buffer => settings([4, bytes]);

export function windowUpdate(stream: number, bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return frame(8, 0, stream, payload);
}

/** HEADERS with END_HEADERS unless told otherwise; the block is opaque here. */
export const headers = (stream: number, flags = 4, block = "block"): Buffer =>
  frame(1, flags, stream, Buffer.from(block));

export const continuation = (stream: number, flags: number): Buffer => frame(9, flags, stream, Buffer.from("more"));

export const data = (stream: number, bytes: number, flags = 0): Buffer =>
  frame(0, flags, stream, Buffer.alloc(bytes, stream));

export const reset = (stream: number): Buffer => frame(3, 0, stream, Buffer.from([0, 0, 0, 8]));

/** Splits bytes (without the client preface) into frames; throws when they end inside one. */
export function parseFrames(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  let at = 0;
  while (at < bytes.length) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    if (end > bytes.length) throw new Error(`a frame at ${at} ends at ${end}, after the last byte ${bytes.length}`);
    const payload = bytes.subarray(at + 9, end);
    frames.push({ type: bytes[at + 3]!, flags: bytes[at + 4]!, stream: bytes.readUInt32BE(at + 5), payload });
    at = end;
  }
  return frames;
}

/** As many whole frames as there are. */
export function wholeFrames(bytes: Buffer): Frame[] {
  let end = 0;
  while (bytes.length - end >= 9) {
    const next = end + 9 + bytes.readUIntBE(end, 3);
    if (next > bytes.length) break;
    end = next;
  }
  return parseFrames(bytes.subarray(0, end));
}

/** A frame in one word, for comparing: "HEADERS(1)", "WINDOW_UPDATE(1,500)", "SETTINGS(4=0)". */
export function describeFrame({ type, stream, payload }: Frame): string {
  switch (type) {
    case 4: {
      const entries: string[] = [];
      for (let at = 0; at < payload.length; at += 6) {
        entries.push(`${payload.readUInt16BE(at)}=${payload.readUInt32BE(at + 2)}`);
      }
      return `SETTINGS(${entries.join(",")})`;
    }
    case 8:
      return `WINDOW_UPDATE(${stream},${payload.readUInt32BE(0)})`;
    default: {
      const names = ["DATA", "HEADERS", "PRIORITY", "RST_STREAM", "", "", "PING", "GOAWAY", "", "CONTINUATION"];
      return `${names[type]}(${stream})`;
    }
  }
}
