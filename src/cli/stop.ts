import { defineCommand } from "./command.ts";
import { ADDRESS_FLAG, JSON_FLAG, SESSION_ARGUMENT, sessionId, withControl } from "./control-call.ts";

export const command = defineCommand({
  usage: "SESSION [flags]",
  description: "A session that has already ended is no error: its last state is printed.",
  args: SESSION_ARGUMENT,
  flags: { address: ADDRESS_FLAG, json: JSON_FLAG },
  examples: [
    {
      command: "contract-data-processor stop 5f1a2c0e-6d0b-4a9e-9a53-0d2b8f1c7e11",
      meaning: "end the session that start printed",
    },
  ],
  async run(context) {
    const response = await withControl(context, (client) =>
      client.stopProcessing({ sessionId: sessionId(context.args) }),
    );
    context.print(context.flags.json ? JSON.stringify(response) : response.message);
  },
});
