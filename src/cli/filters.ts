import { text } from "../config/types.ts";
import { defineCommand } from "./command.ts";
import { JSON_FLAG, SERVER_FLAGS, withControl } from "./control-call.ts";
import { anyFilter, FILTER_FLAGS, filtersOf, patchOf, removal } from "./filter-flags.ts";
import { option, repeated, toggle } from "./flags.ts";
import { filterText, sessionJson } from "./session-text.ts";
import { UsageError } from "./usage-error.ts";

export const command = defineCommand({
  usage: "[--session ID] [--patch] [filters] [flags]",
  description: `The given filters replace those in force, for all sessions that have not ended and for new ones, or for one session; a
kind that is not given selects everything. With --patch the lists are added to those in force instead, --remove takes
values out, and what is not given stays. --clear removes all filters. The answer says from which ledger the filters hold.
With --session alone nothing is changed: those in force are shown.`,
  flags: {
    session: option({ placeholder: "ID", type: text, summary: "Only this session." }),
    patch: toggle({ summary: "Change what is in force instead of replacing it." }),
    clear: toggle({
      summary:
        "Remove all filters. Rows of removed entries then come only with --include-deleted beside it, as with any replacement.",
    }),
    ...FILTER_FLAGS,
    remove: repeated({
      placeholder: "KIND=VALUE",
      type: removal,
      summary: "With --patch: take this value out, as in asset-code=USDC.",
    }),
    "exclude-deleted": toggle({ summary: "With --patch: no more rows of removed entries." }),
    ...SERVER_FLAGS,
    json: JSON_FLAG,
  },
  examples: [
    {
      command: "contract-data-processor filters --asset-code USDC --asset-code EURC --include-deleted",
      meaning: "two assets, with removed entries, for all sessions",
    },
    {
      command:
        "contract-data-processor filters --session 5f1a2c0e-6d0b-4a9e-9a53-0d2b8f1c7e11 --patch --asset-code AQUA --remove asset-code=USDC",
      meaning: "one asset for another, in one session",
    },
    {
      command: "contract-data-processor filters --session 5f1a2c0e-6d0b-4a9e-9a53-0d2b8f1c7e11",
      meaning: "what holds for a session",
    },
    { command: "contract-data-processor filters --clear", meaning: "no filters any more, for all sessions" },
  ],
  async run(context) {
    const { flags } = context;
    const { session, patch, remove, clear, "exclude-deleted": exclude } = flags;
    if (!patch && (remove.length > 0 || exclude)) throw new UsageError("--remove and --exclude-deleted need --patch");
    if (patch && !anyFilter(flags) && remove.length === 0 && !exclude) {
      throw new UsageError("--patch needs something to change");
    }
    if (clear && (patch || anyFilter({ ...flags, "include-deleted": false }))) {
      throw new UsageError("--clear removes all filters: give it alone, or with --include-deleted");
    }
    if (exclude && flags["include-deleted"]) {
      throw new UsageError("--include-deleted and --exclude-deleted are opposites: give one of them");
    }
    if (!clear && !patch && !anyFilter(flags)) {
      if (session !== undefined) return await show(context, session);
      throw new UsageError(
        "nothing is given to select by: --clear removes all filters, --session ID shows those of a session",
      );
    }
    const response = await withControl(context, (client) =>
      client.configureFilters({
        sessionId: session,
        ...(patch ? { patch: patchOf(flags, remove, exclude ? false : undefined) } : { filters: filtersOf(flags) }),
      }),
    );
    context.print(flags.json ? sessionJson(response) : response.message);
    return undefined;
  },
});

/** Prints the filters that a session's next ledgers are decided by. */
async function show(
  context: Parameters<typeof withControl>[0] & { flags: { json: boolean }; print(line: string): void },
  id: string,
): Promise<undefined> {
  const { session } = await withControl(context, (client) => client.getSession({ sessionId: id }));
  const last = session?.filterHistory.at(-1);
  if (context.flags.json) context.print(sessionJson({ sessionId: id, ...last }));
  else context.print(`session ${id} from ledger ${last?.fromLedger ?? 0}: ${filterText(last?.filters)}`);
}
