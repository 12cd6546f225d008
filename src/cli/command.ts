/** What a command is. Each has a file of its own, loaded when it is called. */
import type { Writable } from "node:stream";
import type { Flags, FlagValues } from "./flags.ts";

/** A terminal, or what stands in for it. */
export type Output = Writable & { isTTY?: boolean; columns?: number };

/** What a command is given when it runs. */
export interface CommandContext<F extends Flags = Flags> {
  /** What is neither a flag nor a flag's value, in order. */
  args: string[];
  flags: FlagValues<F>;
  env: Readonly<Record<string, string | undefined>>;
  stdout: Output;
  stderr: Output;
  /** One line to stdout. */
  print(line: string): void;
  /**
   * A signal that aborts at SIGHUP, SIGINT or SIGTERM; from the first call on they no longer end the process by themselves,
   * except the second of them, which ends it at once with 130 (one that follows within 300 ms is the same one again).
   */
  interrupt(): AbortSignal;
}

interface Example {
  /** The whole line, with the program's name. */
  command: string;
  /** What it does, in a few words. */
  meaning: string;
}

interface Command<F extends Flags = Flags> {
  /** The arguments after the name, as the help shows them: `FILE… [flags]`. */
  usage: string;
  /** A paragraph or two below the summary. */
  description?: string;
  flags: F;
  examples: readonly [Example, ...Example[]];
  /** How many arguments beside flags may stand; default none. */
  args?: { min: number; max: number };
  /**
   * Returns the exit code, 0 when nothing is returned. What it throws is printed as one line on stderr: exit code 2
   * for a UsageError and a CodedError INVALID_ARGUMENT, else 1.
   */
  run(context: CommandContext<F>): Promise<number | undefined>;
}

/** Where a command is found, and what the list of commands says of it. */
export interface CommandEntry {
  name: string;
  /** One line. */
  summary: string;
  /** `() => import("./serve.ts")`: a literal path, so that a bundler sees it. */
  load(): Promise<{ command: AnyCommand }>;
  /** What the command needs beside its own file, begun before that is loaded; not for its --help. */
  begin?(): Promise<void>;
  /** True where the command goes on when its standard output has no reader any more. */
  outlivesOutput?: boolean;
}

/** A command whose flags are its own business. */
export type AnyCommand = Omit<Command, "run"> & { run(context: CommandContext): Promise<number | undefined> };

/** Gives `run` the types of its own flags. */
export function defineCommand<const F extends Flags>(command: Command<F>): AnyCommand {
  return command as unknown as AnyCommand; // `run` is only called with the values of the command's own flags
}
