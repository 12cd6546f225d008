/**
 * The seal of tickets that the server gives out where it asks who is calling: a time at which the ticket ends, and a
 * signature over all of it but `from`, since a client that goes on puts its cursor there. A ticket without a seal is one that
 * a client has written by itself: it may do what its caller may do anyway.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { CodedError } from "../error.ts";
import type { FlightInfo } from "../grpc/generated/flight.ts";
import type { Init } from "../grpc/service.ts";
import { timestampOf } from "./flight-info.ts";
import { isNestedDeeper } from "./json-object.ts";
import { TICKET_BYTES_MAX } from "./tickets.ts";

const SIGNATURE_BYTES = 16; // 128 bits are not to be guessed, and a FlightInfo may have a thousand of them
const OPEN_BRACE = 0x7b;

type Json = Record<string, unknown>;

/** Seals tickets with one key, and opens those that have been sealed with it. */
export class TicketSeal {
  /** @param key at least 32 random bytes, the same after a restart where tickets are to hold */
  constructor(
    private readonly key: Uint8Array,
    private readonly ttlMs: number,
    private readonly nowUnixMs: () => number = Date.now,
  ) {}

  /** The ticket with its seal; what is no JSON stays as it is, since it says nothing but "the newest session". */
  seal(ticket: Uint8Array, expiresAtUnixMs = this.nowUnixMs() + this.ttlMs): Uint8Array {
    if (ticket[0] !== OPEN_BRACE) return ticket;
    const fields = JSON.parse(Buffer.from(ticket).toString("utf8")) as Json;
    fields.expires_at ??= expiresAtUnixMs;
    return Buffer.from(JSON.stringify({ ...fields, sig: this.signature(fields).toString("base64url") }));
  }

  /** A FlightInfo with all its tickets sealed. */
  sealInfo(info: Init<FlightInfo>): Init<FlightInfo> {
    const expiresAtUnixMs = this.nowUnixMs() + this.ttlMs;
    const endpoint = (info.endpoint ?? []).map((each) => ({
      ...each,
      ticket: { ticket: this.seal(each.ticket?.ticket ?? new Uint8Array(0), expiresAtUnixMs) },
      expirationTime: each.expirationTime ?? timestampOf(expiresAtUnixMs),
    }));
    return { ...info, endpoint };
  }

  /**
   * The ticket without its seal, for whoever reads it; one without a seal as it is.
   * @param mayHaveExpired its end is not looked at
   * @throws CodedError PERMISSION_DENIED / TICKET_SIGNATURE, FAILED_PRECONDITION / TICKET_EXPIRED
   */
  open(ticket: Uint8Array, { mayHaveExpired = false } = {}): Uint8Array {
    const fields = sealedFields(ticket);
    if (fields === undefined) return ticket;
    const { sig, ...signed } = fields;
    const given = Buffer.from(String(sig), "base64url");
    const right = this.signature(signed);
    if (given.length !== right.length || !timingSafeEqual(given, right)) {
      throw new CodedError(
        "PERMISSION_DENIED",
        "TICKET_SIGNATURE",
        "the ticket has been changed, or is of another server: ask GetFlightInfo for one, or leave sig out and write your own",
      );
    }
    const expiresAt = Number(signed.expires_at);
    if (!mayHaveExpired && !(expiresAt >= this.nowUnixMs())) {
      throw new CodedError(
        "FAILED_PRECONDITION",
        "TICKET_EXPIRED",
        `the ticket expired at ${new Date(expiresAt).toISOString()}: ask GetFlightInfo again`,
      );
    }
    if ("session" in signed) delete signed.expires_at; // a range says so by itself
    return Buffer.from(JSON.stringify(signed));
  }

  private signature(fields: Json): Buffer {
    const { from: _, ...rest } = fields;
    return createHmac("sha256", this.key).update(canonical(rest)).digest().subarray(0, SIGNATURE_BYTES);
  }
}

/** The fields of a sealed ticket; undefined for any other. What is no JSON is for the parser of tickets to refuse. */
function sealedFields(ticket: Uint8Array): Json | undefined {
  if (ticket[0] !== OPEN_BRACE || ticket.length > TICKET_BYTES_MAX) return undefined;
  const text = Buffer.from(ticket).toString("utf8");
  if (!text.includes('"sig"') || isNestedDeeper(text)) return undefined;
  try {
    const fields = JSON.parse(text) as Json;
    return Object.hasOwn(fields, "sig") ? fields : undefined;
  } catch {
    return undefined;
  }
}

/** JSON with sorted names: clients may write it anew in another order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
