import { text } from "../config/types.ts";
import { SqliteSink } from "../sinks/sqlite/sqlite-sink.ts";
import { defineCommand } from "./command.ts";
import { required } from "./flags.ts";
import { PROGRAM } from "./program.ts";
import { SINK_FLAGS } from "./sink-flags.ts";
import { runSink } from "./sink-run.ts";

export const command = defineCommand({
  usage: "--to FILE [--session ID | --start-ledger N --end-ledger N] [flags]",
  description: `Reads a session or a range of ledgers through Arrow Flight into one SQLite file: every row in "entries", the last one of each entry in "current_state" ("current_states" has those that are still there), with --dataset ttl in "ttl_changes" and "current_ttl", and the cursor, in one transaction. It may be killed at any instant: the same command goes on behind the last commit, and no row is lost or doubled. Ranges may overlap. A range or session with an end is over with exit code 0 once its last row is committed. docs/sinks.md describes the tables.`,
  flags: {
    to: required({ placeholder: "FILE", type: text, summary: "The file; it is made where it is not there." }),
    ...SINK_FLAGS,
  },
  examples: [
    {
      command: `${PROGRAM} sink sqlite --to rows.db --start-ledger 58751994 --end-ledger 58752000`,
      meaning: "a range of ledgers",
    },
    { command: `${PROGRAM} sink sqlite --to rows.db --session ID`, meaning: "a session, for as long as it runs" },
    {
      command: `${PROGRAM} sink sqlite --to rows.db --dataset ttl --start-ledger 58751994 --end-ledger 58752000`,
      meaning: "how long entries live, into the same file",
    },
    {
      command: `${PROGRAM} sink sqlite --to kale.db --start-ledger 58751994 --asset-code KALE --dry-run`,
      meaning: "what would be done",
    },
  ],
  run: (context) => runSink(context, new SqliteSink(context.flags.to), context.flags.to),
});
