/**
 * Opens a grpc-js server on an address, with what Bun needs in between (http2-window-rewriter.ts, http2-wakeup-guard.ts).
 *
 * How a grpc-js 1.14.7 server behaves when it has only an injector and was never bound (verified by the tests):
 * `start()` must not be called: it throws "server must be bound"; handlers run without it. `tryShutdown` sends GOAWAY on
 * injected sessions and lets their calls end, but calls back at once: node:http2's `close` has marked the sessions as
 * closed by the time that grpc-js looks, and a server that does not listen has nothing to wait for. So `close` here waits
 * for the sockets. `forceShutdown` destroys injected sessions. `getPeer()` gives the address of the injected duplex. Keepalive, idle and
 * age limits and max_concurrent_streams are read from the server's options and apply to injected sessions alike.
 * The injector must get insecure credentials also behind TLS, since what it is given is already decrypted.
 */
import type { ServerHttp2Stream } from "node:http2";
import net from "node:net";
import { type Server, ServerCredentials, type ServerOptions } from "@grpc/grpc-js";
import { CodedError } from "../error.ts";
import type { DirectCallTaker } from "../http2/direct-calls.ts";
import { guardWakeups } from "../http2/http2-wakeup-guard.ts";
import { CLOSE_MS_MAX, WindowShim, type WindowShimOptions } from "../http2/http2-window-shim.ts";
import type { PeerLimits } from "../vocabulary/peer-limits.ts";
import { type Address, formatAddress } from "./address.ts";
import { budgetCalls, CALL_LIMITS_DEFAULT, CallBudget, type CallLimits } from "./call-budget.ts";
import type { Warn } from "./connection-log.ts";
import { Connections } from "./connections.ts";
import { shortenEchoedHeaders } from "./echoed-headers.ts";
import { createInjector, serverOptionsOf } from "./grpc-internals.ts";
import { createTlsServer, isAcceptable, renewTls, type ServerTls } from "./server-tls.ts";
import { isUnaryCall, serveUnaryCalls } from "./unary-calls.ts";

/** Connections of one listener where nothing else is said. */
const CONNECTIONS_MAX = 1024; // under the usual limit on open files; a Flight client needs one
/** For TLS, and again for HTTP/2. Three round trips and a signature; a busy server takes a second. */
const HANDSHAKE_MS_MAX = 10_000;
/** Time that running calls get on `close`. */
const CLOSE_GRACE_MS = 5_000; // stays under the 10 s after which supervisors kill
const TCP_KEEPALIVE_MS = 30_000; // finds hosts that vanished, where gRPC's keepalive is switched off

/** Options for `new Server(…)`; give `overrides` to change some. */
export function grpcServerOptions(overrides: ServerOptions = {}): ServerOptions {
  return {
    "grpc.max_receive_message_length": 64 << 20, // existing clients of the control service may send this much
    "grpc.max_send_message_length": -1, // each service limits its own messages, with an error that says how
    "grpc.max_concurrent_streams": 256, // without it node:http2 sets no limit; the end of each takes 0.5 ms
    "grpc.keepalive_time_ms": 20_000, // a client that was killed or cut off is found within 30 s …
    "grpc.keepalive_timeout_ms": 10_000, // … counting the wait for its answer
    "grpc.enable_channelz": 0, // it keeps a record for every call and session
    ...overrides,
  };
}

/** Where a listener listens, its limits, and what tests replace. */
export interface ListenOptions extends Address {
  /** Name of the setting behind the address, for error messages (for example "FLIGHT_ADDRESS"). */
  setting?: string;
  /** Default CONNECTIONS_MAX; further connections are closed at once. */
  connectionsMax?: number;
  /** Default connectionsMax. Connections of one peer; further ones are closed at once. */
  peerConnectionsMax?: number;
  /** What a peer is, for connections and for calls. Default: an address. */
  peerLimits?: PeerLimits;
  /** For the TLS handshake, and again for HTTP/2's. Default HANDSHAKE_MS_MAX. */
  handshakeMsMax?: number;
  /** Told which peers have connections refused or ended. */
  warn?: Warn;
  /** Whether there is a file descriptor for one more connection, which is closed at once otherwise. Default: always. */
  hasRoom?: () => boolean;
  /** What all calls may hold together. Default CALL_LIMITS_DEFAULT. */
  callLimits?: CallLimits;
  /** Default: plain TCP. */
  tls?: ServerTls;
  /** Credentials for the injector, which carry interceptors. Default: insecure. */
  credentials?: ServerCredentials;
  /** Limits of each connection. */
  connection?: Omit<WindowShimOptions, "handshakeMsMax" | "direct">;
  /** Paths of unary methods (`/package.Service/Method`) whose calls do not pass through node:http2: small ones that end soon. */
  directPaths?: ReadonlySet<string>;
  /** Which work-arounds are on; default both on Bun, none on Node. For tests. */
  workarounds?: { windowShim?: boolean; wakeupGuard?: boolean };
}

/** A listener that accepts connections. The counts of what was refused never fall. */
export interface GrpcListener {
  /** Where it listens; the port is the real one when 0 was asked for. */
  readonly host: string;
  readonly port: number;
  /** Open connections, those in the TLS handshake too. */
  readonly connections: number;
  /** Connections closed at once because of `connectionsMax`, `peerConnectionsMax`, `hasRoom`, or floods before. */
  readonly connectionsRefused: number;
  /** Connections ended for what their clients did. */
  readonly connectionsEnded: number;
  /** Calls refused because of `callLimits`. */
  readonly callsRefused: number;
  /** Where it has TLS: handshakes from now on have these certificates; connections that there are stay as they are. */
  renewTls(tls: ServerTls): void;
  /**
   * Stops accepting, tells every client by GOAWAY, lets running calls end for `graceMs` (default CLOSE_GRACE_MS), then
   * gives up what is left, as WindowShim does, within CLOSE_MS_MAX. Resolves when no connection is left. The grpc-js
   * server cannot be used again. Calling it twice returns the same promise.
   */
  close(graceMs?: number): Promise<void>;
}

const onBun = process.versions.bun !== undefined;

/**
 * Listens on `options.host`:`options.port` and serves `server` there; add services before or after, and do not call
 * `server.bindAsync` or `server.start`. Rejects with UNAVAILABLE / ADDRESS_IN_USE, PERMISSION_DENIED / ADDRESS_FORBIDDEN,
 * INVALID_ARGUMENT / ADDRESS_NOT_LOCAL or INTERNAL / LISTEN_FAILED.
 */
export async function listenGrpc(server: Server, options: ListenOptions): Promise<GrpcListener> {
  const { windowShim = onBun, wakeupGuard = onBun } = options.workarounds ?? {};
  const connectionsMax = options.connectionsMax ?? CONNECTIONS_MAX;
  const { peerLimits = "address", handshakeMsMax = HANDSHAKE_MS_MAX, warn } = options;
  const { peerConnectionsMax = connectionsMax, hasRoom = () => true } = options;
  const connections = new Connections({ connectionsMax, peerConnectionsMax, peerLimits, hasRoom }, warn);
  const tlsServer = options.tls && createTlsServer(options.tls, handshakeMsMax);
  const transport = tlsServer ?? net.createServer();
  transport.on("connection", (socket: net.Socket) => connections.admit(socket));
  transport.on(tlsServer === undefined ? "connection" : "secureConnection", (socket: net.Socket) => {
    if (!connections.has(socket)) return;
    if (tlsServer !== undefined && !isAcceptable(socket)) {
      socket.destroy();
      return;
    }
    socket.setNoDelay(true);
    socket.setKeepAlive(true, TCP_KEEPALIVE_MS);
    if (!windowShim) {
      injector.injectConnection(socket);
      return;
    }
    const shim = new WindowShim(socket, { ...options.connection, handshakeMsMax, direct });
    connections.shimmed(socket, shim);
    if (socket.destroyed) return;
    http2Server.once("session", (session) => {
      if (shim.direct !== undefined) shim.direct.session = session;
    });
    injector.injectConnection(shim);
  });
  const { injector, http2Server } = createInjector(server, options.credentials ?? ServerCredentials.createInsecure());
  if (options.credentials === undefined) serveUnaryCalls(server, http2Server);
  const direct: DirectCallTaker | undefined = options.directPaths && {
    wants: (headers) => options.directPaths!.has(headers[":path"]!) && isUnaryCall(server, headers),
    // Whoever looks at a call of node:http2 looks at as much of it as a direct call has.
    begun: (call, headers) => http2Server.emit("stream", call as unknown as ServerHttp2Stream, headers),
    streamsMax: serverOptionsOf(server)["grpc.max_concurrent_streams"] ?? Number.POSITIVE_INFINITY,
  };
  guardWakeups(http2Server, wakeupGuard);
  shortenEchoedHeaders(http2Server);
  const budget = new CallBudget(options.callLimits ?? CALL_LIMITS_DEFAULT, peerLimits);
  budgetCalls(http2Server, budget);

  await listening(transport, options);
  const bound = transport.address() as net.AddressInfo;
  let closed: Promise<void> | undefined;
  return {
    host: options.host === "" ? bound.address : options.host,
    port: bound.port,
    get connections() {
      return connections.size;
    },
    get connectionsRefused() {
      return connections.refused;
    },
    get connectionsEnded() {
      return connections.ended;
    },
    get callsRefused() {
      return budget.refused;
    },
    renewTls(tls) {
      if (tlsServer !== undefined) renewTls(tlsServer, tls, handshakeMsMax);
    },
    close(graceMs = CLOSE_GRACE_MS) {
      if (closed === undefined && windowShim) connections.dropShimless();
      closed ??= closeAll(server, transport, connections, graceMs);
      return closed;
    },
  };
}

function listening(transport: net.Server, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    transport.once("error", (error: NodeJS.ErrnoException) => reject(listenError(error, options)));
    // Without a host the system's choice is every interface, IPv6 included where there is any.
    transport.listen({ port: options.port, host: options.host === "" ? undefined : options.host }, () => {
      transport.removeAllListeners("error");
      transport.on("error", () => {}); // accept errors, such as too many open files, pass
      resolve();
    });
  });
}

function listenError(error: NodeJS.ErrnoException, options: ListenOptions): CodedError {
  const address = formatAddress(options);
  const remedy = options.setting === undefined ? "choose another address" : `set ${options.setting} to another address`;
  switch (error.code) {
    case "EADDRINUSE":
      return new CodedError(
        "UNAVAILABLE",
        "ADDRESS_IN_USE",
        `${address} is in use by another program: stop that one, or ${remedy}`,
        { cause: error },
      );
    case "EACCES":
      return new CodedError(
        "PERMISSION_DENIED",
        "ADDRESS_FORBIDDEN",
        `listening on ${address} is not permitted: ports under 1024 need privileges; ${remedy}`,
        { cause: error },
      );
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return new CodedError(
        "INVALID_ARGUMENT",
        "ADDRESS_NOT_LOCAL",
        `${address} is not an address of this machine (${error.code}): ${remedy}`,
        { cause: error },
      );
    default:
      return new CodedError("INTERNAL", "LISTEN_FAILED", `cannot listen on ${address}: ${error.message}`, {
        cause: error,
      });
  }
}

async function closeAll(
  server: Server,
  transport: net.Server,
  connections: Connections,
  graceMs: number,
): Promise<void> {
  const stoppedAccepting = new Promise<void>((resolve) => transport.close(() => resolve()));
  server.tryShutdown(() => {}); // sends GOAWAY; see the head of this file for why its callback says nothing
  await connections.allClosed(graceMs);
  connections.giveUp(
    new CodedError(
      "UNAVAILABLE",
      "SERVER_STOPPING",
      `the server stops, and running calls had ${graceMs} ms to end: connect again`,
    ),
  );
  server.forceShutdown();
  await connections.allClosed(CLOSE_MS_MAX);
  connections.drop();
  await connections.allClosed();
  await stoppedAccepting;
}
