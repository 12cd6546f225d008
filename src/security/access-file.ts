/**
 * ACCESS_FILE: which name has which role.
 *
 * `{"names":{"<name>":<grant>,…},"others":<grant>}`, both optional, where a grant is
 * `{"role":"reader"|"operator"|"admin","sessions":[…],"contract_ids":[…],"streams_max":…,"ranges_max":…,
 * "sessions_max":…,"bytes_per_second_max":…}` (docs/security.md). `others` is for everybody
 * who has proved a name that is not listed; without it they are refused.
 */
import type { Node } from "jsonc-parser/lib/esm/main.js";
import { BYTES_PER_SECOND_MIN } from "../config/access-settings.ts";
import { readJsonFile } from "../config/json-file.ts";
import { nearest } from "../config/nearest.ts";
import { CodedError } from "../error.ts";
import { parseStrkey, STRKEY_CONTRACT } from "../xdr/strkey.ts";
import { type Grant, ROLES, type Role } from "./grant.ts";

const EXAMPLE = '{"names":{"team-a":{"role":"reader"}}}';
const LIMITS = {
  streams_max: "streamsMax",
  ranges_max: "rangesMax",
  sessions_max: "sessionsMax",
  bytes_per_second_max: "bytesPerSecondMax",
} as const;
const NAMES_MAX = 10_000; // as many as there are keys
const SESSION_LENGTH_MAX = 320; // a label's name and value

/** Grants by name. */
export interface AccessRules {
  names: ReadonlyMap<string, Grant>;
  /** For proved names that are not listed; undefined: they may do nothing. */
  others?: Grant;
}

/** Where there is no ACCESS_FILE: whoever has proved a name reads, and changes nothing. */
export const READERS_ALONE: AccessRules = { names: new Map(), others: { role: "reader" } };

/** Makes an error about a place of the file. */
type Wrong = (what: string, offset?: number) => CodedError;

/** @throws CodedError INVALID_ARGUMENT / ACCESS_FILE with the field and its line */
export function readAccessFile(path: string): AccessRules {
  const invalid = (what: string, cause?: unknown) =>
    new CodedError("INVALID_ARGUMENT", "ACCESS_FILE", `ACCESS_FILE: the file ${path} ${what}`, { cause });
  const { root, wrong } = readJsonFile(path, invalid, EXAMPLE);
  const fields = fieldsOf(root, "", ["names", "others"], wrong);
  const names = new Map<string, Grant>();
  const listed = fields.get("names");
  if (listed !== undefined) {
    for (const [name, grant] of fieldsOf(listed, "names", undefined, wrong)) {
      names.set(name, grantOf(grant, `names.${name}`, wrong));
      if (names.size > NAMES_MAX) throw wrong(`has more than ${NAMES_MAX} names`, grant.offset);
    }
  }
  const others = fields.get("others");
  return { names, others: others && grantOf(others, "others", wrong) };
}

function grantOf(node: Node, field: string, wrong: Wrong): Grant {
  const fields = fieldsOf(node, field, ["role", "sessions", "contract_ids", ...Object.keys(LIMITS)], wrong);
  const role = fields.get("role");
  if (!ROLES.includes(role?.value)) {
    const is = role === undefined ? "missing" : JSON.stringify(role.value ?? null);
    throw wrong(`has ${field}.role ${is}: ${ROLES.join(", ")} are accepted`, (role ?? node).offset);
  }
  const grant: Grant = { role: role?.value as Role };
  const sessions = fields.get("sessions");
  const isSession = (text: string) => text !== "" && text.length <= SESSION_LENGTH_MAX;
  if (sessions !== undefined) {
    grant.sessions = texts(sessions, `${field}.sessions`, "session ids, or labels as key=value", isSession, wrong);
  }
  const contracts = fields.get("contract_ids");
  if (contracts !== undefined) {
    grant.contractIds = texts(contracts, `${field}.contract_ids`, "contract ids (C…)", isContractId, wrong);
  }
  if (grant.role === "admin" && (sessions ?? contracts) !== undefined) {
    throw wrong(`has ${field} as an admin of some sessions or contracts: an admin may do everything`, node.offset);
  }
  for (const [name, key] of Object.entries(LIMITS)) {
    const limit = fields.get(name);
    if (limit === undefined) continue;
    const max: unknown = limit.value;
    const min = key === "bytesPerSecondMax" ? BYTES_PER_SECOND_MIN : 0;
    if (!Number.isSafeInteger(max) || (max as number) < min) {
      throw wrong(`has ${field}.${name}, which is no whole number from ${min} on`, limit.offset);
    }
    grant[key] = max as number;
  }
  return grant;
}

/** The fields of an object. @param known the names that are accepted; undefined: all */
function fieldsOf(node: Node, field: string, known: readonly string[] | undefined, wrong: Wrong): Map<string, Node> {
  const shown = field === "" ? "" : `${field}.`;
  if (node.type !== "object") throw wrong(`has ${field}, which is no object: write ${EXAMPLE}`, node.offset);
  const fields = new Map<string, Node>();
  for (const property of node.children ?? []) {
    const [key, value] = property.children as [Node, Node];
    const name = String(key.value);
    if (known !== undefined && !known.includes(name)) {
      const near = nearest(name, known);
      const hint = near === undefined ? `: ${known.join(", ")} are known` : `; did you mean ${near}?`;
      throw wrong(`has ${shown}${name}, which is no field${hint}`, key.offset);
    }
    if (fields.has(name)) throw wrong(`has ${shown}${name} twice: keep one`, key.offset);
    fields.set(name, value);
  }
  return fields;
}

function texts(node: Node, field: string, what: string, fits: (text: string) => boolean, wrong: Wrong): string[] {
  const items = node.type === "array" ? (node.children ?? []) : undefined;
  if (items === undefined || items.length === 0) throw wrong(`has ${field}, which is no list of ${what}`, node.offset);
  return items.map((item, index) => {
    if (item.type === "string" && fits(item.value as string)) return item.value as string;
    throw wrong(`has ${field}[${index}], which is none of: ${what}`, item.offset);
  });
}

function isContractId(text: string): boolean {
  try {
    parseStrkey(text, STRKEY_CONTRACT);
    return true;
  } catch {
    return false;
  }
}
