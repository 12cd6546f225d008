/** The help texts. */

import type { AnyCommand, CommandEntry } from "./command.ts";
import type { Flag } from "./flags.ts";
import { PROGRAM, PROGRAM_SUMMARY } from "./program.ts";

const INDENT = "  ";
const GAP = 2;
const WIDTH_MAX = 100; // longer lines are hard to read, whatever the terminal

/** The list of commands, and where to begin. */
export function globalHelp(commands: readonly CommandEntry[]): string {
  return `${PROGRAM}: ${PROGRAM_SUMMARY}

Usage: ${PROGRAM} COMMAND [flags]

Commands:
${table(commands.map((command) => [command.name, command.summary]))}

Begin with the server on a folder of ledgers, then read from it:
  ${PROGRAM} serve --source-endpoint ./sample/lake
  ${PROGRAM} start --start-ledger 58751994
  ${PROGRAM} tail

Help for one command, with examples: ${PROGRAM} COMMAND --help

Exit codes: 0 done; 2 what was typed or set (flag, variable, file of settings) is not accepted; 1 anything else that
failed, as a file, a server or a session that is not there. The reason is one line on stderr.
`;
}

/** The help of one command. */
export function commandHelp(entry: CommandEntry, command: AnyCommand): string {
  const flags = Object.entries(command.flags).map(([name, flag]): [string, string] => [
    flagText(name, flag),
    flag.summary,
  ]);
  const help: [string, string] = ["-h, --help", "Show this."];
  return `${PROGRAM} ${entry.name}: ${entry.summary}

Usage: ${PROGRAM} ${entry.name} ${command.usage}
${command.description ? `\n${command.description.trim()}\n` : ""}
Flags:
${table([...flags, help])}

Examples:
${command.examples.map((example) => `  # ${example.meaning}\n  ${example.command}`).join("\n\n")}
`;
}

function flagText(name: string, flag: Flag<unknown>): string {
  const value = flag.placeholder ? (flag.bare === undefined ? ` ${flag.placeholder}` : `[=${flag.placeholder}]`) : "";
  return `${flag.short ? `-${flag.short}, ` : ""}--${name}${value}`;
}

function table(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length)) + GAP;
  const rest = Math.max(WIDTH_MAX - INDENT.length - width, 30);
  return rows
    .map(([left, right]) => {
      const [first = "", ...others] = wrap(right, rest);
      const continued = others.map((line) => `\n${INDENT}${" ".repeat(width)}${line}`).join("");
      return `${INDENT}${left.padEnd(width)}${first}${continued}`;
    })
    .join("\n");
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line ? `${line} ${word}` : word;
  }
  return [...lines, line];
}
