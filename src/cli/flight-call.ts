/** What the commands that read over Flight have in common. */
import { dialTarget, parseAddress } from "../config/address.ts";
import { CodedError } from "../error.ts";
import type { SessionFlight } from "../flight-client/client.ts";

/** Where the server is looked for when nobody says. */
export const FLIGHT_ADDRESS_DEFAULT = "127.0.0.1:8816";

/** Where the server of the same environment is reached: FLIGHT_ENDPOINT, or else FLIGHT_ADDRESS. */
export function flightAddress(env: Readonly<Record<string, string | undefined>>): string {
  const variable = env.FLIGHT_ENDPOINT || env.FLIGHT_ADDRESS;
  const address = variable ? parseAddress(variable) : undefined;
  return address === undefined || address.port === 0 ? FLIGHT_ADDRESS_DEFAULT : dialTarget(address);
}

/**
 * @param pair name:password; absent or empty where the server asks for none
 * @throws CodedError INVALID_ARGUMENT / LOGIN
 */
export function loginOf(pair: string | undefined): { name: string; password: string } | undefined {
  if (!pair) return undefined;
  const colon = pair.indexOf(":");
  if (colon < 1) throw new CodedError("INVALID_ARGUMENT", "LOGIN", "FLIGHT_LOGIN must be name:password");
  return { name: pair.slice(0, colon), password: pair.slice(colon + 1) };
}

/**
 * The ticket of a session, or of that partition of it, as JSON.
 * @throws CodedError INVALID_ARGUMENT / PARTITION_NEEDED, PARTITION_UNKNOWN
 */
export function partTicket(
  { id, tickets }: Pick<SessionFlight, "id" | "tickets">,
  partition: number | undefined,
): Record<string, unknown> {
  if (partition === undefined && tickets.length > 1) {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "PARTITION_NEEDED",
      `session ${id} is shared out to ${tickets.length} partitions: read one of them with --partition N (0 to ${tickets.length - 1})`,
    );
  }
  const ticket = tickets[partition ?? 0];
  if (ticket !== undefined) return JSON.parse(Buffer.from(ticket).toString());
  throw new CodedError(
    "INVALID_ARGUMENT",
    "PARTITION_UNKNOWN",
    `--partition is ${partition}, and the session has ${tickets.length} of them, numbered from 0`,
  );
}
