/**
 * Tickets and descriptors: how a client says what it wants to read. Both parse to the same request.
 *
 * - ticket `contract-data-stream`, descriptor PATH ["contract","data"]: the newest session
 * - descriptor PATH ["contract","data",<session id>]: that session
 * - ticket or CMD descriptor `{"session":"<id>","from":"start" | "now" | <cursor>}`: that session, from there on
 *
 * What is not ours is refused at once with INVALID_ARGUMENT (drivers of other protocols probe with CMD descriptors
 * and trust any answer).
 */
import { CodedError } from "../error.ts";
import { decodeCursor } from "../pipeline/cursor.ts";
import type { Position } from "../workers/records.ts";
import { FlightDescriptor_DescriptorType as DescriptorType, type FlightDescriptor } from "./proto/flight.ts";

export const NEWEST_SESSION_TICKET = "contract-data-stream";
const PATH_ROOT = ["contract", "data"];
const TICKET_BYTES_MAX = 64 << 10; // room for long filters; nobody needs more to say what to read

/** What to read. */
export type ReadRequest =
  | { kind: "newest" }
  | {
      kind: "session";
      id: string;
      /** undefined = the oldest batch that is held. */
      from?: "start" | "now" | Position;
    };

function invalid(reason: string, message: string): CodedError {
  return new CodedError("INVALID_ARGUMENT", reason, message);
}

/** @throws CodedError INVALID_ARGUMENT */
export function parseTicket(bytes: Uint8Array): ReadRequest {
  return parseText(bytes, "ticket");
}

/** @throws CodedError INVALID_ARGUMENT */
export function parseDescriptor(descriptor: FlightDescriptor): ReadRequest {
  if (descriptor.type === DescriptorType.CMD) return parseText(descriptor.cmd, "descriptor");
  if (descriptor.type !== DescriptorType.PATH) {
    throw invalid("DESCRIPTOR_INVALID", 'the descriptor has no type: use PATH ["contract","data"] or CMD with JSON');
  }
  const [first, second, id, ...rest] = descriptor.path;
  if (first !== PATH_ROOT[0] || second !== PATH_ROOT[1] || rest.length > 0) {
    throw invalid(
      "DESCRIPTOR_INVALID",
      `no flight has the path ${JSON.stringify(descriptor.path.slice(0, 4)).slice(0, 200)}: use ["contract","data"] or ["contract","data","<session id>"]`,
    );
  }
  return id === undefined ? { kind: "newest" } : { kind: "session", id };
}

/** The ticket by which DoGet gets what was asked for. */
export function ticketOf(request: ReadRequest): Uint8Array {
  if (request.kind === "newest") return Buffer.from(NEWEST_SESSION_TICKET);
  return Buffer.from(JSON.stringify({ session: request.id }));
}

function parseText(bytes: Uint8Array, what: "ticket" | "descriptor"): ReadRequest {
  if (bytes.length > TICKET_BYTES_MAX) {
    throw invalid("TICKET_TOO_LARGE", `the ${what} has ${bytes.length} B, over max ${TICKET_BYTES_MAX} B`);
  }
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  if (text === NEWEST_SESSION_TICKET) return { kind: "newest" };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw invalid(
      "TICKET_INVALID",
      `the ${what} is neither "${NEWEST_SESSION_TICKET}" nor JSON like {"session":"<id>","from":"start"}`,
    );
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw invalid("TICKET_INVALID", `the ${what} must be a JSON object like {"session":"<id>","from":"start"}`);
  }
  for (const key of Object.keys(json)) {
    if (key !== "session" && key !== "from") {
      throw invalid("TICKET_KEY_UNKNOWN", `the ${what} has an unknown key ${JSON.stringify(key.slice(0, 64))}`);
    }
  }
  const { session, from } = json as { session?: unknown; from?: unknown };
  if (typeof session !== "string" || session === "") {
    throw invalid("TICKET_KEY_INVALID", `"session" in the ${what} must be a session id`);
  }
  if (from === undefined) return { kind: "session", id: session };
  if (typeof from !== "string") {
    throw invalid("TICKET_KEY_INVALID", `"from" in the ${what} must be "start", "now" or a cursor`);
  }
  return { kind: "session", id: session, from: from === "start" || from === "now" ? from : decodeCursor(from) };
}
