/**
 * An HTTP proxy in front of a store that breaks what passes through it, as its test decides for each request. Requests go on
 * under another Host, so they must not be signed.
 */

/** What may go wrong with one answer. */
export type StoreFault = "none" | "refused" | "cut" | "stalled" | "slow" | "429" | "503" | "short" | "404 once";

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
  if (fault === "429" || fault === "503" || fault === "404 once") {
    const status = fault === "404 once" ? "404 Not Found" : `${fault} Not now`;
    return void socket.write(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\n\r\n`);
  }
  const headers = new Headers(lines.map((line) => line.split(/: */, 2) as [string, string]));
  headers.delete("host");
  const answer = await fetch(`http://${hostname}:${port}${path}`, { method, headers, decompress: false });
  const body = new Uint8Array(await answer.arrayBuffer());
  const length = answer.headers.get("content-length") ?? String(body.length);
  const kept = [...answer.headers].filter(
    ([name]) => !["content-length", "transfer-encoding", "connection", "date"].includes(name),
  );
  const text = kept.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  socket.write(`HTTP/1.1 ${answer.status} OK\r\n${text}content-length: ${length}\r\n\r\n`);
  if (fault === "none" || body.length === 0) return writeAll(socket, body);
  const half = body.subarray(0, body.length >> 1);
  if (fault === "slow") {
    for (let at = 0; at < body.length; at += 1 + (body.length >> 3)) {
      await writeAll(socket, body.subarray(at, at + 1 + (body.length >> 3)));
      await Bun.sleep(20);
    }
    return;
  }
  await writeAll(socket, half);
  if (fault === "cut") socket.terminate();
  if (fault === "short") socket.end();
}

async function writeAll(socket: Bun.Socket<unknown>, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const written = socket.write(bytes.subarray(at));
    if (written < 0) return;
    at += written;
    if (at < bytes.length) await Bun.sleep(1);
  }
}
