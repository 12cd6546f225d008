import { oneOf, text } from "../config/types.ts";
import { GetStatusResponse_Status as Status } from "../grpc/generated/control.ts";
import { defineCommand } from "./command.ts";
import { JSON_FLAG, SERVER_FLAGS, sessionId, withControl } from "./control-call.ts";
import { option, repeated } from "./flags.ts";
import { label } from "./label.ts";
import { sessionJson, sessionLine, sessionTable } from "./session-text.ts";

const PAGE = 500;

export const command = defineCommand({
  usage: "[SESSION] [flags]",
  description: "Without an id a line for each session, newest first; with one, everything that is known of it.",
  args: { min: 0, max: 1 },
  flags: {
    label: repeated({ placeholder: "KEY=VALUE", type: label, summary: "Only sessions with this label." }),
    status: option({
      placeholder: "STATUS",
      type: oneOf(["unknown", "starting", "running", "stopping", "stopped", "error"]),
      summary: "Only sessions in this state.",
    }),
    after: option({ placeholder: "ID", type: text, summary: "Only sessions that are older than this one." }),
    ...SERVER_FLAGS,
    json: JSON_FLAG,
  },
  examples: [
    { command: "contract-data-processor sessions --status running", meaning: "what works now" },
    {
      command: "contract-data-processor sessions 5f1a2c0e-6d0b-4a9e-9a53-0d2b8f1c7e11",
      meaning: "one session with its filters, checkpoint and clients",
    },
  ],
  async run(context) {
    const { label: labels, status, after, json } = context.flags;
    await withControl(context, async (client) => {
      if (context.args.length > 0) {
        const { session } = await client.getSession({ sessionId: sessionId(context.args) });
        context.print(json ? sessionJson(session) : sessionTable(session!));
        return;
      }
      const statuses = status === undefined ? [] : [Status[status.toUpperCase() as keyof typeof Status]];
      let pageToken = after ?? "";
      do {
        const page = await client.listSessions({ labels: new Map(labels), statuses, pageSize: PAGE, pageToken });
        for (const session of page.sessions) context.print(json ? sessionJson(session) : sessionLine(session));
        pageToken = page.nextPageToken;
      } while (pageToken !== "");
    });
    return undefined;
  },
});
