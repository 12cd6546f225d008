/** The sessions as one caller may use them: all of them, or those that its grant names. */
import { quoted } from "../base/text.ts";
import { CodedError } from "../error.ts";
import { type Identity, isConfined, namesSession } from "../security/grant.ts";
import type { SessionService, SessionSnapshot } from "./session-service.ts";

/**
 * @param identity undefined: nobody is asked, and everything is allowed
 * @returns the sessions themselves, or a view of them whose methods throw PERMISSION_DENIED / SCOPE for sessions that the
 * caller may not use, and for what is about all sessions
 */
export function scopedSessions(sessions: SessionService, identity: Identity | undefined): SessionService {
  if (identity === undefined || !isConfined(identity)) return sessions;
  const isOwn = ({ id, request }: Pick<SessionSnapshot, "id" | "request">) =>
    namesSession(identity, id, request.labels ?? {});
  const refuse = (what: string): never => {
    throw new CodedError("PERMISSION_DENIED", "SCOPE", `${quoted(identity.name)} may not use ${what}`);
  };
  /** The id, once it is one of the caller's. */
  const own = (id: string | undefined): string => {
    if (id === undefined) return refuse("all sessions: name one");
    return isOwn(sessions.get(id)) ? id : refuse(`session ${id}`);
  };
  return {
    start: async (request) => {
      if (isOwn({ id: "", request })) return sessions.start(request);
      return refuse("sessions without a label that ACCESS_FILE gives to it: start them with one");
    },
    stop: async (id, options) => sessions.stop(own(id), options),
    get: (id) => sessions.get(own(id)),
    details: async (id) => sessions.details(own(id)),
    list: () => sessions.list().filter(isOwn),
    resume: async (id) => sessions.resume(own(id)),
    remove: async (id, force) => sessions.remove(own(id), force),
    configureFilters: (change, id) => sessions.configureFilters(change, own(id)),
    get defaultFilter() {
      return sessions.defaultFilter;
    },
    watch: (id, listener) => sessions.watch(own(id), listener),
  };
}
