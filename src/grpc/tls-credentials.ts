/**
 * TLS of a gRPC client's connections. What grpc-js has for it names an IP address to the server as a host name, which the
 * runtime refuses, waits without end for a server that says nothing, and keeps an error's text alone. The methods with an
 * underscore are its own affair (1.14.7): the compiler says so when a newer one has moved them.
 */
import { isIP, type Socket } from "node:net";
import { type ConnectionOptions, connect } from "node:tls";
import * as grpc from "@grpc/grpc-js";
import { parseAddress } from "./address.ts";

const HANDSHAKE_MS_MAX = 10_000; // three round trips; a busy server takes a second
/** As TLS calls it where the server notices first (RFC 7301). */
const NO_HTTP2 = "NO_APPLICATION_PROTOCOL";

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
    private readonly options: Pick<ConnectionOptions, "ca" | "cert" | "key"> = {},
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
    const { host, options } = this;
    return new Promise((resolve, reject) => {
      const servername = isIP(host) ? undefined : host;
      const secured = connect({ ...options, socket, host, servername, ALPNProtocols: ["h2"] });
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
        if (!secured.authorized) fail(secured.authorizationError);
        else if (secured.alpnProtocol !== "h2") fail(Object.assign(new Error("no HTTP/2"), { code: NO_HTTP2 }));
        else resolve(secured);
      });
      secured.on("error", fail);
      secured.once("close", () => fail(new Error("the server closed the connection in the TLS handshake")));
    });
  }
}

/** Credentials of a client for `address` (host:port). @param tls absent: no TLS */
export function clientCredentials(
  address: string,
  tls?: Pick<ConnectionOptions, "ca" | "cert" | "key">,
): grpc.ChannelCredentials {
  return tls === undefined ? grpc.credentials.createInsecure() : new TlsCredentials(parseAddress(address).host, tls);
}
