import { defineCommand } from "./command.ts";
import { JSON_FLAG, SERVER_FLAGS, SESSION_ARGUMENT, sessionId, withControl } from "./control-call.ts";
import { sessionJson } from "./session-text.ts";

export const command = defineCommand({
  usage: "SESSION [flags]",
  description:
    "Goes on right after the session's checkpoint, with its id, filters and clients' cursors. One that runs is no error.",
  args: SESSION_ARGUMENT,
  flags: { ...SERVER_FLAGS, json: JSON_FLAG },
  examples: [
    {
      command: "contract-data-processor resume 5f1a2c0e-6d0b-4a9e-9a53-0d2b8f1c7e11",
      meaning: "go on with a session that was stopped or failed",
    },
  ],
  async run(context) {
    const response = await withControl(context, (client) =>
      client.resumeSession({ sessionId: sessionId(context.args) }),
    );
    context.print(context.flags.json ? sessionJson(response) : response.message);
  },
});
