import { counted } from "../base/text.ts";
import { text } from "../config/types.ts";
import { CodedError } from "../error.ts";
import { recoverStore } from "../sessions/store-recovery.ts";
import { defineCommand } from "./command.ts";
import { option } from "./flags.ts";
import { UsageError } from "./usage-error.ts";

export const command = defineCommand({
  usage: "--data-dir FOLDER",
  description:
    "For a server that refuses to start because its record of sessions is damaged. What can be read is put into a new file, what cannot is listed, the damaged file is set aside. Exit code 1 when no session could be saved. Stop the server first.",
  flags: {
    "data-dir": option({
      placeholder: "FOLDER",
      type: text,
      summary: "The server's DATA_DIR. Default: DATA_DIR in the environment.",
    }),
  },
  examples: [
    { command: "contract-data-processor recover --data-dir /var/lib/contract-data", meaning: "save what can be saved" },
  ],
  async run({ flags, env, print }) {
    const folder = flags["data-dir"] || env.DATA_DIR;
    if (!folder) throw new UsageError("--data-dir FOLDER is missing");
    const { sessions, lost, setAside } = recoverStore(folder);
    for (const what of lost) print(`lost: ${what}`);
    print(
      `${counted(sessions, "session")} kept, ${counted(lost.length, "record")} lost; the damaged file is ${setAside}`,
    );
    if (sessions === 0 && lost.length > 0) {
      throw new CodedError(
        "DATA_LOSS",
        "NOTHING_RECOVERED",
        `no session could be saved: the server will start in ${folder} without any`,
      );
    }
    return undefined;
  },
});
