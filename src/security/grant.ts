/** What a caller may do. */

/** The roles, each with all that the ones before it may do. */
export const ROLES = ["reader", "operator", "admin"] as const;
/** reader: reads; operator: also starts, stops and changes sessions and filters; admin: everything. */
export type Role = (typeof ROLES)[number];

/** What ACCESS_FILE, or a token's claims, give to a name. */
export interface Grant {
  role: Role;
  /** Ids of sessions, or labels as `key=value`. */
  sessions?: string[];
  /** Contracts that ranges may select. */
  contractIds?: string[];
  /** DoGet calls of the name at once, and ranges among them. Absent: as many as the server allows. */
  streamsMax?: number;
  rangesMax?: number;
  /** What all its streams together are sent. Absent: NAME_BYTES_PER_SECOND_MAX. */
  bytesPerSecondMax?: number;
  /** Sessions that the name has started and that have not ended. */
  sessionsMax?: number;
}

/** A name, and what has proved it. */
export interface Proof {
  name: string;
  /** Digest of a file's line: while that stands there, the proof holds. Absent for JWTs and certificates. */
  line?: string;
  /** As a JWT claims it. */
  role?: Role;
}

/** Somebody who has proved a name, and what that name may do. */
export interface Identity extends Grant {
  name: string;
  proof: Proof;
}

/** Whether `role` includes what `needed` may do. */
export function includes(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}

/** Whether the grant is for some sessions or contracts only: what it does not name is not allowed then. */
export function isConfined({ sessions, contractIds }: Grant): boolean {
  return sessions !== undefined || contractIds !== undefined;
}

/** Whether the grant names the session, by its id or by one of its labels; one that is not confined names all. */
export function namesSession(grant: Grant, id: string, labels: Readonly<Record<string, string>>): boolean {
  if (!isConfined(grant)) return true;
  return (grant.sessions ?? []).some((named) => {
    const equals = named.indexOf("=");
    return equals < 0 ? named === id : labels[named.slice(0, equals)] === named.slice(equals + 1);
  });
}

/** Whether `grant` is for all sessions and contracts that `other` is for. */
export function covers(grant: Grant, other: Grant): boolean {
  if (!isConfined(grant)) return true;
  const hasAll = (all: string[] = [], some: string[] = []) => some.every((each) => all.includes(each));
  return isConfined(other) && hasAll(grant.sessions, other.sessions) && hasAll(grant.contractIds, other.contractIds);
}

const identities = new WeakMap<object, Identity>();

/** Who makes the call; undefined where nobody is asked. */
export function identityOf(call: object): Identity | undefined {
  return identities.get(call);
}

/** Remembers who makes the call. */
export function identify(call: object, identity: Identity): void {
  identities.set(call, identity);
}
