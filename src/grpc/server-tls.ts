/** TLS of a listener: what it shows, whom it asks for a certificate, and the server behind it. */
import type net from "node:net";
import tls from "node:tls";

/** HTTP/2 in TLS's negotiation of protocols (RFC 7301); gRPC needs it. */
const HTTP2 = "h2";

/** In PEM. */
export interface ServerTls {
  /** The server's certificate, and its chain. */
  cert: string;
  key: string;
  /** Authorities of clients' certificates. Absent: clients are asked for none. */
  ca?: string[];
  /** Whether a client without a certificate is refused. One whose certificate is not trusted is refused in any case. */
  requiresClientCert: boolean;
}

function optionsOf(
  { cert, key, ca, requiresClientCert }: ServerTls,
  handshakeTimeout: number,
  protocol: string,
): tls.TlsOptions {
  return {
    ...{ cert, key, ca, requestCert: ca !== undefined, rejectUnauthorized: requiresClientCert },
    ...{ minVersion: "TLSv1.2", ALPNProtocols: [protocol], handshakeTimeout },
  };
}

/**
 * A server that emits "connection" for each socket, which may be destroyed then, and "secureConnection" for that same
 * socket once its handshake is done. `isAcceptable` has to be asked then. What shakes hands counts as a connection all
 * the while.
 * @param handshakeMsMax from connecting to the end of the handshake
 * @param protocol what the handshake agrees on
 */
export function createTlsServer(settings: ServerTls, handshakeMsMax: number, protocol = HTTP2): tls.Server {
  const server = tls.createServer(optionsOf(settings, handshakeMsMax, protocol));
  // The runtime leaves the socket open where a handshake fails or takes too long.
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  return server;
}

/** Handshakes that begin from now on have the new certificates; connections that there are stay as they are. */
export function renewTls(server: tls.Server, settings: ServerTls, handshakeMsMax: number, protocol = HTTP2): void {
  server.setSecureContext(optionsOf(settings, handshakeMsMax, protocol));
}

/** Whether a socket after its handshake may go on: it speaks HTTP/2, and what it showed of a certificate is trusted. */
export function isAcceptable(socket: net.Socket): boolean {
  return (socket as tls.TLSSocket).alpnProtocol === HTTP2 && isTrusted(socket as tls.TLSSocket);
}

/** Whether the client has shown no certificate, or one that is trusted. */
export function isTrusted(socket: tls.TLSSocket): boolean {
  return socket.authorized || peerCertificate(socket) === undefined;
}

/** What the client has shown, trusted or not; undefined: nothing. */
export function peerCertificate(socket: tls.TLSSocket): tls.PeerCertificate | undefined {
  const certificate = socket.getPeerCertificate();
  return certificate && Object.keys(certificate).length > 0 ? certificate : undefined; // without one it is an empty object
}
