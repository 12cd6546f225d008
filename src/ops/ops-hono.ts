/** The types of the HTTP app: what its routes know of a request. */
import type { Context, Hono } from "hono";
import type { Identity } from "../security/grant.ts";
import type { TraceContext } from "../tracing/trace-context.ts";

/** Who is at the other end of a connection. */
export interface OpsCaller {
  /** Address of the client. */
  peer: string;
  /** The name of the certificate that the client has proved by TLS. */
  certificateName?: string;
}

/** What the server says of a request beside the request itself. */
export interface OpsEnv extends OpsCaller {
  /** Whether the connection may be silent for as long as the answer takes; false is said before its last byte. */
  stayOpen?: (may: boolean) => void;
}

/** Bindings and variables, as Hono names them. */
export interface OpsTypes {
  Bindings: OpsEnv;
  Variables: {
    /** Who asks; undefined where nobody is asked. */
    identity: Identity | undefined;
    /** The request's span, where there are traces. */
    caller: TraceContext | undefined;
  };
}
/** The app, for those who add routes. */
export type OpsHono = Hono<OpsTypes>;
/** A request to it. */
export type OpsContext = Context<OpsTypes>;
