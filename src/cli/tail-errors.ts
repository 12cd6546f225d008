/** What the server's errors mean to somebody who typed a `tail`: its sentences name calls and tickets of Flight. */
import type { ChannelCredentials } from "@grpc/grpc-js";
import { CodedError } from "../error.ts";
import { explainUnreachable } from "../grpc/unreachable.ts";
import type { Reason } from "../reasons/registry.ts";
import { PROGRAM } from "./program.ts";

/** What a `tail` has asked for. */
interface Asked {
  /** host:port of the Flight server. */
  address: string;
  credentials: ChannelCredentials;
  /** Id of the session; empty for a range, or before it is known. */
  session: string;
  /** The value of --from. */
  from: string | undefined;
  /** Whether batches have come. */
  hasBegun: boolean;
}

type Sentence = (asked: Asked, message: string) => string;

const otherPlace: Sentence = ({ from }, message) =>
  `--from ${from} is not of what is read (${factOf(message)}): give the session, partition or range that it was printed with`;

const SENTENCES: Partial<Record<Reason, Sentence>> = {
  SESSION_UNKNOWN: ({ session }) => `no session has the id "${session}": "${PROGRAM} sessions" lists them all`,
  NO_SESSION: () =>
    `there is no session, and none was started within half a minute: start one with "${PROGRAM} start", or read a range with --start-ledger and --end-ledger`,
  SESSION_GONE: ({ session }) => `session ${session} was deleted`,
  SESSION_DROPPED: ({ session }) => stopped(session, "what was not delivered was dropped"),
  STOP_DEADLINE: ({ session }, message) => stopped(session, factOf(message)),
  CURSOR_INVALID: ({ from }) => `--from is "${from}": start, now, or a cursor that tail has printed is accepted`,
  CURSOR_OF_PARTITION: otherPlace,
  CURSOR_OUTSIDE_RANGE: otherPlace,
  CURSOR_AFTER_SESSION: otherPlace,
  CURSOR_BEFORE_SESSION: (_, message) =>
    `${factOf(message)}: read earlier ledgers with --start-ledger and --end-ledger in place of --session`,
  CURSOR_NOT_RETAINED: (_, message) => `${message}: leave --from out to begin there`,
  LEDGER_AFTER_SOURCE: (_, message) => `${factOf(message)}: end there, or follow the source with --end-ledger 0`,
  LEDGER_BEFORE_SOURCE: (_, message) => `${message}: give a later --start-ledger`,
  SOURCE_NOT_SEEKABLE: (_, message) =>
    `${message.replace(/;[^;]*$/, "")}: read a session with --session, or have the server read a lake`,
  UNKNOWN_COLUMN: (_, message) => `--column: ${message}`,
  DUPLICATE_COLUMN: (_, message) => `--column: ${message}`,
  FLIGHT_CANCELLED: (_, message) => `${factOf(message)}: call it again`,
  CREDENTIALS: (_, message) =>
    `the server refuses the credentials (${message}): set FLIGHT_LOGIN to name:password in the environment`,
};

/** The error in a shell user's terms; the same where they are those of the server. */
export function tailError(thrown: unknown, asked: Asked): unknown {
  if (!(thrown instanceof CodedError)) return thrown;
  const { address, credentials, hasBegun } = asked;
  if (thrown.reason === "GRPC_UNAVAILABLE") {
    if (!hasBegun) {
      return explainUnreachable(thrown, {
        ...{ what: "Flight server", address, port: "FLIGHT_ADDRESS, 8816 by default" },
        credentials,
      });
    }
    const message = `the Flight server at ${address} has gone away: ${thrown.message}`;
    return new CodedError("UNAVAILABLE", "SERVER_UNREACHABLE", message, { cause: thrown });
  }
  const sentence = SENTENCES[thrown.reason as Reason]; // undefined for a reason that is none of ours
  if (sentence === undefined) return thrown;
  return CodedError.received(thrown.code, thrown.reason, sentence(asked, thrown.message), { cause: thrown });
}

function stopped(session: string, how: string): string {
  return `session ${session} was stopped, and ${how}: "${PROGRAM} resume ${session}" goes on with it`;
}

/** The sentence without the remedy behind its last colon. */
function factOf(message: string): string {
  const colon = message.lastIndexOf(": ");
  return colon < 0 ? message : message.slice(0, colon);
}
