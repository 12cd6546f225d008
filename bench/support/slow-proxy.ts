/** A TCP proxy that lets so many bytes a second through from the server, over all connections together. */
import net from "node:net";

const BURST_MS = 1_000; // a proxy that gets its turn late makes up for it: the wire that it stands for has not stood still

export class SlowProxy implements Disposable {
  private freeAtMs = performance.now();
  private readonly sockets = new Set<net.Socket>();

  private constructor(
    private readonly server: net.Server,
    private readonly bytesPerMs: number,
  ) {}

  static async start(target: string, bytesPerSecond: number): Promise<SlowProxy> {
    const [host, port] = target.split(":") as [string, string];
    const server = net.createServer((near) => proxy.join(near, net.connect(Number(port), host)));
    const proxy = new SlowProxy(server, bytesPerSecond / 1000);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as net.AddressInfo).port}`;
  }

  [Symbol.dispose](): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }

  private join(near: net.Socket, far: net.Socket): void {
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.sockets.add(one);
      one.on("error", () => other.destroy()).on("close", () => this.sockets.delete(one));
    }
    near.pipe(far);
    far.on("end", () => near.end());
    far.on("data", (chunk) => {
      this.freeAtMs = Math.max(this.freeAtMs, performance.now() - BURST_MS) + chunk.length / this.bytesPerMs;
      far.pause();
      setTimeout(
        () => {
          near.write(chunk);
          far.resume();
        },
        Math.max(0, this.freeAtMs - performance.now()),
      );
    });
  }
}
