/** DoGet: a feed's slots as messages, with what its client has had. */

import type { Feed } from "../delivery/feed.ts";
import type { StreamClient } from "../delivery/stream-client.ts";
import type { CodedError } from "../error.ts";
import { leaseLost } from "../sessions/lease-lost.ts";
import type { ClientEvent } from "../threads/client-event.ts";
import { encodeCursor } from "../threads/cursor.ts";
import type { FlightTotals } from "../threads/flight-totals.ts";
import { CHAIN_TRAILER } from "../vocabulary/chain-ends.ts";
import { DATASET_DEFAULT } from "../vocabulary/dataset.ts";
import type { Position } from "../vocabulary/position.ts";
import { type FlightDataMessage, flightDataBytes } from "./flight-data.ts";
import type { GetOutcome, OutgoingBatch, OutgoingStream } from "./producer.ts";

/** Reason of the error with which a client is ended that holds others back. */
export const SLOW_CLIENT = "SLOW_CLIENT";

let clientCount = 0;

/** A client and its feed, for the duration of a DoGet. */
export class ContractDataStream implements OutgoingStream, StreamClient {
  readonly number = ++clientCount;
  readonly joinedUnixMs = Date.now();
  batches = 0;
  rows = 0;
  bytes = 0;
  blockedMs = 0;
  /** Since when the present batch, or the schema, waits for the client, monotonic milliseconds; undefined when none does. */
  blockedSinceMs: number | undefined;
  private closed = false;

  /** @param closing what else is to be done when the call ends */
  constructor(
    readonly feed: Feed,
    readonly opening: readonly FlightDataMessage[],
    readonly peer: string,
    private readonly totals: FlightTotals,
    private readonly told: (event: ClientEvent) => void = () => {},
    private readonly closing: (outcome: GetOutcome) => void = () => {},
  ) {
    feed.stream.addClient(this);
    totals.add("clients", 1);
    told(this.eventOf("joined"));
  }

  get mode(): "catchingUp" | "following" {
    return this.feed.mode;
  }

  get position(): Position {
    return this.feed.position;
  }

  get lag(): StreamClient["lag"] {
    const current = this.feed.stream.cell.get("ledgerCurrent");
    return { ledgers: Math.max(0, current + 1 - this.feed.position.ledger), ...this.feed.lag };
  }

  get endedSignal(): AbortSignal {
    return this.feed.endedSignal;
  }

  get about(): NonNullable<OutgoingStream["about"]> {
    const { kind, id } = this.feed.stream.opening;
    return { kind: kind === "range" ? "range" : "session", id };
  }

  async next(): Promise<OutgoingBatch | undefined> {
    const slot = await this.feed.next();
    if (slot === undefined) return undefined;
    if (this.feed.stream.isLeaseOver) {
      slot.release();
      throw leaseLost(this.feed.stream.opening.id, "late");
    }
    const { dataHeader, dataBody, appMetadata, record } = slot;
    return { message: { dataHeader, dataBody, appMetadata }, rows: record.rows, release: () => slot.release() };
  }

  writing(): void {
    this.blockedSinceMs = performance.now();
  }

  opened(): void {
    this.blockedSinceMs = undefined;
  }

  wrote({ message, rows }: OutgoingBatch, waitedMs: number): void {
    this.blockedSinceMs = undefined;
    const bytes = flightDataBytes(message);
    this.batches += 1;
    this.rows += rows;
    this.bytes += bytes;
    this.blockedMs += waitedMs;
    this.feed.stream.sent(rows, bytes);
    this.totals.add("batchesSent", 1);
    this.totals.add("rowsSent", rows);
    this.totals.add("bytesSent", bytes);
    this.totals.add("blockedMicros", waitedMs * 1000);
  }

  paced(isWaiting: boolean): void {
    this.feed.paced?.(isWaiting);
  }

  end(error: CodedError): void {
    this.feed.end(error);
  }

  cursor(): string {
    return encodeCursor(this.feed.position, this.feed.stream.opening);
  }

  /** A range's ledgers are those that its reader asked for; a session's reader may have begun anywhere. */
  trailers(): Record<string, string> {
    const { opening, chain } = this.feed.stream;
    return opening.kind === "range" && chain !== undefined ? { [CHAIN_TRAILER]: JSON.stringify(chain) } : {};
  }

  close(outcome: GetOutcome): void {
    if (this.closed) return;
    this.closed = true;
    this.feed.close();
    this.feed.stream.removeClient(this);
    this.totals.add("clients", -1);
    this.totals.add(`gets${outcome[0]!.toUpperCase()}${outcome.slice(1)}` as "getsCompleted", 1);
    const { rows, batches, bytes } = this;
    const event = this.feed.endedError?.reason === SLOW_CLIENT ? "endedSlow" : "left";
    this.told({ ...this.eventOf(event), outcome, rows, batches, bytes });
    this.closing(outcome);
  }

  private eventOf(event: ClientEvent["event"]): ClientEvent {
    const { dataset = DATASET_DEFAULT, partition } = this.feed.stream.opening;
    return { event, ...this.about, peer: this.peer, dataset, partition: partition?.index };
  }
}
