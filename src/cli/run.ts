/** From a command line to an exit code. */
import { nearest } from "../config/nearest.ts";
import { parseGoBoolean } from "../config/types.ts";
import { VERSION } from "../config/version.ts";
import type { CommandContext, CommandEntry, Output } from "./command.ts";
import { parseLine, readFlags, toggle } from "./flags.ts";
import { commandHelp, globalHelp } from "./help.ts";
import { interruptSignal } from "./interrupt.ts";
import { PROGRAM } from "./program.ts";
import { UsageError } from "./usage-error.ts";

/** What a command line meets; a test gives its own. */
export type CliWorld = Pick<CommandContext, "env" | "stdout" | "stderr" | "interrupt">;

const EXIT_OK = 0;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

const HELP_FLAG = toggle({ short: "h", summary: "Show this." });

/**
 * Runs the command that `argv` (without the executable and script) names.
 * Returns the exit code: 0, 1 for a failure, 2 for a wrong command line; both come with one line on stderr.
 */
export async function runCli(
  argv: readonly string[],
  commands: readonly CommandEntry[],
  world: CliWorld = processWorld(),
): Promise<number> {
  const code = await dispatch(argv, commands, world);
  // The caller may end the process at once; what was printed has to be out by then.
  await Promise.all([flushed(world.stdout), flushed(world.stderr)]);
  return code;
}

async function dispatch(argv: readonly string[], commands: readonly CommandEntry[], world: CliWorld): Promise<number> {
  const [name, ...rest] = argv;
  try {
    if (name === undefined || name === "--help" || name === "-h" || (name === "help" && rest.length === 0)) {
      world.stdout.write(globalHelp(commands));
      return EXIT_OK;
    }
    if (name === "--version" || name === "-v" || name === "version") {
      world.stdout.write(`${PROGRAM} ${VERSION}\n`);
      return EXIT_OK;
    }
    if (name === "help") return await runCommand(find(rest[0] ?? "", commands), ["--help"], world);
    return await runCommand(find(name, commands), rest, world);
  } catch (error) {
    const message = oneLine(error instanceof Error ? error.message : String(error));
    if (error instanceof UsageError) {
      const about = commands.some((command) => command.name === name) ? `${name} --help` : "--help";
      world.stderr.write(`${PROGRAM}: ${message} (see ${PROGRAM} ${about})\n`);
      return EXIT_USAGE;
    }
    world.stderr.write(`${PROGRAM}: ${message}\n`);
    if (parseGoBoolean(world.env.DEBUG ?? "") && error instanceof Error) world.stderr.write(`${chainOf(error)}\n`);
    return EXIT_FAILED;
  }
}

function find(name: string, commands: readonly CommandEntry[]): CommandEntry {
  const command = commands.find((candidate) => candidate.name === name);
  if (command) return command;
  if (name.startsWith("-")) throw new UsageError(`unknown flag ${name}: flags stand after the command's name`);
  const near = nearest(
    name,
    commands.map((candidate) => candidate.name),
  );
  throw new UsageError(`unknown command ${JSON.stringify(name)}${near ? `; did you mean ${near}?` : ""}`);
}

async function runCommand(entry: CommandEntry, argv: readonly string[], world: CliWorld): Promise<number> {
  const { command } = await entry.load();
  const { positionals, given } = parseLine(argv, { ...command.flags, help: HELP_FLAG });
  if (given.has("help")) {
    world.stdout.write(commandHelp(entry, command));
    return EXIT_OK;
  }
  const { min, max } = command.args ?? { min: 0, max: 0 };
  if (positionals.length > max) {
    const extra = JSON.stringify(positionals[max]);
    throw new UsageError(max === 0 ? `unexpected argument ${extra}` : `${extra} is one argument too many`);
  }
  if (positionals.length < min) throw new UsageError(`too few arguments: ${entry.name} ${command.usage}`);
  const code = await command.run({
    ...world,
    args: positionals,
    flags: readFlags(command.flags, given),
    print: (line) => world.stdout.write(`${line}\n`),
  });
  return typeof code === "number" ? code : EXIT_OK;
}

function flushed(output: Output): Promise<void> {
  return new Promise((resolve) => output.write("", () => resolve()));
}

function oneLine(message: string): string {
  return message.trim().replace(/\s*\n\s*/g, " ");
}

/** The stack, and those of the causes. */
function chainOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${chainOf(error.cause)}` : "";
  return `${error.stack ?? error.message}${cause}`;
}

function processWorld(): CliWorld {
  // `… | head` closes our output early, which is no failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(EXIT_OK);
    throw error;
  });
  return { env: process.env, stdout: process.stdout, stderr: process.stderr, interrupt: interruptSignal };
}
