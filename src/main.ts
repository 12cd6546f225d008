/** Entry of the executable: the command line names a command, which is loaded and run. */
import type { CommandEntry } from "./cli/command.ts";
import { runCli } from "./cli/run.ts";

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "serve",
    summary: "run the server: control plane, Flight, health and metrics",
    load: () => import("./cli/serve.ts"),
  },
  { name: "decode", summary: "print the contract-data rows of ledger files", load: () => import("./cli/decode.ts") },
  { name: "start", summary: "start a session on a running server", load: () => import("./cli/start.ts") },
  { name: "stop", summary: "stop a session", load: () => import("./cli/stop.ts") },
  { name: "status", summary: "where a session stands", load: () => import("./cli/status.ts") },
  { name: "filters", summary: "what a running server selects", load: () => import("./cli/filters.ts") },
  { name: "metrics", summary: "a session's counters", load: () => import("./cli/metrics.ts") },
  {
    name: "tail",
    summary: "print the rows of a session as they come (a Flight client)",
    load: () => import("./cli/tail.ts"),
  },
  {
    name: "demo",
    summary: "the whole way on the sample ledgers: serve, start, read, print",
    load: () => import("./cli/demo.ts"),
  },
];

if (import.meta.main) process.exit(await runCli(process.argv.slice(2), COMMANDS));
