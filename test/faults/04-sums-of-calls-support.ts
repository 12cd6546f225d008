/** Requests that stay half sent, and all that a test opens and closes at its end. */
import http2 from "node:http2";

export const MIB = 1 << 20;
export const opened: { close(): unknown }[] = [];

export async function closeOpened(): Promise<void> {
  for (const each of opened.splice(0)) await each.close();
}

/** Sends all but the last byte of a request of `bytes`. Resolves with the grpc-status that ends it, if one does. */
export function halfSent(
  address: string,
  path: string,
  bytes: number,
): { ended: Promise<string>; sent: Promise<void> } {
  const session = http2.connect(`http://${address}`);
  opened.push({ close: () => session.destroy() });
  session.on("error", () => {});
  const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
  const stream = session.request(headers);
  stream.on("error", () => {});
  const ended = new Promise<string>((resolve) => {
    stream.on("response", (response) => {
      if (response["grpc-status"] !== undefined) resolve(String(response["grpc-status"]));
    });
  });
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(bytes, 1);
  stream.write(prefix);
  const sent = new Promise<void>((resolve) => {
    let left = bytes - 1;
    const next = () => {
      if (left === 0 || stream.closed || stream.destroyed) return resolve();
      const chunk = Buffer.alloc(Math.min(left, MIB));
      left -= chunk.length;
      stream.write(chunk, next);
    };
    next();
  });
  return { ended, sent };
}
