/** What the commands that read over Flight have in common. */
import { dialTarget, parseAddress } from "../config/address.ts";
import type { OutgoingTls } from "../config/tls-files.ts";
import { dialAddress } from "../config/types.ts";
import { CodedError } from "../error.ts";
import type { SessionFlight } from "../flight-client/client.ts";
import { clientTls, TLS_FLAGS } from "./client-tls.ts";
import { TOKEN_FLAG, tokenOf } from "./control-call.ts";
import { type FlagValues, option } from "./flags.ts";

const ADDRESS_DEFAULT = "127.0.0.1:8816";

/** Where the Flight server is, and how to connect. */
export const FLIGHT_FLAGS = {
  address: option({
    placeholder: "HOST:PORT",
    type: dialAddress,
    summary: `The Flight server. Default: ${ADDRESS_DEFAULT}, or FLIGHT_ENDPOINT, or FLIGHT_ADDRESS.`,
  }),
  "token-file": TOKEN_FLAG,
  ...TLS_FLAGS,
};

/** A server, and as whom it is called. */
interface FlightAccess {
  address: string;
  token: string | undefined;
  tls: OutgoingTls | undefined;
  /** undefined where the server asks for no password. */
  login: { name: string; password: string } | undefined;
}

/**
 * What the flags and the environment say of the server.
 * @throws UsageError for a token's file; CodedError INVALID_ARGUMENT / LOGIN, TLS_FILE
 */
export function flightAccess({
  flags,
  env,
}: {
  flags: FlagValues<typeof FLIGHT_FLAGS>;
  env: Readonly<Record<string, string | undefined>>;
}): FlightAccess {
  return {
    address: flags.address ?? addressOf(env),
    token: tokenOf(flags["token-file"], env),
    tls: clientTls(flags, env),
    login: loginOf(env.FLIGHT_LOGIN),
  };
}

/** Where the server of the same environment is reached: FLIGHT_ENDPOINT, or else FLIGHT_ADDRESS. */
function addressOf(env: Readonly<Record<string, string | undefined>>): string {
  const variable = env.FLIGHT_ENDPOINT || env.FLIGHT_ADDRESS;
  const address = variable ? parseAddress(variable) : undefined;
  return address === undefined || address.port === 0 ? ADDRESS_DEFAULT : dialTarget(address);
}

/** @param pair name:password; absent or empty where the server asks for none */
function loginOf(pair: string | undefined): FlightAccess["login"] {
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
