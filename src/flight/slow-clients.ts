/**
 * The rules about slow clients. A client may read as slowly as it likes while that is nobody else's loss. It is ended,
 * with RESOURCE_EXHAUSTED / SLOW_CLIENT and its cursor, when it has taken nothing for SLOW_CLIENT_GRACE and
 *
 * - its session is full, and another client of it waits for new batches (`HubStream.slowReaders`);
 * - it catches up, and others wait to catch up;
 * - it reads a range, and another range waits for its place (RANGES_MAX).
 *
 * How long a client has taken nothing is measured where batches are handed over: StreamReader in
 * src/delivery/stream-log.ts, ContractDataStream here. What a dead connection is, HTTP/2's keepalive decides.
 */
import type { RangePlaces } from "../delivery/range-places.ts";
import { CodedError } from "../error.ts";
import type { ContractDataOptions } from "./contract-data-options.ts";
import { type ContractDataStream, SLOW_CLIENT } from "./contract-data-stream.ts";

/** Looks for slow clients and ends them. */
export class SlowClients {
  constructor(
    private readonly options: Pick<ContractDataOptions, "hub" | "slowClientGraceMs" | "nowMs" | "totals">,
    private readonly places: RangePlaces,
  ) {}

  /** Ends clients that hold others back, or a place that others wait for. Call it a few times a grace period. */
  end(): void {
    const { hub, slowClientGraceMs, nowMs } = this.options;
    const now = nowMs();
    for (const stream of hub.all()) {
      for (const reader of stream.slowReaders(now, slowClientGraceMs)) {
        this.giveUp(reader, "while the stream was full");
      }
      const clients = stream.parts.flatMap((part) => [...part.clients]);
      for (const client of clients as ContractDataStream[]) {
        const blockedMs = client.blockedSinceMs === undefined ? 0 : now - client.blockedSinceMs;
        if (client.mode === "catchingUp" && blockedMs > slowClientGraceMs && hub.catchUpsWaiting > 0) {
          this.giveUp(client.feed, "while others waited to catch up");
        }
      }
    }
    this.endUnreadRanges(now);
  }

  /** As many ranges as others wait for, the longest unread ones first. */
  private endUnreadRanges(now: number): void {
    const { hub, slowClientGraceMs } = this.options;
    const wanted = this.places.starving;
    if (wanted === 0) return;
    const ranges = hub.all().filter(({ opening }) => opening.kind === "range");
    const clients = ranges.flatMap(({ parts }) => parts.flatMap((part) => [...part.clients])) as ContractDataStream[];
    const unread = clients
      .map((client) => ({ client, blockedMs: now - (client.blockedSinceMs ?? now) }))
      .filter(({ client, blockedMs }) => blockedMs > slowClientGraceMs && client.feed.endedError === undefined)
      .sort((a, b) => b.blockedMs - a.blockedMs);
    for (const { client } of unread.slice(0, wanted)) {
      this.giveUp(client.feed, "while another range waited for its place (RANGES_MAX)", "batch of its range");
    }
  }

  /** Ends one client, and says on whose account. */
  private giveUp(client: { end(error: CodedError): void }, why: string, what = "batch"): void {
    const { slowClientGraceMs, totals } = this.options;
    totals.add("slowClientsEnded", 1);
    client.end(
      new CodedError(
        "RESOURCE_EXHAUSTED",
        SLOW_CLIENT,
        `this client took no ${what} for over ${slowClientGraceMs} ms (SLOW_CLIENT_GRACE) ${why}: go on from the cursor in the app_metadata of the last batch that it has, or from the trailer cursor`,
      ),
    );
  }
}
