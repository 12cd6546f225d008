/** The connections of one listener: counted from the moment they are accepted, so that TLS handshakes count too. */
import type net from "node:net";
import { CodedError } from "../error.ts";
import type { WindowShim } from "../http2/http2-window-shim.ts";
import type { Reason } from "../reasons/registry.ts";
import type { PeerLimits } from "../vocabulary/peer-limits.ts";
import { ConnectionLog, type Warn } from "./connection-log.ts";

/** How many there may be. */
interface ConnectionLimits {
  connectionsMax: number;
  /** How many of them may come from one peer. */
  peerConnectionsMax: number;
  /** What a peer is: a remote address, the certificate that was shown, or nothing. */
  peerLimits: PeerLimits;
  /** Whether there is a file descriptor for one more. */
  hasRoom(): boolean;
}

/** Connections of one address that may end for floods within FLOODS_MS; then it is kept out until that time is over. */
export const FLOODS_MAX = 3; // a client that errs once or twice is let in again
const FLOODS_MS = 60_000;
const FLOODERS_MAX = 4096; // addresses remembered; some 100 B each

/** Why a connection ends that is counted and said. */
const TOLD: ReadonlySet<Reason> = new Set(["HTTP2_FLOOD", "HTTP2_LIMIT", "HTTP2_PROTOCOL", "HTTP2_HANDSHAKE"]);
const FLOODS: ReadonlySet<Reason> = new Set(["HTTP2_FLOOD", "HTTP2_LIMIT"]);

/** All sockets of one listener that are open, with their shims. */
export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #log: ConnectionLog;
  readonly #nowMs: () => number;
  /** Without a shim while in the TLS handshake, or for good where there are none. */
  readonly #sockets = new Map<net.Socket, WindowShim | undefined>();
  /** Peer -> its connections. */
  readonly #ofPeers = new Map<string, number>();
  /** Address -> its connections that have ended for floods. */
  readonly #floods = new Map<string, { count: number; sinceMs: number }>();
  #refused = 0;
  #ended = 0;

  constructor(limits: ConnectionLimits, warn: Warn = () => {}, nowMs: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#log = new ConnectionLog(warn, nowMs);
    this.#nowMs = nowMs;
  }

  get size(): number {
    return this.#sockets.size;
  }

  /** How many were closed at once because of the limits. */
  get refused(): number {
    return this.#refused;
  }

  /** How many were ended for what their clients did: a flood, a wrong frame, no handshake in time. */
  get ended(): number {
    return this.#ended;
  }

  /** Counts the socket until it closes; one over the limits is destroyed. */
  admit(socket: net.Socket): void {
    socket.on("error", () => socket.destroy());
    const address = socket.remoteAddress ?? "";
    const refusal = this.#refusalOf(address);
    if (refusal !== undefined) {
      this.#refuse(socket, address, refusal);
      return;
    }
    this.#sockets.set(socket, undefined);
    socket.once("close", () => this.#sockets.delete(socket));
    if (this.#limits.peerLimits === "address") this.#countPeer(socket, address);
  }

  #refusalOf(address: string): string | undefined {
    const { connectionsMax, hasRoom, peerLimits } = this.#limits;
    if (this.#sockets.size >= connectionsMax) return `there are ${connectionsMax} connections, which is the limit`;
    if (peerLimits === "address") {
      if (this.#isKeptOut(address)) return `${FLOODS_MAX} connections of it have ended for floods: it is kept out`;
      const refusal = this.#peerRefusal(address);
      if (refusal !== undefined) return refusal;
    }
    return hasRoom() ? undefined : "file descriptors run short";
  }

  #peerRefusal(peer: string): string | undefined {
    const { peerConnectionsMax } = this.#limits;
    if ((this.#ofPeers.get(peer) ?? 0) < peerConnectionsMax) return undefined;
    return `it has ${peerConnectionsMax} connections, which is the limit of one client (PEER_LIMITS)`;
  }

  #refuse(socket: net.Socket, address: string, message: string): void {
    this.#refused++;
    this.#log.say("connections are refused", address, { message });
    socket.destroy();
  }

  #countPeer(socket: net.Socket, peer: string): void {
    this.#ofPeers.set(peer, (this.#ofPeers.get(peer) ?? 0) + 1);
    socket.once("close", () => {
      const left = (this.#ofPeers.get(peer) ?? 1) - 1;
      if (left === 0) this.#ofPeers.delete(peer);
      else this.#ofPeers.set(peer, left);
    });
  }

  has(socket: net.Socket): boolean {
    return this.#sockets.has(socket);
  }

  /** The shim of a socket that was admitted. One over the limit of the certificate that it has shown is destroyed. */
  shimmed(socket: net.Socket, shim: WindowShim): void {
    this.#sockets.set(socket, shim);
    const address = socket.remoteAddress ?? "";
    shim.on("error", (error) => {
      if (error instanceof CodedError && TOLD.has(error.reason as Reason)) this.#endedBy(address, error);
      shim.destroy();
    });
    this.identified(socket, shim.peerCertificate?.fingerprint256);
  }

  /**
   * The client of a socket that was admitted has shown that certificate, or none. One over the limit of a certificate is destroyed.
   * @returns whether it may stay
   */
  identified(socket: net.Socket, certificate: string | undefined): boolean {
    if (this.#limits.peerLimits !== "identity" || certificate === undefined) return true;
    const refusal = this.#peerRefusal(certificate);
    if (refusal === undefined) this.#countPeer(socket, certificate);
    else this.#refuse(socket, socket.remoteAddress ?? "", refusal);
    return refusal === undefined;
  }

  #endedBy(address: string, error: CodedError): void {
    this.#ended++;
    this.#log.say("a connection was ended", address, error);
    if (!FLOODS.has(error.reason as Reason)) return;
    const nowMs = this.#nowMs();
    const known = this.#floods.get(address);
    if (known !== undefined && nowMs - known.sinceMs < FLOODS_MS) {
      known.count++;
      return;
    }
    this.#floods.delete(address);
    const [oldest] = this.#floods.keys();
    if (this.#floods.size >= FLOODERS_MAX && oldest !== undefined) this.#floods.delete(oldest);
    this.#floods.set(address, { count: 1, sinceMs: nowMs });
  }

  #isKeptOut(address: string): boolean {
    const floods = this.#floods.get(address);
    return floods !== undefined && floods.count >= FLOODS_MAX && this.#nowMs() - floods.sinceMs < FLOODS_MS;
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
