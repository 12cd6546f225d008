/** Reasons of errors: faults, of this program, of its runtime or of its peers. */
import { reason } from "./reason.ts";

/** Entries by reason; docs/errors.md shows them under "Faults". */
export const FAULTS = {
  BATCH_BUFFER: reason("INTERNAL", "A batch does not fit its buffer.", "Report it."),
  BATCH_PLAN: reason("INTERNAL", "Rows changed between measuring and writing.", "Report it."),
  DATA_PLANE_DIED: reason("INTERNAL", "The data-plane thread is lost.", "The process ends; restart it."),
  FLIGHT_DATA_MALFORMED: reason(
    "DATA_LOSS",
    "A FlightData message is no valid protobuf.",
    "The server or a proxy damaged it.",
  ),
  GRPC_JS_CHANGED: reason(
    "INTERNAL",
    "The version of grpc-js is not the one that this build knows.",
    "Use the version of package.json.",
  ),
  LZ4_FRAME: reason("DATA_LOSS", "A compressed body cannot be read.", "The server or a proxy damaged it."),
  MESSAGE_UNREADABLE: reason(
    "DATA_LOSS",
    "The server sent bytes that are no Arrow message.",
    "The server or a proxy damaged it.",
  ),
  ORDER_VIOLATED: reason("INTERNAL", "Batches came out of order.", "Report it."),
  RECORD_VERSION: reason("INTERNAL", "Threads are of different versions.", "Install again."),
  RING_ABANDONED: reason("UNAVAILABLE", "The thread at the other end of a ring has ended.", "The session is resumed."),
  ROWS_SCHEMA: reason(
    "INTERNAL",
    "Rows of one schema version are laid out as another.",
    "Decode with the encoder's options.",
  ),
  STREAM_UNKNOWN: reason("INTERNAL", "A thread knows nothing of a stream.", "Report it."),
  TAG_UNKNOWN: reason("INTERNAL", "A thread sent a message of an unknown kind.", "Report it."),
  UNEXPECTED: reason("INTERNAL", "An error that nobody foresaw.", "See the server's log, and report it."),
  WORKER_DIED: reason(
    "INTERNAL",
    "A decode worker died.",
    "Continuous sessions are resumed by themselves; resume the others.",
  ),
} as const;
