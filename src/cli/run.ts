/** From a command line to an exit code. */
import { setTimeout as sleep } from "node:timers/promises";
import { nearest } from "../config/nearest.ts";
import { parseGoBoolean } from "../config/types.ts";
import { VERSION } from "../config/version.ts";
import { CodedError } from "../error.ts";
import type { CommandContext, CommandEntry } from "./command.ts";
import { parseLine, readFlags, toggle } from "./flags.ts";
import { commandHelp, globalHelp } from "./help.ts";
import { interruptSignal } from "./interrupt.ts";
import { failureOf, isClosedByReader, standardOutput, write } from "./output.ts";
import { PROGRAM } from "./program.ts";
import { UsageError } from "./usage-error.ts";

/** What a command line meets; a test gives its own. */
type CliWorld = Pick<CommandContext, "env" | "stdout" | "stderr" | "interrupt">;

const EXIT_OK = 0;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const UNWRITABLE_GRACE_MS = 5_000; // for a command whose output fails, to come to its own end

const HELP_ARGUMENTS = ["--help", "-h"];
const HELP_FLAG = toggle({ short: "h", summary: "Show this." });

/**
 * Runs the command that `argv` (without the executable and script) names.
 * Returns the exit code: 0; 2 where what was typed or set is wrong, here or by the server's judgement (INVALID_ARGUMENT);
 * 1 for every other failure. Both come with one line on stderr. Output that cannot be written is a failure, unless its
 * reader has closed it.
 */
export async function runCli(
  argv: readonly string[],
  commands: readonly CommandEntry[],
  world: CliWorld = processWorld(),
): Promise<number> {
  const { stdout, stderr } = world;
  const unwritable = new AbortController();
  const interrupt = () => AbortSignal.any([world.interrupt(), unwritable.signal]);
  const finished = dispatch(argv, commands, { ...world, interrupt }).then(async (code) => {
    // The caller may end the process at once; what was printed has to be out by then.
    await Promise.allSettled([write(stdout, ""), write(stderr, "")]);
    return code;
  });
  if (commands.find(({ name }) => name === argv[0])?.outlivesOutput) {
    stdout.on("error", () => {}); // a banner that nobody reads is no reason to end
    return finished;
  }
  const code = await Promise.race([finished, failureOf(stdout).then(() => EXIT_FAILED)]);
  const { errored } = stdout;
  if (!errored) return code;
  if (isClosedByReader(errored)) return EXIT_OK;
  unwritable.abort();
  await Promise.race([finished, sleep(UNWRITABLE_GRACE_MS)]);
  stderr.write(`${PROGRAM}: cannot write to standard output: ${oneLine(errored.message)}\n`);
  await Promise.allSettled([write(stderr, "")]);
  return EXIT_FAILED;
}

async function dispatch(line: readonly string[], commands: readonly CommandEntry[], world: CliWorld): Promise<number> {
  const argv = joined(line, commands);
  const [name, ...rest] = argv;
  try {
    if (name === undefined || HELP_ARGUMENTS.includes(name) || (name === "help" && rest.length === 0)) {
      world.stdout.write(globalHelp(commands));
      return EXIT_OK;
    }
    if (name === "--version" || name === "-v" || name === "version") {
      world.stdout.write(`${PROGRAM} ${VERSION}\n`);
      return EXIT_OK;
    }
    if (name === "help") return await runCommand(find(joined(rest, commands)[0] ?? "", commands), ["--help"], world);
    return await runCommand(find(name, commands), rest, world);
  } catch (error) {
    if (world.stdout.errored) return EXIT_FAILED; // which is told once, by runCli
    const message = oneLine(error instanceof Error ? error.message : String(error));
    if (error instanceof UsageError) {
      const about = commands.some((command) => command.name === name) ? `${name} --help` : "--help";
      world.stderr.write(`${PROGRAM}: ${message} (see ${PROGRAM} ${about})\n`);
      return EXIT_USAGE;
    }
    world.stderr.write(`${PROGRAM}: ${message}\n`);
    if (parseGoBoolean(world.env.DEBUG ?? "") && error instanceof Error) world.stderr.write(`${chainOf(error)}\n`);
    return error instanceof CodedError && error.code === "INVALID_ARGUMENT" ? EXIT_USAGE : EXIT_FAILED;
  }
}

/** A command whose name has two words (`sink sqlite`) as one argument. */
function joined(argv: readonly string[], commands: readonly CommandEntry[]): readonly string[] {
  const name = argv.slice(0, 2).join(" ");
  return argv.length > 1 && commands.some((command) => command.name === name) ? [name, ...argv.slice(2)] : argv;
}

function find(name: string, commands: readonly CommandEntry[]): CommandEntry {
  const command = commands.find((candidate) => candidate.name === name);
  if (command) return command;
  if (name.startsWith("-")) throw new UsageError(`unknown flag ${name}: flags stand after the command's name`);
  const kinds = commands.map((candidate) => candidate.name).filter((candidate) => candidate.startsWith(`${name} `));
  if (kinds.length > 0) throw new UsageError(`${name} has several kinds: ${kinds.join(", ")}`);
  const near = nearest(
    name,
    commands.map((candidate) => candidate.name),
  );
  throw new UsageError(`unknown command ${JSON.stringify(name)}${near ? `; did you mean ${near}?` : ""}`);
}

async function runCommand(entry: CommandEntry, argv: readonly string[], world: CliWorld): Promise<number> {
  if (!argv.some((arg) => HELP_ARGUMENTS.includes(arg))) await entry.begin?.();
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

function oneLine(message: string): string {
  return message.trim().replace(/\s*\n\s*/g, " ");
}

/** The stack, and those of the causes. */
function chainOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${chainOf(error.cause)}` : "";
  return `${error.stack ?? error.message}${cause}`;
}

function processWorld(): CliWorld {
  process.stderr.on("error", () => {}); // there is no place left to tell of it
  return { env: process.env, stdout: standardOutput(), stderr: process.stderr, interrupt: interruptSignal };
}
