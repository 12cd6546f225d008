/** The commands that talk to a running server's control plane. */
import type { CommandEntry } from "./command.ts";

export const CONTROL_COMMANDS: readonly CommandEntry[] = [
  {
    name: "start",
    summary: "start a session: a range of ledgers, or from a ledger on",
    load: () => import("./start.ts"),
  },
  { name: "stop", summary: "end a session", load: () => import("./stop.ts") },
  { name: "status", summary: "show where a session stands, once or continuously", load: () => import("./status.ts") },
  {
    name: "filters",
    summary: "choose the contracts and assets whose rows are sent",
    load: () => import("./filters.ts"),
  },
  { name: "metrics", summary: "show a session's counters", load: () => import("./metrics.ts") },
];
