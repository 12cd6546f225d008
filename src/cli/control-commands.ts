/** The commands that talk to a running server's control plane. */
import type { CommandEntry } from "./command.ts";

/** The commands that call the control plane of a running server. */
export const CONTROL_COMMANDS: readonly CommandEntry[] = [
  { name: "start", summary: "start a session on a running server", load: () => import("./start.ts") },
  { name: "stop", summary: "stop a session", load: () => import("./stop.ts") },
  { name: "status", summary: "where a session stands", load: () => import("./status.ts") },
  { name: "filters", summary: "set or show what a running server selects", load: () => import("./filters.ts") },
  { name: "metrics", summary: "a session's counters", load: () => import("./metrics.ts") },
  { name: "sessions", summary: "list sessions, or show all of one", load: () => import("./sessions.ts") },
  { name: "watch", summary: "follow sessions as they change", load: () => import("./watch.ts") },
  { name: "resume", summary: "go on with a session that was stopped or failed", load: () => import("./resume.ts") },
  { name: "delete", summary: "forget a session", load: () => import("./delete.ts") },
  { name: "nodes", summary: "the live nodes of a cluster", load: () => import("./nodes.ts") },
  { name: "log-level", summary: "change how much a running server logs", load: () => import("./log-level.ts") },
  {
    name: "recover",
    summary: "save what can be saved of a damaged record of sessions",
    load: () => import("./recover.ts"),
  },
];
