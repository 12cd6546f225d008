/** Entry of the executable: the command line names a command, which is loaded and run. */
import { BACKFILL_COMMANDS } from "./cli/backfill-commands.ts";
import type { CommandEntry } from "./cli/command.ts";
import { CONTROL_COMMANDS } from "./cli/control-commands.ts";
import { handleSignals } from "./cli/interrupt.ts";
import { runCli } from "./cli/run.ts";

/** Every command of the executable, in the order of --help. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "serve",
    summary: "run the server: control plane, Flight, health and metrics",
    load: () => import("./cli/serve.ts"),
    begin: async () => (await import("./threads/data-plane-thread.ts")).beginDataPlane(),
    outlivesOutput: true,
  },
  {
    name: "decode",
    summary: "print the contract-data rows of ledger files",
    load: () => import("./cli/decode.ts"),
  },
  {
    name: "gaps",
    summary: "look a lake through for holes, damage and breaks of its chain",
    load: () => import("./cli/gaps.ts"),
  },
  {
    name: "doctor",
    summary: "look at all that the configuration names, and say what is wrong",
    load: () => import("./cli/doctor.ts"),
  },
  {
    name: "health",
    summary: "ask a server whether it is ready: a container's probe",
    load: () => import("./cli/health.ts"),
  },
  { name: "api-key", summary: "make an API key for a name", load: () => import("./cli/api-key.ts") },
  {
    name: "hash-password",
    summary: "make the line that lets a name in with a password",
    load: () => import("./cli/hash-password.ts"),
  },
  ...CONTROL_COMMANDS,
  {
    name: "tail",
    summary: "print the rows of a session as they come (a Flight client)",
    load: () => import("./cli/tail.ts"),
  },
  {
    name: "sink sqlite",
    summary: "keep the rows of a session or a range in a SQLite file, exactly once",
    load: () => import("./cli/sink-sqlite.ts"),
  },
  {
    name: "sink postgres",
    summary: "keep the rows of a session or a range in PostgreSQL, exactly once",
    load: () => import("./cli/sink-postgres.ts"),
  },
  {
    name: "export parquet",
    summary: "write the rows of a range of ledgers as Parquet files, from a server or a source",
    load: () => import("./cli/export-parquet.ts"),
  },
  {
    name: "export verify",
    summary: "prove that such files are complete and unaltered",
    load: () => import("./cli/export-verify.ts"),
  },
  ...BACKFILL_COMMANDS,
  {
    name: "demo",
    summary: "the whole way on the sample ledgers: serve, start, read, print",
    load: () => import("./cli/demo.ts"),
  },
];

if (import.meta.main) {
  handleSignals();
  process.exit(await runCli(process.argv.slice(2), COMMANDS));
}
