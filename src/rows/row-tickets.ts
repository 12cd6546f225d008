/**
 * Addresses that carry their credentials, for who cannot send headers, as a browser's EventSource. POST of an address answers
 * with the same address and a ticket in it: who asked, what may be read, and until when, signed with the key of Flight's
 * tickets. `from` may be another one, since a client that goes on puts its cursor there.
 */
import { CodedError } from "../error.ts";
import { TicketSeal } from "../flight/ticket-seal.ts";
import type { Identity } from "../security/grant.ts";

/** How long such an address can be opened. */
export const ROW_TICKET_TTL_MS = 15 * 60_000; // what is open goes on; an address that has got around ends soon

interface Sealed {
  address: string;
  identity: Identity;
  expires_at: number;
}

/** Gives tickets, and says who is behind one. */
export class RowTickets {
  private readonly seal: TicketSeal;

  /** @param key that of Flight's tickets; they have other fields, so that none stands for one of another kind */
  constructor(
    key: Uint8Array,
    private readonly nowUnixMs: () => number = Date.now,
  ) {
    this.seal = new TicketSeal(key, ROW_TICKET_TTL_MS, nowUnixMs);
  }

  /** The address with a ticket in it, and when that ends. */
  issue(address: URL, identity: Identity): { url: string; expires_at: string } {
    const expiresAt = this.nowUnixMs() + ROW_TICKET_TTL_MS;
    const sealed = this.seal.seal(Buffer.from(JSON.stringify({ address: withoutPlace(address), identity })), expiresAt);
    const query = new URLSearchParams(address.search);
    query.set("ticket", Buffer.from(sealed).toString("base64url"));
    return { url: `${address.pathname}?${query}`, expires_at: new Date(expiresAt).toISOString() };
  }

  /**
   * Who has been given the ticket of this address; undefined where it has none.
   * @throws CodedError PERMISSION_DENIED / TICKET_SIGNATURE, FAILED_PRECONDITION / TICKET_EXPIRED
   */
  identityOf(address: URL): Identity | undefined {
    const ticket = address.searchParams.get("ticket");
    if (ticket === null) return undefined;
    const given = Buffer.from(ticket, "base64url");
    const opened = this.seal.open(given);
    const { address: signed, identity } = opened === given ? ({} as Partial<Sealed>) : parsed(opened);
    if (identity !== undefined && signed === withoutPlace(address)) return identity;
    throw new CodedError(
      "PERMISSION_DENIED",
      "TICKET_SIGNATURE",
      "the ticket is not of this address: send POST to the address without a ticket, and use what it answers with",
    );
  }
}

function parsed(ticket: Uint8Array): Partial<Sealed> {
  return JSON.parse(Buffer.from(ticket).toString("utf8")) as Partial<Sealed>;
}

/** Path and query in one order, but for where to go on and the ticket itself. */
function withoutPlace({ pathname, searchParams }: URL): string {
  const rest = new URLSearchParams([...searchParams].filter(([key]) => key !== "from" && key !== "ticket"));
  rest.sort();
  return `${pathname}?${rest}`;
}
