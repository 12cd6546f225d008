/** The sessions as one caller may use them: all of them, or those that its grant names; what it starts is its own. */
import { quoted } from "../base/text.ts";
import { CodedError } from "../error.ts";
import { type Identity, isConfined, namesSession } from "../security/grant.ts";
import type { SessionService, SessionSnapshot } from "./session-service.ts";
import { isActive } from "./states.ts";

/**
 * @param identity undefined: nobody is asked, and everything is allowed
 * @returns the sessions themselves, or a view of them whose methods throw PERMISSION_DENIED / SCOPE for sessions that the
 * caller may not use, and for what is about all sessions
 */
export function scopedSessions(sessions: SessionService, identity: Identity | undefined): SessionService {
  if (identity === undefined) return sessions;
  const isAll = !isConfined(identity);
  const isOwn = ({ id, request }: Pick<SessionSnapshot, "id" | "request">) =>
    namesSession(identity, id, request.labels ?? {});
  const refuse = (what: string): never => {
    throw new CodedError("PERMISSION_DENIED", "SCOPE", `${quoted(identity.name)} may not use ${what}`);
  };
  /** The id, once it is one of the caller's. */
  const own = (id: string): string => (isAll || isOwn(sessions.get(id)) ? id : refuse(`session ${id}`));
  const ownOrAll = (id: string | undefined) => {
    if (id !== undefined) return own(id);
    return isAll ? undefined : refuse("all sessions: name one");
  };
  return {
    start: async (request) => {
      if (!isOwn({ id: "", request }))
        refuse("sessions without a label that ACCESS_FILE gives to it: start them with one");
      return sessions.start({ ...request, owner: identity.name }, identity.sessionsMax);
    },
    stop: async (id, options) => sessions.stop(own(id), options),
    get: (id) => sessions.get(own(id)),
    details: async (id) => sessions.details(own(id)),
    list: () => sessions.list().filter(isOwn),
    resume: async (id) => {
      const { request, state } = sessions.get(own(id));
      if (request.owner === identity.name && !isActive(state)) {
        const active = sessions.list().filter((each) => each.request.owner === identity.name && isActive(each.state));
        checkOwnSessions(identity.name, active.length, identity.sessionsMax);
      }
      return sessions.resume(id);
    },
    remove: async (id, force) => sessions.remove(own(id), force),
    configureFilters: async (change, id) => sessions.configureFilters(change, ownOrAll(id)),
    get defaultFilter() {
      return sessions.defaultFilter;
    },
    watch: (id, listener) => sessions.watch(ownOrAll(id), listener),
  };
}

/**
 * Whether a name may have one more active session than the `active` ones that it has started.
 * @throws CodedError RESOURCE_EXHAUSTED / NAME_LIMIT
 */
export function checkOwnSessions(name: string, active: number, max = Number.POSITIVE_INFINITY): void {
  if (active < max) return;
  throw new CodedError(
    "RESOURCE_EXHAUSTED",
    "NAME_LIMIT",
    `${quoted(name)} has ${active} active sessions, and its sessions_max is ${max}: stop one first`,
  );
}
