import { defineCommand } from "./command.ts";
import { JSON_FLAG, SERVER_FLAGS, SESSION_ARGUMENT, sessionId, withControl } from "./control-call.ts";
import { toggle } from "./flags.ts";
import { sessionJson } from "./session-text.ts";

export const command = defineCommand({
  usage: "SESSION [--force] [flags]",
  description: "Forgets a session that has ended: its record, its filters, its batches. There is no way back.",
  args: SESSION_ARGUMENT,
  flags: {
    force: toggle({ summary: "Also one that is active: it is stopped first, and what was not delivered is dropped." }),
    ...SERVER_FLAGS,
    json: JSON_FLAG,
  },
  examples: [
    {
      command: "contract-data-processor delete 5f1a2c0e-6d0b-4a9e-9a53-0d2b8f1c7e11 --force",
      meaning: "be rid of a session, whatever it does",
    },
  ],
  async run(context) {
    const response = await withControl(context, (client) =>
      client.deleteSession({ sessionId: sessionId(context.args), force: context.flags.force }),
    );
    context.print(context.flags.json ? sessionJson(response) : response.message);
  },
});
