/** Reasons of errors: connections, and the server's life. */
import { reason } from "./reason.ts";

/** Entries by reason; docs/errors.md shows them under "Connections". */
export const CONNECTIONS = {
  ADDRESS_FORBIDDEN: reason("PERMISSION_DENIED", "This user may not listen on that port.", "Use a port from 1024 on."),
  ADDRESS_INVALID: reason("INVALID_ARGUMENT", "A text is no address.", "Write :8816, 127.0.0.1:8816 or [::1]:8816."),
  ADDRESS_IN_USE: reason("UNAVAILABLE", "Another program listens on that address.", "Stop it, or use another port."),
  ADDRESS_NOT_LOCAL: reason("INVALID_ARGUMENT", "The address is not one of this machine.", "Use one of its own."),
  CLIENT_LEFT: reason("CANCELLED", "The client left while it waited.", "Nothing is to be done."),
  CLUSTER_AWAY: reason(
    "UNAVAILABLE",
    "The cluster's NATS is away, or its JetStream does not answer.",
    "Try again; see CLUSTER, and the component cluster of /health.",
  ),
  CREDENTIALS: reason(
    "UNAUTHENTICATED",
    "Name and password, or the token, are missing or wrong.",
    "Send an API key as a bearer token, or call Handshake with name and password.",
  ),
  HTTP_ADDRESS_UNAVAILABLE: reason(
    "UNAVAILABLE",
    "The HTTP address cannot be listened on.",
    "Set HEALTH_PORT to a free port.",
  ),
  JWKS_AWAY: reason(
    "UNAVAILABLE",
    "The keys of the JWTs' issuer have not been read yet, and cannot be.",
    "Try again; see JWT_JWKS_URL.",
  ),
  LISTEN_FAILED: reason("INTERNAL", "The system refuses to listen.", "The message has its reason."),
  LOCATION: reason(
    "UNAVAILABLE",
    "A location that a server has named for an endpoint cannot be used.",
    "Another location is tried by itself; see ADVERTISED_HOST of the node.",
  ),
  ROLE: reason(
    "PERMISSION_DENIED",
    "The caller is known, and its role does not include this call.",
    "Ask whoever keeps ACCESS_FILE for another role.",
  ),
  SCOPE: reason(
    "PERMISSION_DENIED",
    "The caller may use some sessions or contracts only, and this is another one.",
    "Name one of those that ACCESS_FILE gives to the caller.",
  ),
  SERVER_SILENT: reason("DEADLINE_EXCEEDED", "The server did not answer in time.", "Try again; see its /health."),
  SERVER_STOPPING: reason("UNAVAILABLE", "The server is shutting down.", "Come back with the cursor."),
  SERVER_TLS: reason(
    "UNAVAILABLE",
    "The TLS handshake of a command with the server has failed.",
    "The message names the flag that mends it.",
  ),
  SERVER_UNREACHABLE: reason("UNAVAILABLE", "Nobody answers at the address.", "Start the server, or name its address."),
  STARTING: reason("UNAVAILABLE", "The server is still starting.", "Try again."),
  WRONG_PORT: reason(
    ["UNIMPLEMENTED", "UNAVAILABLE"],
    "The port is another one of this server's.",
    "Use the port that the message names.",
  ),
} as const;
