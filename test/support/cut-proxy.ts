/** A TCP proxy with an address that stays, in front of a server that may be killed and come back at another port. */
import { connect, createServer, type Server, type Socket } from "node:net";

export class CutProxy {
  private readonly sockets = new Set<Socket>();
  private target = "";

  private constructor(private readonly server: Server) {
    server.on("connection", (client) => {
      if (this.target === "") return void client.destroy();
      const [host, port] = this.target.split(":") as [string, string];
      const upstream = connect(Number(port), host);
      for (const [socket, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        this.sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => {
          this.sockets.delete(socket);
          other.destroy();
        });
        socket.pipe(other);
      }
    });
  }

  static async listen(): Promise<CutProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new CutProxy(server);
  }

  get address(): string {
    const { port } = this.server.address() as { port: number };
    return `127.0.0.1:${port}`;
  }

  /** Where new connections lead; empty: nowhere, so that they end at once. */
  leadTo(address: string): void {
    this.target = address;
  }

  /** Resets every connection, in the middle of whatever passes. */
  cut(): void {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  close(): void {
    this.server.close();
    this.cut();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
