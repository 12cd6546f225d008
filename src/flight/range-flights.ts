/**
 * The flights that ranges were asked for by GetFlightInfo: who reads them, which have been cancelled, and how much
 * they turned out to hold. A flight needs no memory here until it is read or cancelled.
 */
import { createHash } from "node:crypto";
import { CodedError } from "../error.ts";
import type { ContractDataStream } from "./contract-data-stream.ts";
import type { Totals } from "./flight-info.ts";
import { type RangeTicket, rangeTicketOf } from "./range-ticket.ts";

export const TICKET_TTL_MS = 24 * 3_600_000; // how long a cancelled flight has to be remembered; hand-made tickets have no end
const CANCELLED_MAX = 10_000; // the ones that end first make room
const TOTALS_MAX = 1024; // ranges read lately; a total is only a hint for the reader

/**
 * One object for all ranges of a server, in memory only: after a restart no flight counts as cancelled. It remembers at
 * most CANCELLED_MAX cancelled flights and TOTALS_MAX totals.
 */
export class RangeFlights {
  private readonly readers = new Map<string, Set<ContractDataStream>>();
  /** Until when each is remembered, Unix milliseconds. */
  private readonly cancelled = new Map<string, number>();
  private readonly totals = new Map<string, Totals>();

  /** @throws CodedError FAILED_PRECONDITION / TICKET_EXPIRED, FLIGHT_CANCELLED */
  check({ id, expiresAtUnixMs }: RangeTicket): void {
    if (expiresAtUnixMs !== undefined && expiresAtUnixMs < Date.now()) {
      throw new CodedError(
        "FAILED_PRECONDITION",
        "TICKET_EXPIRED",
        `the ticket expired at ${new Date(expiresAtUnixMs).toISOString()}: renew its endpoint (RenewFlightEndpoint), or ask GetFlightInfo again`,
      );
    }
    if (id !== undefined && this.cancelled.has(id)) {
      throw new CodedError(
        "FAILED_PRECONDITION",
        "FLIGHT_CANCELLED",
        `flight ${id} has been cancelled: ask GetFlightInfo again`,
      );
    }
  }

  join(range: RangeTicket, reader: ContractDataStream): void {
    if (range.id === undefined) return;
    const readers = this.readers.get(range.id) ?? new Set();
    this.readers.set(range.id, readers.add(reader));
  }

  leave(range: RangeTicket, reader: ContractDataStream, complete: boolean): void {
    if (range.id !== undefined) {
      const readers = this.readers.get(range.id);
      readers?.delete(reader);
      if (readers?.size === 0) this.readers.delete(range.id);
    }
    if (!complete || range.from !== undefined || range.ledgerEnd === 0) return;
    const { cell } = reader.feed.stream;
    this.totals.set(keyOf(range), { rows: cell.get("rows"), bytes: cell.get("batchBytes") });
    if (this.totals.size > TOTALS_MAX) this.totals.delete(this.totals.keys().next().value!);
  }

  totalsOf(range: RangeTicket): Totals | undefined {
    if (this.totals.size === 0) return undefined;
    return range.from === undefined ? this.totals.get(keyOf(range)) : undefined;
  }

  /** Ends every DoGet of the flight, and lets no more begin. */
  cancel(id: string): void {
    this.cancelled.set(id, Date.now() + TICKET_TTL_MS);
    if (this.cancelled.size > CANCELLED_MAX) this.cancelled.delete(this.cancelled.keys().next().value!);
    const error = new CodedError(
      "CANCELLED",
      "FLIGHT_CANCELLED",
      `flight ${id} has been cancelled by CancelFlightInfo`,
    );
    for (const reader of [...(this.readers.get(id) ?? [])]) reader.feed.end(error);
  }

  /** Forgets cancelled flights whose tickets have expired. */
  sweep(): void {
    const now = Date.now();
    for (const [id, until] of this.cancelled) if (until < now) this.cancelled.delete(id);
  }
}

/** A digest: tickets with long filters would be kept a thousand times else. */
function keyOf(range: RangeTicket): string {
  const ticket = rangeTicketOf({ ...range, id: undefined, expiresAtUnixMs: undefined });
  return createHash("sha256").update(ticket).digest("base64");
}
