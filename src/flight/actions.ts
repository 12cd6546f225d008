/** What DoAction offers. Flight's own two speak protobuf, ours speak JSON. */
import { quoted } from "../base/text.ts";
import { versionsOf } from "../columns/datasets.ts";
import { CodedError } from "../error.ts";
import {
  CancelFlightInfoRequest,
  CancelFlightInfoResult,
  CancelStatus,
  FlightEndpoint,
  RenewFlightEndpointRequest,
} from "../grpc/generated/flight.ts";
import { COMPRESSIONS } from "../vocabulary/compression.ts";
import { DATASET_DEFAULT, DATASETS } from "../vocabulary/dataset.ts";
import type { SchemaVersion } from "../vocabulary/schema-version.ts";
import type { ContractDataOptions } from "./contract-data-options.ts";
import { jsonBytes, timestampOf } from "./flight-info.ts";
import { JsonObject } from "./json-object.ts";
import type { FlightAction } from "./producer.ts";
import { type RangeFlights, TICKET_TTL_MS } from "./range-flights.ts";
import { ENDPOINTS_MAX } from "./range-ticket.ts";
import { incompatibilities, readSchema, type Schemas } from "./schemas.ts";
import { checkSessionScope, checkWholeScope, readableSessions } from "./scope.ts";
import { describeStream } from "./stream-description.ts";
import type { TicketSeal } from "./ticket-seal.ts";
import { parseTicket, type ReadRequest, ticketOf } from "./tickets.ts";

/** What the actions need of the producer that offers them. */
interface ActionParts {
  readonly options: Pick<
    ContractDataOptions,
    "hub" | "main" | "totals" | "networkPassphrase" | "dictionaries" | "service" | "slowClientGraceMs" | "seal"
  >;
  readonly flights: RangeFlights;
  readonly schemas: Schemas;
}

/** The actions over a producer's parts. */
export function contractDataActions(parts: ActionParts): FlightAction[] {
  return [
    cancelAction(parts),
    renewAction(parts),
    sessionsAction(parts),
    sessionAction(parts),
    streamsAction(parts),
    schemaAction(parts),
    serverInfoAction(parts),
  ];
}

function cancelAction({ flights, options: { main, seal } }: ActionParts): FlightAction {
  return {
    type: "CancelFlightInfo",
    description:
      "Cancels a range that GetFlightInfo gave out: its DoGet calls end with CANCELLED, and its tickets no longer work. Sessions are shared and cannot be cancelled this way (StopProcessing ends one). Body: CancelFlightInfoRequest; result: CancelFlightInfoResult.",
    async run(body) {
      const request = decodeBody(CancelFlightInfoRequest, body);
      const endpoints = request.info?.endpoint ?? [];
      if (endpoints.length > ENDPOINTS_MAX) {
        throw new CodedError(
          "INVALID_ARGUMENT",
          "ENDPOINTS_MAX",
          `the FlightInfo has ${endpoints.length} endpoints, and GetFlightInfo gives ${ENDPOINTS_MAX} at most: send one that it gave`,
        );
      }
      const ids = endpoints.map(({ ticket }) => {
        const read = givenTicket(seal, ticket?.ticket);
        return read.kind === "range" ? read.range.id : undefined;
      });
      const known = ids.filter((id) => id !== undefined);
      for (const id of new Set(known)) flights.cancel(id);
      if (known.length > 0) await main.ask("cancelled", { flights: [...new Set(known)] });
      const all = ids.length > 0 && known.length === ids.length;
      const status = all ? CancelStatus.CANCEL_STATUS_CANCELLED : CancelStatus.CANCEL_STATUS_NOT_CANCELLABLE;
      return [CancelFlightInfoResult.encode({ status })];
    },
  };
}

function renewAction({ flights, options: { seal } }: ActionParts): FlightAction {
  return {
    type: "RenewFlightEndpoint",
    description:
      "Lets an endpoint that GetFlightInfo gave out be read for longer. Body: RenewFlightEndpointRequest; result: the FlightEndpoint with its new ticket and expiration_time.",
    async run(body) {
      const { endpoint } = decodeBody(RenewFlightEndpointRequest, body);
      const read = givenTicket(seal, endpoint?.ticket?.ticket);
      if (read.kind !== "range") return [FlightEndpoint.encode({ ...endpoint })]; // a session is read by its id in any case
      flights.check({ ...read.range, expiresAtUnixMs: undefined });
      const expiresAtUnixMs = Date.now() + TICKET_TTL_MS;
      const renewed = ticketOf({ kind: "range", range: { ...read.range, expiresAtUnixMs } });
      const ticket = { ticket: seal?.seal(renewed) ?? renewed };
      return [FlightEndpoint.encode({ ...endpoint, ticket, expirationTime: timestampOf(expiresAtUnixMs) })];
    },
  };
}

/**
 * A ticket that comes back, whether or not it has expired. A flight's id is no secret, since its batches carry it: where there are
 * seals, only a sealed ticket says that its bearer was given the flight.
 * @throws CodedError as parseTicket and TicketSeal.open
 */
function givenTicket(seal: TicketSeal | undefined, ticket: Uint8Array = new Uint8Array(0)): ReadRequest {
  const opened = seal?.open(ticket, { mayHaveExpired: true }) ?? ticket;
  const read = parseTicket(opened);
  if (seal === undefined || opened !== ticket || read.kind !== "range" || read.range.id === undefined) return read;
  throw new CodedError(
    "PERMISSION_DENIED",
    "TICKET_SIGNATURE",
    `the ticket names flight ${quoted(read.range.id)} and has no signature: send the ticket as GetFlightInfo gave it`,
  );
}

function sessionsAction({ options: { main } }: ActionParts): FlightAction {
  return {
    type: "sessions",
    description: 'All sessions, newest first. Body: empty or {"state":"RUNNING"}; result: {"sessions":[…]}.',
    async run(body, { identity }) {
      const json = bodyOf(body, '{"state":"RUNNING"}');
      const state = json.text("state");
      json.end();
      const sessions = readableSessions(identity, (await main.ask("sessions", {})).sessions);
      return [jsonBytes({ sessions: sessions.filter((each) => state === undefined || each.state === state) })];
    },
  };
}

function sessionAction({ options: { hub, main } }: ActionParts): FlightAction {
  return {
    type: "session",
    description: 'One session, and who reads it. Body: {"session":"<id>"}; result: the session.',
    async run(body, { identity }) {
      const json = bodyOf(body, '{"session":"<id>"}');
      const id = json.text("session");
      json.end();
      if (id === undefined) throw json.missing("session", "a session id");
      const { sessions } = await main.ask("sessions", { id });
      await checkSessionScope(identity, id, async () => sessions);
      const stream = hub.session(id);
      return [jsonBytes({ ...sessions[0], stream: stream === undefined ? undefined : describeStream(stream) })];
    },
  };
}

function streamsAction({ options: { hub, totals } }: ActionParts): FlightAction {
  return {
    type: "streams",
    description:
      'Every open stream, and for every client of it: batches, rows, bytes on the wire, lag in ledgers and bytes, time blocked on the client. Body: empty; result: {"totals":{…},"streams":[…]}.',
    async run(body, { identity }) {
      bodyOf(body, "{}").end();
      checkWholeScope(identity, "about all streams");
      return [jsonBytes({ totals: totals.read(), streams: hub.all().map(describeStream) })];
    },
  };
}

function schemaAction({ schemas, options }: ActionParts): FlightAction {
  return {
    type: "schema",
    description:
      'The schemas: columns, types, nullability, what they mean. Body: empty or {"dataset":"ttl","schema_version":1,"columns":[…],"dictionaries":true,"schema":"<IPC schema message, base64>"}; with "schema", that of a client, the result says whether the client can read ours.',
    async run(body) {
      const json = bodyOf(body, '{"schema_version":1}');
      const dataset = json.oneOf("dataset", DATASETS) ?? DATASET_DEFAULT;
      const version = json.integer("schema_version", 1, 1000) as SchemaVersion | undefined;
      const columns = json.texts("columns");
      const dictionaries = json.boolean("dictionaries") ?? options.dictionaries;
      const schema = json.text("schema");
      json.end();
      const wanted = { dataset, networkPassphrase: options.networkPassphrase, columns, dictionaries };
      const expected = schema === undefined ? undefined : readSchema(Buffer.from(schema, "base64"));
      const described = (version === undefined ? versionsOf(dataset) : [version]).map((each) => {
        const { schema: offered, fields } = schemas.get({ ...wanted, schemaVersion: each });
        const problems = expected === undefined ? undefined : incompatibilities(expected, offered);
        const fit = problems === undefined ? {} : { compatible: problems.length === 0, problems };
        return { dataset, schema_version: each, metadata: Object.fromEntries(offered.metadata), fields, ...fit };
      });
      return [jsonBytes({ schemas: described })];
    },
  };
}

function serverInfoAction({ options }: ActionParts): FlightAction {
  const { hub, main, networkPassphrase } = options;
  return {
    type: "server-info",
    description: "What this server is and offers. Body: empty; result: name, version, network, limits.",
    async run(body) {
      bodyOf(body, "{}").end();
      const ranges = await main.ask("rangeSource", {}).then(
        ({ source, ledgerLatest }) => ({ offered: true, source, ledger_latest: ledgerLatest }),
        (thrown: unknown) => ({ offered: false, reason: CodedError.from(thrown).message }),
      );
      return [
        jsonBytes({
          ...options.service,
          network_passphrase: networkPassphrase,
          datasets: Object.fromEntries(DATASETS.map((dataset) => [dataset, { schema_versions: versionsOf(dataset) }])),
          schema_versions: versionsOf(DATASET_DEFAULT),
          compressions: COMPRESSIONS,
          ranges,
          sessions: hub.sessions().length,
          ticket_seconds: TICKET_TTL_MS / 1000,
          slow_client_grace_ms: options.slowClientGraceMs,
        }),
      ];
    },
  };
}

function bodyOf(body: Uint8Array, example: string): JsonObject {
  if (body.length === 0) return new JsonObject({}, "body");
  return JsonObject.parse(Buffer.from(body).toString("utf8"), "body", example);
}

/** @throws CodedError INVALID_ARGUMENT / BODY_INVALID */
function decodeBody<T>(codec: { typeName: string; decode(bytes: Uint8Array): T }, body: Uint8Array): T {
  try {
    return codec.decode(body);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new CodedError("INVALID_ARGUMENT", "BODY_INVALID", `the body is no ${codec.typeName}: ${why}`);
  }
}
