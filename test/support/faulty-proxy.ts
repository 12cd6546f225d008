/**
 * An HTTP proxy in front of a store that breaks what passes through it, as its test decides for each request. Requests go on
 * under another Host, so they must not be signed.
 */

/** Faults of any answer. */
export const ANSWER_FAULTS = [
  "refused", // the connection is reset before the answer,
  "cut", // or in the middle of its body,
  "short", // or closed there
  "stalled", // half a body and no more
  "slow", // a body in pieces
  "drip", // a byte now and then
  "403",
  "404",
  "429",
  "503",
] as const;

/** Faults that only the content tells: an HTTP client takes such a body for whole. */
export const BODY_FAULTS = [
  "flipped", // a bit in its middle is another
  "truncated", // half an object, and a length that says so
  "wrong length", // that length, and the whole object behind it on the connection
] as const;

/** What may go wrong with one answer. */
export type StoreFault = "none" | (typeof ANSWER_FAULTS)[number] | (typeof BODY_FAULTS)[number];

const STATUS: Partial<Record<StoreFault, string>> = {
  "403": "403 Forbidden",
  "404": "404 Not Found",
  "429": "429 Not now",
  "503": "503 Not now",
};
const PIECE_MS = 20; // between pieces of what comes slowly

export class FaultyProxy implements Disposable {
  private readonly server: Bun.TCPSocketListener<{ head: string; upstream?: Promise<void> }>;
  /** Requests so far. */
  requests = 0;

  /** @param next the fault of the next request, by its method and path */
  constructor(target: string, next: (request: string) => StoreFault) {
    const { hostname, port } = new URL(target);
    this.server = Bun.listen<{ head: string; upstream?: Promise<void> }>({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        open(socket) {
          socket.data = { head: "" };
        },
        data: (socket, bytes) => {
          socket.data.head += bytes.toString("latin1");
          for (let end = socket.data.head.indexOf("\r\n\r\n"); end >= 0; end = socket.data.head.indexOf("\r\n\r\n")) {
            const head = socket.data.head.slice(0, end);
            socket.data.head = socket.data.head.slice(end + 4);
            this.requests += 1;
            const before = socket.data.upstream ?? Promise.resolve();
            socket.data.upstream = before.then(() => pass(socket, head, hostname, Number(port), next)).catch(() => {});
          }
        },
        error() {},
      },
    });
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.server.port}`;
  }

  [Symbol.dispose](): void {
    this.server.stop(true);
  }
}

async function pass(
  socket: Bun.Socket<unknown>,
  head: string,
  hostname: string,
  port: number,
  next: (request: string) => StoreFault,
): Promise<void> {
  const [first = "", ...lines] = head.split("\r\n");
  const [method = "", path = ""] = first.split(" ");
  const fault = next(`${method} ${path}`);
  if (fault === "refused") return void socket.terminate();
  const status = STATUS[fault];
  if (status !== undefined) return void socket.write(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\n\r\n`);
  const headers = new Headers(lines.map((line) => line.split(/: */, 2) as [string, string]));
  headers.delete("host");
  const answer = await fetch(`http://${hostname}:${port}${path}`, { method, headers, decompress: false });
  const body = new Uint8Array(await answer.arrayBuffer());
  const half = body.subarray(0, body.length >> 1);
  const isHalf = fault === "truncated" || fault === "wrong length";
  const length = isHalf ? half.length : (answer.headers.get("content-length") ?? body.length);
  if (fault === "flipped" && body.length > 0) body[half.length]! ^= 16;
  const kept = [...answer.headers].filter(
    ([name]) => !["content-length", "transfer-encoding", "connection", "date"].includes(name),
  );
  const text = kept.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  socket.write(`HTTP/1.1 ${answer.status} OK\r\n${text}content-length: ${length}\r\n\r\n`);
  if (body.length === 0) return;
  if (fault === "none" || fault === "flipped" || fault === "wrong length") await writeAll(socket, body);
  else if (fault === "slow") await writePieces(socket, body, 1 + (body.length >> 3));
  else if (fault === "drip") await writePieces(socket, body, 1);
  else await writeAll(socket, half);
  if (fault === "cut") socket.terminate();
  if (fault === "short" || fault === "wrong length") socket.end();
}

async function writePieces(socket: Bun.Socket<unknown>, bytes: Uint8Array, length: number): Promise<void> {
  for (let at = 0; at < bytes.length && socket.readyState > 0; at += length) {
    await writeAll(socket, bytes.subarray(at, at + length));
    await Bun.sleep(PIECE_MS);
  }
}

async function writeAll(socket: Bun.Socket<unknown>, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const written = socket.write(bytes.subarray(at));
    if (written < 0) return;
    at += written;
    if (at < bytes.length) await Bun.sleep(1);
  }
}
