/**
 * Every reason that an error of this project can have: the stable words that programs match on, each with its gRPC
 * status, its meaning and its remedy. docs/errors.md is made from this table; a reason that is not in it does not compile.
 */
import type { Code } from "../codes.ts";
import { COMMANDS } from "./commands.ts";
import { CONNECTIONS } from "./connections.ts";
import { CURSORS } from "./cursors.ts";
import { EXPORTS } from "./exports.ts";
import { FAULTS } from "./faults.ts";
import { LIMITS } from "./limits.ts";
import type { ReasonEntry } from "./reason.ts";
import { REQUESTS } from "./requests.ts";
import { SESSIONS } from "./sessions.ts";
import { SINKS } from "./sinks.ts";
import { SOURCES } from "./sources.ts";
import { STATE } from "./state.ts";

/** The groups, as docs/errors.md shows them. */
export const REASON_GROUPS = [
  { title: "Requests", about: "what a call asks for", reasons: REQUESTS },
  { title: "Cursors", about: "where a client goes on", reasons: CURSORS },
  { title: "Sessions", about: "their life", reasons: SESSIONS },
  { title: "Sources and ledgers", about: "what is read", reasons: SOURCES },
  { title: "Limits", about: "what is too much", reasons: LIMITS },
  { title: "The record of sessions", about: "DATA_DIR", reasons: STATE },
  { title: "Connections", about: "and the server's life", reasons: CONNECTIONS },
  { title: "Sinks", about: "where rows go", reasons: SINKS },
  { title: "Exports", about: "of Parquet files", reasons: EXPORTS },
  { title: "The command line", about: "flags and files", reasons: COMMANDS },
  { title: "Faults", about: "of this program, of its runtime or of its peers", reasons: FAULTS },
] as const;

const REASONS = {
  ...REQUESTS,
  ...CURSORS,
  ...SESSIONS,
  ...SOURCES,
  ...LIMITS,
  ...STATE,
  ...CONNECTIONS,
  ...SINKS,
  ...EXPORTS,
  ...COMMANDS,
  ...FAULTS,
};

/** A stable reason, upper snake case. */
export type Reason = keyof typeof REASONS;

/** The registry by reason, for programs that look one up at run time. */
export const REASON_ENTRIES: ReadonlyMap<string, ReasonEntry> = new Map<string, ReasonEntry<Code>>(
  Object.entries(REASONS),
);
