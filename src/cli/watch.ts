import { duration } from "../config/types.ts";
import { GetStatusResponse_Status as Status, type WatchSessionResponse } from "../grpc/generated/control.ts";
import { defineCommand } from "./command.ts";
import { JSON_FLAG, SERVER_FLAGS, sessionId, withControl } from "./control-call.ts";
import { optionOr } from "./flags.ts";
import { sessionJson, sessionLine } from "./session-text.ts";

const EXIT_SESSION_FAILED = 1;

export const command = defineCommand({
  usage: "[SESSION] [flags]",
  description: `A line whenever the server tells of a change: of state at once, of progress at the interval. Without an id it follows
all sessions until Ctrl-C; with one, until that session has ended, and exits with 1 when it failed.`,
  args: { min: 0, max: 1 },
  flags: {
    interval: optionOr({
      placeholder: "DURATION",
      type: duration(50, 3_600_000),
      otherwise: 1000,
      summary: "Least time between two lines of progress. Default: 1s.",
    }),
    ...SERVER_FLAGS,
    json: JSON_FLAG,
  },
  examples: [{ command: "contract-data-processor watch", meaning: "everything that happens" }],
  async run(context) {
    const { interval, json } = context.flags;
    const id = context.args.length === 0 ? "" : sessionId(context.args);
    const signal = context.interrupt();
    return withControl(context, async (client) => {
      const call = client.watchSession({ sessionId: id, intervalMs: Math.round(interval) }, { signal });
      let failed = false;
      try {
        for await (const { session, deleted } of call as AsyncIterable<WatchSessionResponse>) {
          if (session === undefined) continue;
          failed = session.status === Status.ERROR;
          context.print(
            json ? sessionJson({ ...session, deleted }) : `${sessionLine(session)}${deleted ? "  deleted" : ""}`,
          );
        }
      } catch (thrown) {
        if (signal.aborted) return 0;
        throw client.explain(thrown);
      }
      return id !== "" && failed ? EXIT_SESSION_FAILED : 0;
    });
  },
});
