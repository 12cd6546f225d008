/**
 * Who may call what: a rule for each gRPC method of the three listeners, by `package.Service/Method`, and for each path of
 * HTTP. A method without a rule is for admins alone.
 */
import type { OpenPart } from "../config/access-settings.ts";
import type { Role } from "./grant.ts";

/** What one method, or one path, asks of a caller. */
export interface MethodRule {
  /** nobody: no credentials are asked for. */
  needs: Role | "nobody";
  /** Open to everybody where ACCESS_OPEN has it. */
  part?: OpenPart;
  /** What it shows or changes is of all sessions: callers who are confined to some are refused. */
  ofAll?: boolean;
  /** It changes something, and goes into the audit log. */
  changes?: boolean;
}

const READ: MethodRule = { needs: "reader" };
const CHANGE: MethodRule = { needs: "operator", changes: true };
const OPEN: MethodRule = { needs: "nobody" };

const CONTROL = "contractdata.v1.ControlService";
const FLIGHT = "arrow.flight.protocol.FlightService";
const HEALTH = "grpc.health.v1.Health";

function all(service: string, rules: Readonly<Record<string, MethodRule>>): [string, MethodRule][] {
  return Object.entries(rules).map(([method, rule]) => [`${service}/${method}`, rule]);
}

const CONTRACT_DATA_RULES = {
  GetServiceInfo: READ,
  GetStatus: READ,
  GetFilterConfig: READ,
  UpdateFilterConfig: { ...CHANGE, ofAll: true },
};
const REFLECTION_RULES = { ServerReflectionInfo: { ...READ, part: "reflection" } } as const;

const RULES: ReadonlyMap<string, MethodRule> = new Map([
  ...all(CONTROL, {
    StartProcessing: CHANGE,
    StopProcessing: CHANGE,
    ConfigureFilters: CHANGE,
    ResumeSession: CHANGE,
    DeleteSession: CHANGE,
    SetLogLevel: { needs: "admin", changes: true, ofAll: true },
    GetStatus: READ,
    GetMetrics: READ,
    ListSessions: READ,
    GetSession: READ,
    WatchSession: READ,
    ListNodes: READ,
  }),
  ...["contractdata.ContractDataService", "stellar.v1.ContractDataService"].flatMap((service) =>
    all(service, CONTRACT_DATA_RULES),
  ),
  ...all(FLIGHT, {
    Handshake: OPEN, // it is where names are proved
    ListFlights: READ,
    GetFlightInfo: READ,
    PollFlightInfo: READ,
    GetSchema: READ,
    DoGet: READ,
    DoPut: READ, // not offered, and refused with a sentence that says so
    DoExchange: READ,
    DoAction: READ,
    ListActions: READ,
  }),
  ...all(HEALTH, { Check: OPEN, Watch: OPEN }),
  ...["v1", "v1alpha"].flatMap((version) => all(`grpc.reflection.${version}.ServerReflection`, REFLECTION_RULES)),
  ...all("", {
    livez: OPEN,
    ready: OPEN,
    readyz: OPEN,
    health: { ...READ, part: "health", ofAll: true },
    metrics: { ...READ, part: "metrics", ofAll: true },
    "": OPEN, // the console: what it shows it asks for by itself
    "status.json": { ...READ, part: "status", ofAll: true },
    "openapi.json": OPEN,
    "v1/overview": { ...READ, part: "status", ofAll: true },
    "v1/history": { ...READ, part: "status", ofAll: true },
    "v1/log-level": { needs: "admin", changes: true, ofAll: true },
    "v1/sessions": CHANGE,
    "v1/sessions/{id}": CHANGE,
    "v1/sessions/{id}/stop": CHANGE,
    "v1/sessions/{id}/resume": CHANGE,
    "v1/sessions/{id}/filters": CHANGE,
    "v1/rows": READ,
    "v1/sessions/{id}/rows": READ,
  }),
]);

const CONSOLE_PATH = /^\/console\/.*$/; // files of the console are as open as its page
const SESSION_PATH = /^(\/v1\/sessions\/)[^/]+/;

/** The rule of a gRPC method, `package.Service/Method`, or of a path of HTTP, `/metrics`; undefined: there is none. */
export function ruleOf(path: string): MethodRule | undefined {
  return RULES.get(path.replace(CONSOLE_PATH, "/").replace(SESSION_PATH, "$1{id}"));
}
