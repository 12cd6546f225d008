/**
 * TLS of a gRPC client's connections. What grpc-js has for it names an IP address to the server as a host name, which the
 * runtime refuses, waits without end for a server that says nothing, and keeps an error's text alone. The methods with an
 * underscore are its own affair (1.14.7): the compiler says so when a newer one has moved them.
 */
import { isIP, type Socket } from "node:net";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import * as grpc from "@grpc/grpc-js";
import { parseAddress } from "./address.ts";

const HANDSHAKE_MS_MAX = 10_000; // three round trips; a busy server takes a second
/** As TLS calls it where the server notices first (RFC 7301). */
const NO_HTTP2 = "NO_APPLICATION_PROTOCOL";

/** Authorities, and a certificate of the client's own. */
export type ClientTls = Pick<ConnectionOptions, "ca" | "cert" | "key">;

type SecureConnector = ReturnType<grpc.ChannelCredentials["_createSecureConnector"]>;

/** For one client. */
export class TlsCredentials extends grpc.ChannelCredentials {
  /** The last error of a connection; one that the server takes amiss may come after the handshake. */
  failure: unknown;

  /**
   * @param host name or IP address that the server's certificate has to be for
   * @param options authorities, and a certificate of the client's own
   */
  constructor(
    private readonly host: string,
    private readonly options: ClientTls = {},
  ) {
    super();
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: grpc.ChannelCredentials): boolean {
    return other === this;
  }

  override _createSecureConnector(): SecureConnector {
    return {
      connect: async (socket) => ({ socket: await this.shake(socket), secure: true }),
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => grpc.credentials.createEmpty(),
      destroy: () => {},
    };
  }

  private shake(socket: Socket): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const secured = connect({ ...tlsOptions(this.host, this.options), socket });
      const fail = (error: Error) => {
        this.failure ??= error;
        clearTimeout(timer);
        secured.destroy();
        socket.destroy();
        reject(error);
      };
      const timer = setTimeout(
        () => fail(new Error(`no TLS handshake within ${HANDSHAKE_MS_MAX} ms`)),
        HANDSHAKE_MS_MAX,
      );
      secured.once("secureConnect", () => {
        clearTimeout(timer);
        this.failure = undefined;
        const fault = handshakeFault(secured);
        if (fault === undefined) resolve(secured);
        else fail(fault);
      });
      secured.on("error", fail);
      secured.once("close", () => fail(new Error("the server closed the connection in the TLS handshake")));
    });
  }
}

/** What `connect` of node:tls is given for a gRPC server on `host`, a name or an IP address. */
export function tlsOptions(host: string, options: ClientTls): ConnectionOptions {
  return { ...options, host, servername: isIP(host) ? undefined : host, ALPNProtocols: ["h2"] };
}

/** What is wrong with a connection whose handshake is done; undefined where it can be used. */
export function handshakeFault(socket: TLSSocket): Error | undefined {
  if (!socket.authorized) return socket.authorizationError;
  return socket.alpnProtocol === "h2" ? undefined : Object.assign(new Error("no HTTP/2"), { code: NO_HTTP2 });
}

/** Credentials of a client for `address` (host:port). @param tls absent: no TLS */
export function clientCredentials(address: string, tls?: ClientTls): grpc.ChannelCredentials {
  return tls === undefined ? grpc.credentials.createInsecure() : new TlsCredentials(parseAddress(address).host, tls);
}
