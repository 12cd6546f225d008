/** Reasons of errors: requests, what a call asks for. */
import { reason } from "./reason.ts";

/** Entries by reason; docs/errors.md shows them under "Requests". */
export const REQUESTS = {
  ACTION_UNKNOWN: reason("UNIMPLEMENTED", "The Flight service has no action of that name.", "Call ListActions."),
  ASSETS_TOO_LONG: reason(
    "INVALID_ARGUMENT",
    "A list of known assets has more items than one list may have.",
    "Give the important ones; the others are learned from the ledgers.",
  ),
  BODY_INVALID: reason(
    "INVALID_ARGUMENT",
    "The body of a Flight action is not the message that the action takes.",
    "Send the message that the action's description names.",
  ),
  COMPRESSION: reason(
    "INVALID_ARGUMENT",
    "The compression is not one that this server makes.",
    "Use none, lz4 or zstd.",
  ),
  DEADLINE: reason("INVALID_ARGUMENT", "The deadline of StopProcessing is over the limit.", "Give a shorter one."),
  LOG_LEVEL: reason("INVALID_ARGUMENT", "The log has no such level.", "Use debug, info, warn or error."),
  DESCRIPTOR_INVALID: reason(
    "INVALID_ARGUMENT",
    "The Flight descriptor has no type that this server knows.",
    'Use PATH ["contract","data"] or CMD with JSON.',
  ),
  DUPLICATE_COLUMN: reason("INVALID_ARGUMENT", "A column is asked for twice.", "Name each column once."),
  ENDPOINTS_MAX: reason(
    "INVALID_ARGUMENT",
    "A FlightInfo has more endpoints than GetFlightInfo ever gives.",
    "Send one that GetFlightInfo gave.",
  ),
  FILTERS_AMBIGUOUS: reason(
    "INVALID_ARGUMENT",
    "ConfigureFilters has more than one form of filters.",
    "Give filters, or patch, or the plain lists.",
  ),
  FLIGHT_CANCELLED: reason(
    ["CANCELLED", "FAILED_PRECONDITION"],
    "The flight of the ticket has been cancelled by CancelFlightInfo.",
    "Call GetFlightInfo again.",
  ),
  FLIGHT_INFO_TOO_LARGE: reason(
    "INVALID_ARGUMENT",
    "The endpoints of a FlightInfo would be larger than clients accept.",
    "Ask for fewer partitions, or select by a smaller filter.",
  ),
  FORMAT: reason("INVALID_ARGUMENT", "The format of rows is none that HTTP gives.", "Use ndjson, csv, arrow or sse."),
  HOST: reason(
    "PERMISSION_DENIED",
    "A browser asks under a host name that is not known to be this server's.",
    "Add the name to HTTP_ALLOWED_HOSTS.",
  ),
  METHOD: reason(
    "UNIMPLEMENTED",
    "The address of an HTTP request has no such method.",
    "Use one that the header Allow names.",
  ),
  ORIGIN: reason(
    "PERMISSION_DENIED",
    "A page of another site has made a browser ask.",
    "Use a program, or the server's own console.",
  ),
  PATH: reason("NOT_FOUND", "Nothing is at the address of an HTTP request.", "See /openapi.json for the addresses."),
  QUERY: reason(
    "INVALID_ARGUMENT",
    "A parameter of an HTTP request is unknown, or has a value that it cannot have.",
    "See docs/http.md or /openapi.json for the parameters.",
  ),
  IDEMPOTENCY_KEY_REUSED: reason(
    "FAILED_PRECONDITION",
    "The idempotency key belongs to another request.",
    "Use a new key for a new session.",
  ),
  INTERVAL: reason("INVALID_ARGUMENT", "The interval of WatchSession is too short.", "Give a longer one."),
  INVALID_ASSET: reason("INVALID_ARGUMENT", "A text is not an asset as SEP-11 writes it.", "Use native or CODE:G…."),
  INVALID_FILTER: reason(
    "INVALID_ARGUMENT",
    "A filter has a value that its kind cannot have.",
    "See docs/flight.md for the kinds and their values.",
  ),
  INVALID_OPTION: reason(
    "INVALID_ARGUMENT",
    "The library was given an option that it does not know.",
    "See the docstring of the option.",
  ),
  INVALID_STRKEY: reason(
    "INVALID_ARGUMENT",
    "A text is not a strkey of the kind that is needed.",
    "Copy the whole key; its last characters are a checksum.",
  ),
  JSON_INVALID: reason(
    "INVALID_ARGUMENT",
    "A ticket or descriptor is not a JSON object.",
    "Send an object like the one in the message.",
  ),
  KEY_INVALID: reason(
    "INVALID_ARGUMENT",
    "A key of the JSON has a value of the wrong type or range.",
    "Send what the message asks for.",
  ),
  KEY_MISSING: reason("INVALID_ARGUMENT", "A key that is needed is missing in the JSON.", "Add it."),
  KEY_UNKNOWN: reason(
    "INVALID_ARGUMENT",
    "The JSON has a key that this server does not know.",
    "Check its spelling, or leave it out.",
  ),
  LABELS: reason(
    "INVALID_ARGUMENT",
    "The labels of a session are too many, too long or not allowed.",
    "Keep to the limits in the message.",
  ),
  LEDGER_RANGE_INVALID: reason(
    "INVALID_ARGUMENT",
    "The first and last ledger are not a range.",
    "Start at 1 or later and end there or later; 0 means no end.",
  ),
  DATASET_FILTERS: reason(
    "INVALID_ARGUMENT",
    "Filters are given for a dataset that has none.",
    "Leave them out, or name contract_data too.",
  ),
  DATASET_OF_SESSION: reason(
    "FAILED_PRECONDITION",
    "The session does not have the dataset that is asked for.",
    "Start a session with it, or read a range.",
  ),
  DATASET_UNKNOWN: reason("INVALID_ARGUMENT", "There is no such dataset.", "Name one of those in the message."),
  NO_COLUMNS: reason("INVALID_ARGUMENT", "A list of columns is empty.", "Name at least one, or leave the list out."),
  NO_SQL: reason(
    ["INVALID_ARGUMENT", "UNIMPLEMENTED"],
    "A Flight SQL driver asked this server, which has no SQL.",
    "Use a plain Flight client with the tickets of docs/flight.md.",
  ),
  PAGE_SIZE: reason("INVALID_ARGUMENT", "The page size of ListSessions is over the limit.", "Ask for smaller pages."),
  PAGE_TOKEN: reason("INVALID_ARGUMENT", "The page token is not one that still holds.", "Begin again without one."),
  PARTITION_OF_SESSION: reason(
    "FAILED_PRECONDITION",
    "The session has partitions, and the request does not say which of them it reads.",
    "Name the session, and read all endpoints.",
  ),
  PATCH_FIELDS: reason(
    "INVALID_ARGUMENT",
    "A list of the patch has fields that belong to the patch itself.",
    "Move them to the patch.",
  ),
  REQUEST_INVALID: reason(
    "INVALID_ARGUMENT",
    "A number of StartProcessing is out of its range.",
    "Keep to the range in the message.",
  ),
  REQUEST_UNREADABLE: reason(
    "INVALID_ARGUMENT",
    "The bytes of a request are no protobuf message of its kind.",
    "Make it with a codec of the .proto file.",
  ),
  SCHEMA_UNREADABLE: reason(
    "INVALID_ARGUMENT",
    "The bytes of a schema are no Arrow IPC schema message.",
    "Send the encapsulated form.",
  ),
  SCHEMA_VERSION_OF_SESSION: reason(
    "FAILED_PRECONDITION",
    "The legacy ticket or path means schema version 1, and the session has another.",
    "Name the session in the ticket.",
  ),
  SERVICE_UNKNOWN: reason(
    "NOT_FOUND",
    "The health service knows no service of that name.",
    'Ask for "" or for a service that reflection lists.',
  ),
  SESSION_ENCODING: reason(
    "FAILED_PRECONDITION",
    "A ticket asks a session for columns, dictionaries, a batch size or a compression that it does not have.",
    "Leave the key out, or read a range.",
  ),
  START_LEDGER_MISSING: reason(
    "INVALID_ARGUMENT",
    "StartProcessing has no start_ledger.",
    "Give the first ledger to read, 1 or more.",
  ),
  TICKET_EXPIRED: reason(
    "FAILED_PRECONDITION",
    "The ticket has expired.",
    "Renew its endpoint, or call GetFlightInfo again.",
  ),
  TICKET_INVALID: reason(
    "INVALID_ARGUMENT",
    "The ticket is none of this server's.",
    "Use a ticket of GetFlightInfo, or the forms in docs/flight.md.",
  ),
  TICKET_SIGNATURE: reason(
    "PERMISSION_DENIED",
    "The ticket carries a signature that is not this server's, or has been changed.",
    "Call GetFlightInfo again, or write a ticket without sig.",
  ),
  TICKET_TOO_LARGE: reason("INVALID_ARGUMENT", "The ticket or descriptor is over the limit.", "Use a smaller filter."),
  UNIMPLEMENTED: reason("UNIMPLEMENTED", "The Flight method is not offered.", "The message says what to use instead."),
  UNKNOWN_COLUMN: reason(
    "INVALID_ARGUMENT",
    "The schema version has no column of that name.",
    "Choose from docs/columns.md.",
  ),
  UNKNOWN_SCHEMA_VERSION: reason("INVALID_ARGUMENT", "There is no such schema version.", "Use 1 or 2."),
  PARTITIONS: reason(
    "INVALID_ARGUMENT",
    "A session asks for more partitions than PARTITIONS_MAX.",
    "Ask for fewer, or raise the limit.",
  ),
  IDEMPOTENCY_KEY: reason("INVALID_ARGUMENT", "The idempotency key is too long or empty.", "Use a UUID."),
} as const;
