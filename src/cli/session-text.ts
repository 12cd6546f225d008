/** Sessions as text and as JSON, for the commands that show them. */
import {
  Compression,
  type Filters,
  type Session,
  GetStatusResponse_Status as Status,
} from "../grpc/generated/control.ts";
import { columns, grouped } from "./control-call.ts";

/** The name of a GetStatusResponse.Status: `RUNNING`; its number where this version does not know it. */
export function statusName(status: number): string {
  return nameOf(status, Status);
}

/** The enums of the control API, by the fields that have them. */
const ENUMS: Readonly<Record<string, Readonly<Record<string, number>>>> = { status: Status, compression: Compression };

function nameOf(value: number, names: Readonly<Record<string, number>>): string {
  return Object.entries(names).find(([, number]) => number === value)?.[0] ?? String(value);
}

/** Any message of the control API as JSON, with the names that its proto file has, those of enums too. */
export function sessionJson(message: unknown): string {
  return JSON.stringify(named(message));
}

function named(value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries(value); // its keys are labels, not names
  if (Array.isArray(value)) return value.map(named);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => {
      const names = ENUMS[name];
      return [snake(name), names !== undefined && typeof inner === "number" ? nameOf(inner, names) : named(inner)];
    }),
  );
}

function snake(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** `5 of 9`, `none yet` */
function ledgerText(current: number, target: number): string {
  const text = current === 0 ? "none yet" : String(current);
  return target === 0 ? text : `${text} of ${target}`;
}

/** One line of a list or a watch. */
export function sessionLine({ sessionId, status, metrics, request, message, error }: Session): string {
  const said = error?.message || message;
  return `${sessionId}  ${statusName(status).padEnd(8)}  ledger ${ledgerText(metrics?.currentLedger ?? 0, request?.endLedger ?? 0)}  ${grouped(metrics?.contractsProcessed ?? 0)} rows  ${grouped(metrics?.processingRate ?? 0)}/s  ${metrics?.clients ?? 0} clients${labelText(request?.labels)}${said ? `  ${said}` : ""}`;
}

function labelText(labels: Map<string, string> | undefined): string {
  if (labels === undefined || labels.size === 0) return "";
  return `  ${[...labels].map(([key, value]) => `${key}=${value}`).join(",")}`;
}

/** All of a session. */
export function sessionTable(session: Session): string {
  const { request, metrics, checkpoint, error } = session;
  const rows: [string, string][] = [
    ["session", session.sessionId],
    ["status", statusName(session.status)],
    ["ledger", ledgerText(metrics?.currentLedger ?? 0, request?.endLedger ?? 0)],
    ["started at", `ledger ${request?.startLedger}`],
    ["source", session.sourceDescription],
    ["rows", grouped(metrics?.contractsProcessed ?? 0)],
    ["left out by filters", grouped(metrics?.entriesSkipped ?? 0)],
    ["delivered", `${grouped(metrics?.rowsDelivered ?? 0)} rows, to all clients together`],
    ["clients", String(metrics?.clients ?? 0)],
    ["created", time(session.createdAtMs)],
    ["worked", `${(session.activeMs / 1000).toFixed(1)} s, resumed ${session.resumes} times`],
  ];
  if (session.endedAtMs > 0) rows.push(["ended", time(session.endedAtMs)]);
  if (checkpoint !== undefined) rows.push(["checkpoint", `ledger ${checkpoint.ledger}, ${time(checkpoint.savedAtMs)}`]);
  for (const { dataset, index, rows: count, rowsDelivered, clients } of session.partitions) {
    rows.push([
      partName(session, dataset, index),
      `${grouped(count)} rows, ${grouped(rowsDelivered)} delivered, ${clients} clients`,
    ]);
  }
  for (const { fromLedger, filters } of session.filterHistory) {
    rows.push([`filters from ${fromLedger}`, filterText(filters)]);
  }
  for (const { peer, rows: count, leftAtMs, dataset, partition } of session.deliveries) {
    const of = session.partitions.length === 0 ? "" : ` of ${partName(session, dataset, partition ?? 0)}`;
    rows.push([`client ${peer}`, `${grouped(count)} rows${of}${leftAtMs === 0 ? ", reading" : ""}`]);
  }
  for (const [key, value] of request?.labels ?? []) rows.push([`label ${key}`, value]);
  if (error !== undefined) rows.push(["error", `${error.message} (${error.reason})`]);
  else if (session.message) rows.push(["message", session.message]);
  return columns(rows);
}

/** `ttl`, `partition 1`, `ttl partition 1`: no more than tells it from the session's others. */
function partName({ request }: Session, dataset: string, index: number): string {
  const words = (request?.datasets.length ?? 1) > 1 ? [dataset] : [];
  if ((request?.partitions ?? 0) > 1) words.push(`partition ${index}`);
  return words.join(" ");
}

function time(unixMs: number): string {
  return unixMs === 0 ? "not yet" : new Date(unixMs).toISOString();
}

/** `asset_codes USDC, with removed entries` */
export function filterText(filters: Filters | undefined): string {
  if (filters === undefined) return "everything";
  const kinds = Object.entries(filters)
    .filter(([name, value]) => (Array.isArray(value) ? value.length > 0 : name !== "includeDeleted" && Boolean(value)))
    .map(([name, value]) => {
      if (value === true) return snake(name);
      if (!Array.isArray(value)) return `${snake(name)} ${value}`;
      return `${snake(name)} ${value.length > 3 ? `(${value.length})` : value.join(" ")}`;
    });
  const deleted = filters.includeDeleted ? "with removed entries" : "without removed entries";
  return `${kinds.length === 0 ? "everything" : kinds.join(", ")}, ${deleted}`;
}
