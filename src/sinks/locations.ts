/** Where else a consumer may read: what its server, or one of the nodes that it has named, says of the cluster. */
import type { FlightClient } from "../flight-client/client.ts";

const ASK_MS_MAX = 5_000; // a node that does not answer is passed over

/** The nodes that the last answer had; none where the server is alone. */
export class Locations {
  private nodes: readonly string[] = [];

  /** Whether there are other nodes than the server. */
  get areKnown(): boolean {
    return this.nodes.length > 0;
  }

  /**
   * Where to read: what `server` says, or where it is away a node that is known; all of these where none answers.
   * @param ticket one that reads one endpoint
   */
  async of(server: FlightClient, ticket: Uint8Array, signal: AbortSignal): Promise<readonly string[]> {
    for (const node of [undefined, ...this.nodes]) {
      const inTime = AbortSignal.any([signal, AbortSignal.timeout(ASK_MS_MAX)]);
      try {
        const client = node === undefined ? server : server.at(node);
        if (client !== server) await client.ready(ASK_MS_MAX);
        const { locations, nodes } = await client.whereIs(ticket, inTime);
        if (nodes.length > 0) this.nodes = nodes; // a node that has lost the others for a moment names none
        return locations.length > 0 || node === undefined ? locations : [node];
      } catch {
        // what is wrong with the ticket, DoGet says
      }
    }
    return this.nodes;
  }
}
