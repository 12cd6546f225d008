/** Where else a consumer may read: what its server, or one of the nodes that it has named, says of the cluster. */
import type { FlightClient } from "../flight-client/client.ts";

const ASK_MS_MAX = 5_000; // a node that does not answer is passed over

/** The locations of what a ticket reads, as the last answer had them; none where the server is alone. */
export class Locations {
  private known: readonly string[] = [];

  /** Whether there are other nodes than the server. */
  get areKnown(): boolean {
    return this.known.length > 0;
  }

  /** Asks `server`, or where it is away the nodes that are known. @param ticket one that reads one endpoint */
  async of(server: FlightClient, ticket: Uint8Array, signal: AbortSignal): Promise<readonly string[]> {
    const request = JSON.parse(Buffer.from(ticket).toString()) as Record<string, unknown>;
    for (const location of [undefined, ...this.known]) {
      const inTime = AbortSignal.any([signal, AbortSignal.timeout(ASK_MS_MAX)]);
      try {
        const client = location === undefined ? server : server.at(location);
        if (client !== server) await client.ready(ASK_MS_MAX);
        const endpoints = await client.range(request, inTime);
        this.known = endpoints.length === 1 ? endpoints[0]!.locations : [];
        return this.known;
      } catch {
        // what is wrong with the ticket, DoGet says
      }
    }
    return this.known;
  }
}
