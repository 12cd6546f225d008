/** /openapi.json: what HTTP offers, as OpenAPI 3.1 describes it. */
import { BODIES } from "./open-api-bodies.ts";
import { MEDIA_TYPES, type RowFormat } from "./row-format.ts";
import {
  type Parameter,
  type ParameterType,
  RANGE_PARAMETERS,
  READ_PARAMETERS,
  SESSION_PARAMETERS,
} from "./row-query.ts";

const SCHEMAS: Readonly<Record<ParameterType, object>> = {
  integer: { type: "integer", minimum: 0 },
  boolean: { type: "boolean" },
  text: { type: "string" },
  list: { type: "array", items: { type: "string" } },
  shard: { type: "string", pattern: "^[0-9]+/[0-9]+$" },
};
const SESSION_ID = { name: "id", in: "path", required: true, description: "A session.", schema: { type: "string" } };
const ERROR = { content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } } };

const FORMS: Readonly<Record<RowFormat, string>> = {
  ndjson: 'A JSON object a row and line. An error in mid-stream is the last line: {"error":{…}}.',
  csv: "A line of names, then a line a row. An error in mid-stream cuts the connection.",
  arrow: "An Arrow IPC stream. An error in mid-stream cuts the connection.",
  sse: "An event a batch: a data line a row, and the cursor as its id. Events progress, end and error beside.",
};

/** The document. */
export function openApi(version: string): object {
  return {
    openapi: "3.1.0",
    info: {
      title: "Contract Data Processor",
      version,
      description: "Changes of Soroban contract data, read over HTTP. The same rows as over Arrow Flight.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    security: [{}, { bearer: [] }, { basic: [] }],
    paths: {
      "/v1/rows": rowsPath("rows", "Rows of a range of ledgers", RANGE_PARAMETERS, []),
      "/v1/sessions/{id}/rows": rowsPath("sessionRows", "Rows of a session", SESSION_PARAMETERS, [SESSION_ID]),
      "/v1/sessions": { post: change("startSession", "Starts a session", [], BODIES.start, "The session.") },
      "/v1/sessions/{id}": {
        delete: change("removeSession", "Deletes a session that is over", [SESSION_ID], BODIES.none, "It is gone."),
      },
      "/v1/sessions/{id}/stop": {
        post: change("stopSession", "Stops a session", [SESSION_ID], BODIES.none, "The session."),
      },
      "/v1/sessions/{id}/resume": {
        post: change("resumeSession", "Resumes a session", [SESSION_ID], BODIES.none, "The session."),
      },
      "/v1/sessions/{id}/filters": {
        post: change(
          "filterSession",
          "Other filters, from the next ledger on",
          [SESSION_ID],
          BODIES.filters,
          "From which ledger they hold.",
        ),
      },
      "/v1/log-level": {
        post: change("setLogLevel", "Another level of the log", [], BODIES.logLevel, "The level that holds."),
      },
      "/v1/overview": page("overview", "What the console shows", "application/json"),
      "/v1/history": page("history", "Rate and lag of sessions over the last hour", "application/json"),
      "/health": page("health", "Health of the server's parts", "application/json", 503),
      "/ready": page("ready", "Whether the server can do its work", "application/json", 503),
      "/readyz": page("readyz", "As /ready", "application/json", 503),
      "/livez": page("livez", "Whether the process answers", "application/json"),
      "/metrics": page("metrics", "Metrics for Prometheus", "text/plain"),
      "/status.json": page("status", "Sessions, parts and addresses", "application/json"),
      "/openapi.json": page("openApi", "This document", "application/json"),
    },
    components: {
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "An API key or a JWT." },
        basic: { type: "http", scheme: "basic" },
      },
      schemas: {
        Error: {
          type: "object",
          required: ["error"],
          properties: {
            error: {
              type: "object",
              required: ["code", "reason", "message"],
              properties: {
                code: { type: "string", description: "A gRPC status." },
                reason: { type: "string", description: "Stable; docs/errors.md has them all." },
                message: { type: "string" },
              },
            },
          },
        },
      },
    },
  };
}

function rowsPath(name: string, summary: string, parameters: readonly Parameter[], path: readonly object[]): object {
  const all = [...path, ...[...parameters, ...READ_PARAMETERS].map(parameterOf)];
  const content = Object.fromEntries(
    Object.entries(MEDIA_TYPES).map(([format, { type }]) => [
      type,
      { schema: { type: "string", description: FORMS[format as RowFormat] } },
    ]),
  );
  return {
    get: {
      operationId: name,
      summary,
      parameters: [
        ...all,
        {
          name: "Last-Event-ID",
          in: "header",
          description: "Of an event stream: the cursor to go on from; it goes before `from`.",
          schema: { type: "string" },
        },
      ],
      responses: {
        "200": {
          description: "Rows, until the last one; for ever where the stream follows its source.",
          headers: {
            Cursor: { description: "Where the first batch begins.", schema: { type: "string" } },
          },
          content,
        },
        "204": { description: "Of an event stream that goes on: it is over, and nothing is left." },
        default: { description: "An error before the first row.", ...ERROR },
      },
    },
    post: {
      operationId: `${name}Ticket`,
      summary: "The same address with a ticket in it, for who cannot send headers",
      parameters: all,
      responses: {
        "200": ticketAnswer("Nobody is asked for credentials: the address as it is."),
        "201": ticketAnswer("The address can be opened until `expires_at`."),
        default: { description: "An error.", ...ERROR },
      },
    },
  };
}

/** A call of an operator; without a body where it needs none. */
function change(
  operationId: string,
  summary: string,
  parameters: readonly object[],
  schema: object,
  answer: string,
): object {
  return {
    operationId,
    summary,
    parameters,
    ...(schema === BODIES.none ? {} : { requestBody: { required: true, content: { "application/json": { schema } } } }),
    responses: {
      "200": { description: answer, content: { "application/json": { schema: { type: "object" } } } },
      default: { description: "An error.", ...ERROR },
    },
  };
}

function ticketAnswer(description: string): object {
  const properties = { url: { type: "string" }, expires_at: { type: "string", format: "date-time" } };
  return {
    description,
    content: { "application/json": { schema: { type: "object", required: ["url"], properties } } },
  };
}

function parameterOf({ key, type, summary, missing }: Parameter): object {
  const list = type === "list" ? { style: "form", explode: false } : {};
  return {
    name: key,
    in: "query",
    required: missing !== undefined,
    description: summary,
    ...list,
    schema: SCHEMAS[type],
  };
}

function page(name: string, summary: string, type: string, failing?: number): object {
  const content = { [type]: {} };
  const responses: Record<string, object> = { "200": { description: summary, content } };
  if (failing !== undefined) responses[failing] = { description: "It is not.", content };
  return { get: { operationId: name, summary, responses } };
}
