/**
 * A DoGet that the main thread reads, for a client of HTTP: what it says to the data plane, and what it hears. One batch at
 * a time is under way.
 */
import type { ErrorRecord } from "../error.ts";
import type { Identity } from "../security/grant.ts";
import type { TraceContext } from "../tracing/trace-context.ts";

/** One Arrow IPC message: its flatbuffer, and its body. */
export interface IpcMessage {
  header: Uint8Array;
  body: Uint8Array;
}

/** A record batch; its body is in shared memory. */
export interface ReadBatch extends IpcMessage {
  /** The JSON of `app_metadata`. */
  metadata: string;
}

/** What the main thread says of one read. */
export type ToRowRead =
  | { step: "open"; ticket: Uint8Array; peer: string; identity?: Identity; caller?: TraceContext }
  /** The client has taken the last batch: the next one may come. */
  | { step: "taken" }
  | { step: "leave" };

/** What the data plane says of one read. */
export type FromRowRead =
  /** Schema and dictionaries, and the cursor at which the first batch begins. */
  | { step: "opened"; opening: IpcMessage[]; cursor?: string }
  | { step: "batch"; batch: ReadBatch }
  /** It comes once, also where `opened` never came. */
  | { step: "ended"; error?: ErrorRecord; cursor?: string };
