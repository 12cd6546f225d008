/** Reasons of errors: limits, what is too much. */
import { reason } from "./reason.ts";

/** Entries by reason; docs/errors.md shows them under "Limits". */
export const LIMITS = {
  NAME_LIMIT: reason(
    "RESOURCE_EXHAUSTED",
    "The caller has as many streams, ranges or sessions at once as ACCESS_FILE allows its name.",
    "End one first, or ask whoever keeps ACCESS_FILE for more.",
  ),
  HTTP_STREAMS_MAX: reason(
    "RESOURCE_EXHAUSTED",
    "As many clients read rows over HTTP as HTTP_STREAMS_MAX allows.",
    "Try again, read over Flight, or raise HTTP_STREAMS_MAX.",
  ),
  LOGINS_MAX: reason(
    "RESOURCE_EXHAUSTED",
    "Too many passwords are being checked at once, in all or of one address.",
    "Try again; send a token or an API key in place of the password.",
  ),
  BATCH_TOO_LARGE: reason(
    "RESOURCE_EXHAUSTED",
    "A batch has a larger body than Arrow clients take.",
    "Put fewer rows into it.",
  ),
  CALLS_MAX: reason(
    "RESOURCE_EXHAUSTED",
    "A listener has as many calls as it takes, of one address or in all.",
    "End some, or try again.",
  ),
  CALL_BYTES: reason(
    "RESOURCE_EXHAUSTED",
    "Requests that are not whole yet hold as many bytes as they may, of one address or in all.",
    "Send fewer or smaller requests at once.",
  ),
  CALL_STALLED: reason(
    "RESOURCE_EXHAUSTED",
    "The call stood still while others needed the bytes that it held.",
    "Send the request without a pause.",
  ),
  CATCH_UPS_MAX: reason("RESOURCE_EXHAUSTED", "Too many clients catch up at once.", "Try again with the cursor."),
  FILTER_STEPS_MAX: reason(
    "RESOURCE_EXHAUSTED",
    "The filters of a session have changed too often.",
    "Start another session.",
  ),
  FILTER_STEPS_VALUES: reason(
    "RESOURCE_EXHAUSTED",
    "All filters that a session ever had hold too many values.",
    "Start another session.",
  ),
  FILTER_TOO_LONG: reason(
    "INVALID_ARGUMENT",
    "A filter has too many values.",
    "Select by another kind, or run several sessions.",
  ),
  FILTER_VALUES_ALL: reason(
    "RESOURCE_EXHAUSTED",
    "The filters of all sessions hold too many values together.",
    "Delete sessions that have ended, or use smaller filters.",
  ),
  FLIGHT_DATA_TOO_LARGE: reason(
    "RESOURCE_EXHAUSTED",
    "A FlightData message is over the limit of protobuf.",
    "Slice the batch into smaller ones.",
  ),
  HEALTH_WATCHES: reason("RESOURCE_EXHAUSTED", "Too many health watches are open.", "Close one, or use Check."),
  HTTP2_FLOOD: reason(
    "RESOURCE_EXHAUSTED",
    "A connection sent too many frames that bring nothing, such as resets, pings or empty DATA.",
    "Cancel and ping less often; if it is no client of yours, keep it out.",
  ),
  HTTP2_HANDSHAKE: reason("DEADLINE_EXCEEDED", "A connection sent no HTTP/2 SETTINGS in time.", "Use a gRPC client."),
  HTTP2_LIMIT: reason(
    "RESOURCE_EXHAUSTED",
    "A connection went over a limit of HTTP/2.",
    "The message names the limit.",
  ),
  MEMORY_EXHAUSTED: reason(
    "RESOURCE_EXHAUSTED",
    "MAX_MEMORY_MB leaves no room for another stream.",
    "Stop a session, or raise MAX_MEMORY_MB.",
  ),
  MEMORY_TOO_SMALL: reason(
    "INVALID_ARGUMENT",
    "MAX_MEMORY_MB, or the container's memory limit, leaves no room for a server with one worker.",
    "Raise it to what the message names.",
  ),
  QUESTIONS_MAX: reason("RESOURCE_EXHAUSTED", "Too many requests wait for the main thread.", "Try again."),
  RANGES_MAX: reason(
    "RESOURCE_EXHAUSTED",
    "Too many ranges are read at once.",
    "Read fewer at once, or raise RANGES_MAX.",
  ),
  RING_MESSAGE_TOO_LARGE: reason(
    "RESOURCE_EXHAUSTED",
    "A message between threads is over the limit.",
    "Lower LEDGER_BYTES_MAX, or raise MAX_MEMORY_MB.",
  ),
  ROW_TOO_LARGE: reason(
    "RESOURCE_EXHAUSTED",
    "One row does not fit a Flight message.",
    "Raise FLIGHT_MESSAGE_BYTES_MAX, and the client's limit with it.",
  ),
  SESSIONS_MAX: reason("RESOURCE_EXHAUSTED", "Too many sessions are active.", "Stop one, or raise SESSIONS_MAX."),
  SESSION_WATCHES: reason("RESOURCE_EXHAUSTED", "Too many watches are open.", "Close one, or use GetSession."),
  SLOW_CLIENT: reason(
    "RESOURCE_EXHAUSTED",
    "The client took nothing for SLOW_CLIENT_GRACE and held others back.",
    "Read faster; go on with the cursor.",
  ),
  TOO_MANY_ASSETS: reason(
    "RESOURCE_EXHAUSTED",
    "A table of known assets is full.",
    "Name the important ones by KNOWN_ASSETS.",
  ),
  TOO_MANY_ROWS: reason(
    "RESOURCE_EXHAUSTED",
    "A row set of the library is full.",
    "Lay rows out and clear it more often.",
  ),
  HTTP2_PROTOCOL: reason("INVALID_ARGUMENT", "A connection broke the rules of HTTP/2.", "Use a gRPC client."),
} as const;
