import { oneOf } from "../config/types.ts";
import { LOG_LEVELS } from "../ops/log.ts";
import { defineCommand } from "./command.ts";
import { JSON_FLAG, SERVER_FLAGS, withControl } from "./control-call.ts";
import { sessionJson } from "./session-text.ts";
import { UsageError } from "./usage-error.ts";

const LEVEL = oneOf(LOG_LEVELS);

export const command = defineCommand({
  usage: "[LEVEL] [flags]",
  description:
    "Changes how much a running server logs, until it is changed again or the server restarts. Without a level it tells the present one.",
  args: { min: 0, max: 1 },
  flags: { ...SERVER_FLAGS, json: JSON_FLAG },
  examples: [
    { command: "contract-data-processor log-level debug", meaning: "log everything, while something is looked for" },
  ],
  async run(context) {
    const [given = ""] = context.args;
    const level = given === "" ? "" : LEVEL.parse(given);
    if (level === undefined) throw new UsageError(`${JSON.stringify(given)} is no level: ${LEVEL.accepts} is accepted`);
    const response = await withControl(context, (client) => client.setLogLevel({ level }));
    if (context.flags.json) context.print(sessionJson(response));
    else context.print(level === "" ? response.level : `${response.level} (was ${response.previous})`);
  },
});
