/** The connections of one listener: counted from the moment they are accepted, so that TLS handshakes count too. */
import type net from "node:net";
import type { WindowShim } from "../http2/http2-window-shim.ts";

/** How many there may be. */
interface ConnectionLimits {
  connectionsMax: number;
  /** How many of them may come from one remote address. */
  peerConnectionsMax: number;
  /** Whether there is a file descriptor for one more. */
  hasRoom(): boolean;
}

/** All sockets of one listener that are open, with their shims. */
export class Connections {
  readonly #limits: ConnectionLimits;
  /** Without a shim while in the TLS handshake, or for good where there are none. */
  readonly #sockets = new Map<net.Socket, WindowShim | undefined>();
  /** Remote address -> its connections. */
  readonly #ofPeers = new Map<string, number>();
  #refused = 0;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#sockets.size;
  }

  /** How many were closed at once because of the limits. */
  get refused(): number {
    return this.#refused;
  }

  /** Counts the socket until it closes; one over the limits is destroyed. */
  admit(socket: net.Socket): void {
    socket.on("error", () => socket.destroy());
    const peer = socket.remoteAddress ?? "";
    const ofPeer = this.#ofPeers.get(peer) ?? 0;
    const { connectionsMax, peerConnectionsMax, hasRoom } = this.#limits;
    if (this.#sockets.size >= connectionsMax || ofPeer >= peerConnectionsMax || !hasRoom()) {
      this.#refused++;
      socket.destroy();
      return;
    }
    this.#sockets.set(socket, undefined);
    this.#ofPeers.set(peer, ofPeer + 1);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      const left = (this.#ofPeers.get(peer) ?? 1) - 1;
      if (left === 0) this.#ofPeers.delete(peer);
      else this.#ofPeers.set(peer, left);
    });
  }

  has(socket: net.Socket): boolean {
    return this.#sockets.has(socket);
  }

  /** The shim of a socket that was admitted. */
  shimmed(socket: net.Socket, shim: WindowShim): void {
    this.#sockets.set(socket, shim);
    shim.on("error", () => shim.destroy());
  }

  /** Destroys the shims, which tell their clients of the error. */
  giveUp(error: Error): void {
    for (const shim of this.#sockets.values()) shim?.destroy(error);
  }

  /** Destroys the sockets that have no shim: where there are shims, those in the TLS handshake. */
  dropShimless(): void {
    for (const [socket, shim] of this.#sockets) if (shim === undefined) socket.destroy();
  }

  /** Destroys all sockets. */
  drop(): void {
    for (const socket of this.#sockets.keys()) socket.destroy();
  }

  /** Resolves when the last of those that are open now has closed, or after `msMax`. */
  async allClosed(msMax?: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const closed = [...this.#sockets.keys()].map(
      (socket) => new Promise<void>((resolve) => socket.once("close", () => resolve())),
    );
    const waits: Promise<unknown>[] = [Promise.all(closed)];
    if (msMax !== undefined) {
      waits.push(
        new Promise<void>((resolve) => {
          timer = setTimeout(resolve, msMax);
        }),
      );
    }
    await Promise.race(waits);
    clearTimeout(timer);
  }
}
