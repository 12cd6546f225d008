/** ListSessions: which sessions, and how many at once. */
import { CodedError } from "../error.ts";
import { GetStatusResponse_Status, type ListSessionsRequest } from "../grpc/generated/control.ts";
import type { SessionSnapshot } from "../sessions/session-service.ts";
import { ANSWER_BYTES_MAX, sessionBytes } from "./messages.ts";

const PAGE_SIZE_DEFAULT = 100;
const PAGE_SIZE_MAX = 1000; // about a megabyte; ANSWER_BYTES_MAX holds where requests are long

/**
 * @param sessions newest first; the token of a page names the last session on it, so that new sessions move nothing
 * @throws CodedError INVALID_ARGUMENT / PAGE_TOKEN, PAGE_SIZE
 */
export function listPage(
  sessions: readonly SessionSnapshot[],
  { labels, statuses, pageSize, pageToken }: ListSessionsRequest,
): { page: SessionSnapshot[]; nextPageToken: string; total: number } {
  if (pageSize > PAGE_SIZE_MAX) {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "PAGE_SIZE",
      `page_size is ${pageSize}: up to ${PAGE_SIZE_MAX} is accepted`,
    );
  }
  const selected = sessions.filter(
    ({ request, state }) =>
      [...labels].every(([key, value]) => request.labels?.[key] === value) &&
      (statuses.length === 0 || statuses.includes(GetStatusResponse_Status[state])),
  );
  // Sessions that left the selection meanwhile still have their place in the whole list.
  const place = pageToken === "" ? -1 : sessions.findIndex(({ id }) => id === pageToken);
  if (pageToken !== "" && place < 0) {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "PAGE_TOKEN",
      "page_token is not the next_page_token of a page whose last session is still there: begin again without one",
    );
  }
  const behind = new Set(sessions.slice(0, place + 1).map(({ id }) => id));
  const rest = selected.filter(({ id }) => !behind.has(id));
  const page = withinBytes(rest.slice(0, pageSize || PAGE_SIZE_DEFAULT));
  return {
    page,
    nextPageToken: page.length < rest.length ? page.at(-1)!.id : "",
    total: selected.length,
  };
}

/** As many of them, from the first on, as one answer holds; one at least. */
function withinBytes(sessions: SessionSnapshot[]): SessionSnapshot[] {
  let bytes = 0;
  const over = sessions.findIndex((session, index) => {
    bytes += sessionBytes(session);
    return index > 0 && bytes > ANSWER_BYTES_MAX;
  });
  return over < 0 ? sessions : sessions.slice(0, over);
}
