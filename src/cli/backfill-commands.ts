/** The commands about exports that many workers write together. */
import type { CommandEntry } from "./command.ts";

/** In the order of --help. */
export const BACKFILL_COMMANDS: readonly CommandEntry[] = [
  {
    name: "backfill start",
    summary: "begin a job: an export of a range that many workers write together",
    load: () => import("./backfill-start.ts"),
  },
  { name: "backfill status", summary: "where a job stands", load: () => import("./backfill-status.ts") },
  { name: "backfill watch", summary: "follow a job until it has ended", load: () => import("./backfill-watch.ts") },
  { name: "backfill cancel", summary: "end a job; what is written stays", load: () => import("./backfill-cancel.ts") },
  { name: "worker", summary: "do chunks of a job, beside any number of others", load: () => import("./worker.ts") },
];
