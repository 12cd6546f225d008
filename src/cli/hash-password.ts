import { passwordLine } from "../security/password-hashes.ts";
import { nameArgument } from "./api-key.ts";
import { defineCommand } from "./command.ts";
import { write } from "./output.ts";
import { PROGRAM } from "./program.ts";
import { UsageError } from "./usage-error.ts";

const PASSWORD_CHARACTERS_MAX = 1024; // a long sentence

export const command = defineCommand({
  usage: "NAME",
  description:
    "Reads a password from standard input, up to its end, and prints the line for PASSWORDS_FILE: the name, and a slow hash (argon2id) of the password. The server reads the file when it starts.",
  flags: {},
  args: { min: 1, max: 1 },
  examples: [
    {
      command: `${PROGRAM} hash-password ann < password >> passwords`,
      meaning: "let ann in with the password of a file",
    },
  ],
  async run({ args, stdout }) {
    const name = nameArgument(args);
    const password = (await Bun.stdin.text()).replace(/\r?\n$/, "");
    if (password === "" || password.length > PASSWORD_CHARACTERS_MAX || /[\r\n]/.test(password)) {
      throw new UsageError(`the password has to be one line of up to ${PASSWORD_CHARACTERS_MAX} characters`);
    }
    await write(stdout, `${await passwordLine(name, password)}\n`);
    return 0;
  },
});
