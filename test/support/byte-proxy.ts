/** A TCP proxy that keeps what the server sends, or counts it. */
import net from "node:net";

export class ByteProxy {
  /** What the server has sent on all connections. */
  readonly fromServer: Buffer[] = [];
  serverBytes = 0;
  /** After so many bytes the connection that bears them stays open and passes nothing more from the server; later ones do. */
  stallAt = Number.POSITIVE_INFINITY;
  /** Ends that. */
  goOn = (): void => {};

  private constructor(
    readonly address: string,
    private readonly server: net.Server,
    private readonly sockets: Set<net.Socket>,
  ) {}

  /** @param keeps false: counts only */
  static async start(target: string, keeps = true): Promise<ByteProxy> {
    const [host, port] = target.split(":") as [string, string];
    const sockets = new Set<net.Socket>();
    const server = net.createServer((near) => {
      const far = net.connect(Number(port), host);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        sockets.add(from);
        from.on("error", () => to.destroy()).on("close", () => to.end());
      }
      near.pipe(far);
      const held: Buffer[] = []; // a paused socket still gives what it has read
      let passedBytes = 0;
      let isStalled = false;
      const pass = (chunk: Buffer) => {
        passedBytes += chunk.length;
        isStalled = passedBytes >= proxy.stallAt;
        if (isStalled) proxy.stallAt = Number.POSITIVE_INFINITY;
        const isFull = !near.write(chunk);
        if (isStalled || isFull) far.pause();
        if (isFull) near.once("drain", () => void (isStalled || far.resume()));
      };
      const goOn = () => {
        isStalled = false;
        while (held.length > 0 && !isStalled) pass(held.shift()!);
        if (!isStalled && !near.writableNeedDrain) far.resume();
      };
      far.on("data", (chunk: Buffer) => {
        proxy.serverBytes += chunk.length;
        if (keeps) proxy.fromServer.push(Buffer.from(chunk));
        if (isStalled) held.push(Buffer.from(chunk));
        else pass(chunk);
        if (isStalled) proxy.goOn = goOn;
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = `127.0.0.1:${(server.address() as net.AddressInfo).port}`;
    const proxy: ByteProxy = new ByteProxy(address, server, sockets);
    return proxy;
  }

  [Symbol.dispose](): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}
