/** What clients are told of a replicated session: who may run it, and that this node does not, or does not any more. */
import type { HubStream } from "../delivery/hub-stream.ts";
import type { MainThread } from "../delivery/main-thread-client.ts";
import { CodedError } from "../error.ts";

/** @throws CodedError UNAVAILABLE / SESSION_MOVED where another node, or none, runs the session */
export function checkHere({ opening: { id, elsewhere } }: HubStream): void {
  if (elsewhere === undefined) return;
  throw new CodedError(
    "UNAVAILABLE",
    "SESSION_MOVED",
    elsewhere === ""
      ? `no node runs session ${id} just now; one will within the lease: ask GetFlightInfo again, and come back with the cursor`
      : `session ${id} is run by another node: read it from ${elsewhere}, the location that GetFlightInfo answers with`,
  );
}

/**
 * Whom to ask where a replicated session is, should the node that runs it die: Flight's locations of the live nodes, this one
 * first; empty where it is alone. Undefined for any other session.
 */
export async function nodesOf({ opening, cell }: HubStream, main: MainThread): Promise<string[] | undefined> {
  if (opening.elsewhere === undefined && cell.leaseUntilMs === 0) return undefined;
  return (await main.ask("nodes", {})).locations;
}
