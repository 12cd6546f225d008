/**
 * The HTTP server where clients are asked for certificates. The runtime's own TLS checks them and shows none to what is
 * behind it. So a TLS server stands in front and passes the bytes of each connection on, over one of its own, to the HTTP
 * server on loopback, which learns who asks from the local port of that connection:
 *
 *   client ── TLS ──▶ front ── port P of loopback ──▶ HTTP server      callers: P → peer and name of the certificate
 *
 * A request from any other port of loopback is refused. Both pipes wait for their reader.
 */
import { once } from "node:events";
import net from "node:net";
import type tls from "node:tls";
import { formatAddress } from "../config/address.ts";
import type { Warn } from "../grpc/connection-log.ts";
import { Connections } from "../grpc/connections.ts";
import { createTlsServer, isTrusted, peerCertificate, renewTls, type ServerTls } from "../grpc/server-tls.ts";
import { nameOfCertificate } from "../security/certificate-name.ts";
import type { PeerLimits } from "../vocabulary/peer-limits.ts";
import type { OpsCaller, OpsHono } from "./ops-hono.ts";
import { addressUnavailable, IDLE_SECONDS_MAX, type OpsServer, startOpsServer } from "./server.ts";

const LOOPBACK = "127.0.0.1";
const PROTOCOL = "http/1.1"; // as TLS negotiates it
const CONNECTIONS_MAX = 1024; // three descriptors each; scrapes, probes and readers of rows are far fewer
const PEER_SHARE = 2; // one client never has all of them
const LAST_BYTES_MS_MAX = 1000; // of answers that the HTTP server has given in full when it stops

interface FrontOptions {
  /** Empty = every interface. */
  host: string;
  /** 0 = any free one. */
  port: number;
  tls: ServerTls;
  handshakeMsMax: number;
  peerLimits: PeerLimits;
  /** Default CONNECTIONS_MAX; one peer has half of them at most. */
  connectionsMax?: number;
  /** Whether there is a file descriptor for one more connection. */
  hasRoom: () => boolean;
  /** Told which peers have connections refused. */
  warn: Warn;
}

/** Listens for clients of `app` who may show a certificate. @throws CodedError as startOpsServer */
export async function startBehindFront(app: Pick<OpsHono, "fetch">, options: FrontOptions): Promise<OpsServer> {
  const { handshakeMsMax, connectionsMax = CONNECTIONS_MAX, peerLimits, hasRoom, warn } = options;
  const callers = new Map<number, OpsCaller>();
  const inner = startOpsServer(app, { host: LOOPBACK, port: 0, callerAt: ({ port }) => callers.get(port) });
  const peerConnectionsMax = Math.ceil(connectionsMax / PEER_SHARE);
  const connections = new Connections({ connectionsMax, peerConnectionsMax, peerLimits, hasRoom }, warn);
  const server = createTlsServer(options.tls, handshakeMsMax, PROTOCOL);
  server.on("connection", (socket: net.Socket) => connections.admit(socket));
  server.on("secureConnection", (client: tls.TLSSocket) => {
    if (!connections.has(client)) return;
    const certificate = peerCertificate(client);
    if (!isTrusted(client) || !connections.identified(client, certificate?.fingerprint256)) {
      client.destroy();
      return;
    }
    client.setNoDelay(true);
    const peer = formatAddress({ host: client.remoteAddress ?? "", port: client.remotePort ?? 0 });
    passOn(client, inner.port, callers, { peer, certificateName: nameOfCertificate(certificate) });
  });
  try {
    server.listen({ port: options.port, host: options.host || undefined });
    await once(server, "listening");
  } catch (error) {
    await inner.close();
    throw addressUnavailable(options, error);
  }
  server.on("error", () => {}); // accept errors, such as too many open files, pass
  return {
    port: (server.address() as net.AddressInfo).port,
    shed: () => connections.drop(),
    renewTls: (tls) => renewTls(server, tls, handshakeMsMax, PROTOCOL),
    async close() {
      server.close();
      await inner.close();
      await connections.allClosed(LAST_BYTES_MS_MAX);
      connections.drop();
    },
  };
}

/** Joins a client to the HTTP server, until one of them ends. */
function passOn(client: tls.TLSSocket, port: number, callers: Map<number, OpsCaller>, caller: OpsCaller): void {
  const inner = net.connect({ host: LOOPBACK, port });
  let innerPort = 0;
  // The port may be a stranger's as soon as it is given back, and before "close" is told.
  const forget = () => callers.delete(innerPort);
  inner.once("connect", () => {
    if (client.destroyed) {
      inner.destroy();
      return;
    }
    innerPort = inner.localPort ?? 0;
    callers.set(innerPort, caller);
    client.pipe(inner);
    inner.pipe(client);
  });
  inner.on("error", () => inner.destroy());
  inner.once("end", forget);
  inner.once("close", () => {
    forget();
    client.end();
    client.setTimeout(IDLE_SECONDS_MAX * 1000, () => client.destroy()); // takes nothing of what is left
  });
  client.once("close", () => {
    forget();
    inner.destroy();
  });
}
