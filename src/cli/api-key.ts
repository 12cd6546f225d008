import { NAME } from "../config/credentials.ts";
import type { SettingType } from "../config/types.ts";
import { newApiKey } from "../security/api-keys.ts";
import { defineCommand } from "./command.ts";
import { write } from "./output.ts";
import { PROGRAM } from "./program.ts";
import { UsageError } from "./usage-error.ts";

/** A name that a client may have. */
export const clientName: SettingType<string> = {
  name: "name",
  accepts: "a name without spaces and colons, up to 128 characters, which does not begin with # or @,",
  parse: (value) => (NAME.test(value) ? value : undefined),
};

/** The name that stands as the only argument. @throws UsageError */
export function nameArgument([given = ""]: readonly string[]): string {
  const name = clientName.parse(given);
  if (name === undefined)
    throw new UsageError(`the name is ${JSON.stringify(given)}: ${clientName.accepts} is accepted`);
  return name;
}

export const command = defineCommand({
  usage: "NAME",
  description:
    "Makes an API key. Standard output has the line for API_KEYS_FILE, with a hash of the key; standard error has the key itself, which is shown only now. A name may have several keys: to change one, add the new line, move clients over, and take the old line out. The server reads the file when it starts.",
  flags: {},
  args: { min: 1, max: 1 },
  examples: [
    { command: `${PROGRAM} api-key team-a >> api-keys`, meaning: "a key for team-a, which the server knows then" },
  ],
  async run({ args, stdout, stderr }) {
    const { key, line } = newApiKey(nameArgument(args));
    await write(stdout, `${line}\n`);
    stderr.write(`${key}\n`);
    return 0;
  },
});
