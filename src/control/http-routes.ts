/**
 * What the console changes, over HTTP: the operations of ControlService that people use, with the same rules of roles, the same
 * scopes and the same audit log.
 */
import { CodedError } from "../error.ts";
import { JsonObject } from "../flight/json-object.ts";
import { takeFilter } from "../flight/range-ticket.ts";
import { LEDGER_SEQUENCE_MAX } from "../ledger/terms.ts";
import { refuseOtherMethods } from "../ops/http-errors.ts";
import type { Logger } from "../ops/log.ts";
import type { OpsContext, OpsHono } from "../ops/ops-hono.ts";
import { publicValue } from "../ops/public-text.ts";
import { scopedSessions } from "../sessions/scoped-sessions.ts";
import type { SessionRequest, SessionService } from "../sessions/session-service.ts";
import { COMPRESSIONS } from "../vocabulary/compression.ts";
import type { Dataset } from "../vocabulary/dataset.ts";
import { type AuditLine, auditLine } from "./audit.ts";
import { logLevel } from "./control-service.ts";

const START_EXAMPLE = '{"start_ledger":1,"end_ledger":0}';
const FILTERS_EXAMPLE = '{"filters":{"asset_codes":["KALE"]}}';
const BATCH_ROWS_MAX = 1_000_000; // as BATCH_SIZE
const PARTITIONS_MAX = 256; // the ceiling of PARTITIONS_MAX, which the service checks

/** What is done with the sessions that the caller may use. */
type Act = (sessions: SessionService, id: string) => unknown;

/** One operation: its name in the audit log, and what a body asks for, which is done once nothing of it is left over. */
interface Operation {
  name: string;
  take(body: JsonObject): Act;
}

const START: Operation = {
  name: "StartProcessing",
  take(body) {
    const request = takeRequest(body);
    return (sessions) => sessions.start(request);
  },
};
const ON_SESSION: Readonly<Record<string, Operation>> = {
  stop: { name: "StopProcessing", take: () => (sessions, id) => sessions.stop(id) },
  resume: { name: "ResumeSession", take: () => (sessions, id) => sessions.resume(id) },
  filters: {
    name: "ConfigureFilters",
    take(body) {
      const filters = body.object("filters", FILTERS_EXAMPLE);
      if (filters === undefined) throw body.missing("filters", `the filters that hold from now on: ${FILTERS_EXAMPLE}`);
      const replace = takeFilter(filters);
      return (sessions, id) => sessions.configureFilters({ replace }, id);
    },
  },
};
const REMOVE: Operation = {
  name: "DeleteSession",
  take: () => (sessions, id) => sessions.remove(id, false),
};

function logLevelOperation(log: Pick<Logger, "level">): Operation {
  return {
    name: "SetLogLevel",
    take(body) {
      const level = logLevel(body.text("level") ?? "");
      return () => {
        log.level = level;
        return { level };
      };
    },
  };
}

/** Adds the routes; a call that changes something writes a line into the audit log. */
export function addSessionRoutes(
  app: OpsHono,
  all: SessionService,
  write: AuditLine,
  log: Pick<Logger, "level">,
): void {
  const answer = async (context: OpsContext, operation: Operation, id: string): Promise<Response> => {
    const identity = context.get("identity");
    const text = await context.req.text();
    const who = { identity, peer: context.env.peer, what: JSON.stringify({ session: id || undefined, body: text }) };
    const audit = auditLine(write, operation.name, who);
    try {
      const body = text === "" ? new JsonObject({}, "body") : JsonObject.parse(text, "body", START_EXAMPLE);
      const act = operation.take(body);
      body.end();
      const result = await act(scopedSessions(all, identity), id);
      audit("OK", sessionOf(result));
      return new Response(JSON.stringify(result ?? {}, publicValue), {
        headers: { "Content-Type": "application/json", "Cache-Control": "no-store" },
      });
    } catch (thrown) {
      audit(CodedError.from(thrown));
      throw thrown;
    }
  };
  app.post("/v1/log-level", (context) => answer(context, logLevelOperation(log), ""));
  app.post("/v1/sessions", (context) => answer(context, START, ""));
  for (const [path, operation] of Object.entries(ON_SESSION)) {
    app.post(`/v1/sessions/:id/${path}`, (context) => answer(context, operation, context.req.param("id")));
  }
  app.delete("/v1/sessions/:id", (context) => answer(context, REMOVE, context.req.param("id")));
  refuseOtherMethods(app, "/v1/sessions", "POST", "starts a session; GET /v1/overview shows all of them");
  refuseOtherMethods(app, "/v1/sessions/:id", "DELETE", "deletes the session; GET /v1/overview shows it");
  for (const path of ["/v1/log-level", ...Object.keys(ON_SESSION).map((each) => `/v1/sessions/:id/${each}`)]) {
    refuseOtherMethods(app, path, "POST", "makes the change");
  }
}

function takeRequest(body: JsonObject): SessionRequest {
  const ledgerStart = body.integer("start_ledger", 1, LEDGER_SEQUENCE_MAX);
  if (ledgerStart === undefined) throw body.missing("start_ledger", "the first ledger");
  const filters = body.object("filters", FILTERS_EXAMPLE);
  const labels = body.object("labels", '{"team":"a"}');
  const request: SessionRequest = {
    ledgerStart,
    ledgerEnd: body.integer("end_ledger", 0, LEDGER_SEQUENCE_MAX) ?? 0,
    batchRows: body.integer("batch_size", 0, BATCH_ROWS_MAX) ?? 0,
    source: body.text("source"),
    filter: filters === undefined ? undefined : takeFilter(filters),
    schemaVersion: body.integer("schema_version", 1, 2),
    datasets: body.texts("datasets") as Dataset[] | undefined, // the operation checks them
    partitions: body.integer("partitions", 1, PARTITIONS_MAX),
    compression: body.oneOf("compression", COMPRESSIONS),
    labels: labels === undefined ? undefined : takeLabels(labels),
    replicated: body.boolean("replicated"),
  };
  return request;
}

function takeLabels(json: JsonObject): Record<string, string> {
  const labels = json.keys.map((key) => [key, json.text(key) ?? ""] as const);
  return Object.fromEntries(labels);
}

function sessionOf(result: unknown): string | undefined {
  const id = (result as { id?: unknown } | undefined)?.id;
  return typeof id === "string" ? id : undefined;
}
