/** The typed client of ControlService, for our own commands and tests. */
import * as grpc from "@grpc/grpc-js";
import type { OutgoingTls } from "../config/tls-files.ts";
import { CodedError } from "../error.ts";
import { ControlService } from "../grpc/generated/control.ts";
import { bearerMetadata, errorOf, type ServiceClient, serviceClient, type UnaryOptions } from "../grpc/service.ts";
import { clientCredentials } from "../grpc/tls-credentials.ts";
import { explainUnreachable } from "../grpc/unreachable.ts";

const DEADLINE_MS = 10_000; // calls answer in milliseconds; a server that needs longer is stuck

/**
 * The calls of ControlService as promises that reject with CodedError. WatchSession is a stream of grpc-js: pass its
 * error to `explain`.
 */
export interface ControlClient extends ServiceClient<typeof ControlService> {
  /** What the end of a stream of this client means: its status as a CodedError with a sentence for people. */
  explain(thrown: unknown): unknown;
  close(): void;
}

interface ControlOptions {
  deadlineMs?: number;
  token?: string;
  /** Absent: no TLS. */
  tls?: OutgoingTls;
}

/**
 * A client for `address` (host:port); it connects at the first call. `token` goes with every call.
 * Calls reject with the CodedError that the server threw. UNAVAILABLE / SERVER_UNREACHABLE when there is none to
 * talk to, SERVER_TLS where its handshake fails, DEADLINE_EXCEEDED / SERVER_SILENT when it does not answer within `deadlineMs`.
 */
export function connectControl(
  address: string,
  { deadlineMs = DEADLINE_MS, token, tls }: ControlOptions = {},
): ControlClient {
  const metadata = bearerMetadata(token);
  const credentials = clientCredentials(address, tls);
  const client = new grpc.Client(address, credentials);
  const calls = serviceClient(client, ControlService);
  const explained =
    <Request, Response>(call: (request: Request, options?: UnaryOptions) => Promise<Response>) =>
    async (request: Request, options: UnaryOptions = {}) => {
      const withDeadline = { deadlineMs, metadata, ...options };
      try {
        return await call(request, withDeadline);
      } catch (error) {
        throw explain(error, address, credentials, withDeadline.deadlineMs);
      }
    };
  return {
    startProcessing: explained(calls.startProcessing),
    stopProcessing: explained(calls.stopProcessing),
    getStatus: explained(calls.getStatus),
    configureFilters: explained(calls.configureFilters),
    getMetrics: explained(calls.getMetrics),
    listSessions: explained(calls.listSessions),
    getSession: explained(calls.getSession),
    resumeSession: explained(calls.resumeSession),
    deleteSession: explained(calls.deleteSession),
    setLogLevel: explained(calls.setLogLevel),
    listNodes: explained(calls.listNodes),
    watchSession: (request, options) => calls.watchSession(request, { metadata, ...options }),
    explain: (thrown) => explain(errorOf(thrown as grpc.ServiceError), address, credentials, deadlineMs),
    close: () => client.close(),
  };
}

/** Errors that no server sent: say what they mean here. */
function explain(error: unknown, address: string, credentials: grpc.ChannelCredentials, deadlineMs: number): unknown {
  if (!(error instanceof CodedError)) return error;
  if (error.reason === "GRPC_DEADLINE_EXCEEDED") {
    return new CodedError(
      "DEADLINE_EXCEEDED",
      "SERVER_SILENT",
      `the server at ${address} did not answer within ${deadlineMs} ms`,
      { cause: error },
    );
  }
  return explainUnreachable(error, {
    ...{ what: "control server", address, port: "GRPC_ADDRESS, 50054 by default" },
    credentials,
  });
}
