/** Sessions as the console shows them: short, since anybody may ask for all of them as often as he likes. */
import type { SessionSnapshot } from "../sessions/session-service.ts";

/** Values of one list of a request that are shown; GetSession has them all. */
export const SHOWN_VALUES_MAX = 100; // a page of ids; a request may have 60,000, which is 4 MB a session

/** The session, with `valuesLeftOut` where lists of its request were cut. */
export function shownSession(session: SessionSnapshot): SessionSnapshot & { valuesLeftOut?: number } {
  let valuesLeftOut = 0;
  const cut = <T>(value: T): T => {
    if (!Array.isArray(value) || value.length <= SHOWN_VALUES_MAX) return value;
    valuesLeftOut += value.length - SHOWN_VALUES_MAX;
    return value.slice(0, SHOWN_VALUES_MAX) as T;
  };
  const cutAll = <T extends object>(record: T): T =>
    Object.fromEntries(Object.entries(record).map(([key, value]) => [key, cut(value)])) as T;
  const request = cutAll(session.request);
  if (request.filter !== undefined) request.filter = cutAll(request.filter);
  return valuesLeftOut === 0 ? session : { ...session, request, valuesLeftOut };
}
