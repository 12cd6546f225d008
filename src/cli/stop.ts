import { duration } from "../config/types.ts";
import { StopMode } from "../grpc/generated/control.ts";
import { defineCommand } from "./command.ts";
import { JSON_FLAG, SERVER_FLAGS, SESSION_ARGUMENT, sessionId, withControl } from "./control-call.ts";
import { option, toggle } from "./flags.ts";
import { sessionJson } from "./session-text.ts";

const ANSWER_SLACK_MS = 30_000; // over the deadline, for the server to come to its own end

export const command = defineCommand({
  usage: "SESSION [flags]",
  description: `What has been read is decoded and stays for clients, unless --drop is given. A session that has already ended is no
error: its last state is printed.`,
  args: SESSION_ARGUMENT,
  flags: {
    drop: toggle({ summary: "Drop what no client has taken yet; clients are ended with their cursor." }),
    deadline: option({
      placeholder: "DURATION",
      type: duration(1, 3_600_000),
      summary: "Wait for connected clients to take what is left, at most so long; then drop it.",
    }),
    ...SERVER_FLAGS,
    json: JSON_FLAG,
  },
  examples: [
    {
      command: "contract-data-processor stop 5f1a2c0e-6d0b-4a9e-9a53-0d2b8f1c7e11",
      meaning: "end the session that start printed",
    },
    {
      command: "contract-data-processor stop 5f1a2c0e-6d0b-4a9e-9a53-0d2b8f1c7e11 --deadline 30s",
      meaning: "let its clients finish first",
    },
  ],
  async run(context) {
    const { drop, deadline, json } = context.flags;
    const response = await withControl(context, (client) =>
      client.stopProcessing(
        {
          sessionId: sessionId(context.args),
          mode: drop ? StopMode.STOP_MODE_DROP : StopMode.STOP_MODE_DRAIN,
          deadlineMs: Math.ceil(deadline ?? 0),
        },
        { deadlineMs: (deadline ?? 0) + ANSWER_SLACK_MS },
      ),
    );
    context.print(json ? sessionJson(response) : response.message);
  },
});
