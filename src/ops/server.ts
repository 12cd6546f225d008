/** Serves the ops app over HTTP. */
import { type Address, formatAddress } from "../config/address.ts";
import { CodedError } from "../error.ts";
import type { ServerTls } from "../grpc/server-tls.ts";
import { API_ROOT } from "./http-errors.ts";
import type { OpsCaller, OpsEnv, OpsHono } from "./ops-hono.ts";
import { requestPath } from "./request-path.ts";

/** How long a connection may say and take nothing. */
export const IDLE_SECONDS_MAX = 30; // scrapes come every few seconds to a minute; an idle connection is no loss
const REQUEST_BYTES_MAX = 16 * 2 ** 10; // no request here has a body
const LISTEN_AGAIN_MS = 50; // after an attempt for which there was no descriptor
const SHED_AGAIN_MS = 5000; // connections that are back by then are a flood …
const SHED_PAUSE_MS = 500; // … which is refused by the system meanwhile: accepting it takes all of a core
const MIN_VERSION = { minVersion: 0x0303 }; // TLS 1.2, as TLS writes it; the types do not know it
const STOP_GRACE_MS = 1000; // answers take milliseconds

/** An HTTP server that accepts connections on `port` (the real one where 0 was asked for). */
export interface OpsServer {
  port: number;
  /** Closes every connection, and listens again on the same port: at once, or soon when that has just been done. */
  shed(): void;
  /** Where it has TLS: connections from now on have these certificates; answers under way come to their end. */
  renewTls(tls: ServerTls): void;
  /** Stops listening, lets answers under way end, then cuts what is still open. */
  close(): Promise<void>;
}

/**
 * HEAD is answered as GET without compression: Bun leaves the body out and keeps its length, where Hono drops the body
 * first, so that the length would be 0.
 */
function answeredAsGet(request: Request): Request {
  if (request.method !== "HEAD" || requestPath(request).startsWith(API_ROOT)) return request;
  const headers = new Headers(request.headers);
  headers.delete("Accept-Encoding");
  return new Request(`http://localhost${requestPath(request)}`, { headers });
}

/** HTTP_ADDRESS_UNAVAILABLE. */
export function addressUnavailable(
  { host, port, setting = "HEALTH_PORT" }: Address & { setting?: string },
  cause: unknown,
): CodedError {
  const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
  return new CodedError(
    "UNAVAILABLE",
    "HTTP_ADDRESS_UNAVAILABLE",
    `cannot listen on ${host || "*"}:${port} for HTTP (${code}): set ${setting} to a free port`,
    { cause },
  );
}

/**
 * Where clients are asked for certificates, tls-front.ts stands in front.
 *
 * @param options.host empty = every interface
 * @param options.port 0 = any free one
 * @param options.tls absent: no TLS
 * @param options.setting what names the port
 * @param options.callerAt who has connected from an address; undefined: nobody who may ask
 * @throws CodedError UNAVAILABLE / HTTP_ADDRESS_UNAVAILABLE where the address is not to be had
 */
export function startOpsServer(
  app: Pick<OpsHono, "fetch">,
  options: Address & {
    tls?: Pick<ServerTls, "cert" | "key">;
    setting?: string;
    callerAt?: (address: Address) => OpsCaller | undefined;
  },
): OpsServer {
  let { tls } = options;
  const { callerAt = (address) => ({ peer: formatAddress(address) }) } = options;
  const listen = (port: number) =>
    Bun.serve({
      port,
      hostname: options.host || undefined,
      tls: tls && { cert: tls.cert, key: tls.key, ...MIN_VERSION },
      idleTimeout: IDLE_SECONDS_MAX,
      maxRequestBodySize: REQUEST_BYTES_MAX,
      development: false,
      reusePort: false, // Bun's default with development: false is true: two servers would share the port silently
      fetch: (request, server) => {
        const { address = "", port = 0 } = server.requestIP(request) ?? {};
        const caller = callerAt({ host: address, port });
        if (caller === undefined) return new Response(null, { status: 403, headers: { Connection: "close" } });
        const env: OpsEnv = { ...caller, stayOpen: (may) => server.timeout(request, may ? 0 : IDLE_SECONDS_MAX) };
        return app.fetch(answeredAsGet(request), env);
      },
    });
  let server: ReturnType<typeof listen>;
  try {
    server = listen(options.port);
  } catch (error) {
    throw addressUnavailable(options, error);
  }
  const port = server.port ?? options.port;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let listening = true;
  let shedAtMs = Number.NEGATIVE_INFINITY;
  const listenAgain = () => {
    try {
      server = listen(port);
      listening = true;
    } catch {
      retry = setTimeout(listenAgain, LISTEN_AGAIN_MS); // another thread has taken the descriptor meanwhile
    }
  };
  return {
    port,
    shed() {
      if (!listening) return;
      // Bun closes idle connections only once they have asked something, and those of a flood have not.
      listening = false;
      void server.stop(true);
      const nowMs = performance.now();
      if (nowMs - shedAtMs > SHED_AGAIN_MS) listenAgain();
      else retry = setTimeout(listenAgain, SHED_PAUSE_MS);
      shedAtMs = nowMs;
    },
    renewTls(renewed) {
      if (tls === undefined) return;
      tls = renewed;
      if (!listening) return; // it soon does
      listening = false;
      void server.stop();
      listenAgain();
    },
    async close() {
      clearTimeout(retry);
      listening = false;
      const ended = server.stop();
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, STOP_GRACE_MS);
      });
      await Promise.race([ended, late]);
      clearTimeout(timer);
      await server.stop(true);
    },
  };
}
