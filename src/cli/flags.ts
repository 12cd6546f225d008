/** What a command's flags are, and how a command line is read against them. */
import { nearest } from "../config/nearest.ts";
import type { SettingType } from "../config/types.ts";
import { UsageError } from "./usage-error.ts";

/** A flag of a command, and how its values are read. */
export interface Flag<T> {
  /** One letter, without the dash. */
  readonly short?: string;
  /** Stands for the value in the help: `ADDRESS`. Absent = the flag stands alone. */
  readonly placeholder?: string;
  readonly summary: string;
  /** What a flag with a value means when it stands alone (`--debug`); such a flag takes its value with `=` only. */
  readonly bare?: string;
  /** The texts given, in order; none where the flag is not there. @throws UsageError */
  read(name: string, given: readonly string[]): T;
}

/** A command's flags by name, without dashes. */
export type Flags = Readonly<Record<string, Flag<unknown>>>;
/** The values that a command is given for its flags. */
export type FlagValues<F extends Flags> = { readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never };

interface FlagText {
  summary: string;
  short?: string;
}

function readValue<T>(name: string, type: SettingType<T>, text: string): T {
  const value = type.parse(text);
  if (value === undefined) {
    throw new UsageError(`--${name} is ${type.fault?.(text) ?? JSON.stringify(text)}: ${type.accepts} is accepted`);
  }
  return value;
}

function single(name: string, given: readonly string[]): string | undefined {
  if (given.length > 1) throw new UsageError(`--${name} is given ${given.length} times: once is accepted`);
  return given[0];
}

/** True where the flag is there. */
export function toggle(text: FlagText): Flag<boolean> {
  return {
    ...text,
    bare: "true",
    read(name, given) {
      const value = single(name, given) ?? "false";
      if (value !== "true" && value !== "false") throw new UsageError(`--${name} takes no value`);
      return value === "true";
    },
  };
}

/** A value that may be left out. */
export function option<T>(text: FlagText & { placeholder: string; type: SettingType<T> }): Flag<T | undefined> {
  return {
    ...text,
    read(name, given) {
      const value = single(name, given);
      return value === undefined ? undefined : readValue(name, text.type, value);
    },
  };
}

/** A value with a default, which the summary should name. */
export function optionOr<T>(text: FlagText & { placeholder: string; type: SettingType<T>; otherwise: T }): Flag<T> {
  const inner = option(text);
  return { ...text, read: (name, given) => inner.read(name, given) ?? text.otherwise };
}

/** A value that must be there. */
export function required<T>(text: FlagText & { placeholder: string; type: SettingType<T> }): Flag<T> {
  const inner = option(text);
  return {
    ...text,
    summary: `${text.summary} Required.`,
    read(name, given) {
      const value = inner.read(name, given);
      if (value === undefined) throw new UsageError(`--${name} ${text.placeholder} is missing`);
      return value;
    },
  };
}

/** A value that may be given any number of times. */
export function repeated<T>(text: FlagText & { placeholder: string; type: SettingType<T> }): Flag<T[]> {
  return { ...text, read: (name, given) => given.map((value) => readValue(name, text.type, value)) };
}

interface ParsedLine {
  positionals: string[];
  /** By flag name. */
  given: Map<string, string[]>;
}

/**
 * `--name value`, `--name=value`, `-n value`; `--` ends the flags.
 * @throws UsageError for a flag that is not there, with the one that was probably meant, or without its value
 */
export function parseLine(args: readonly string[], flags: Flags): ParsedLine {
  const positionals: string[] = [];
  const given = new Map<string, string[]>();
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!;
    if (arg === "--") {
      positionals.push(...args.slice(index + 1));
      break;
    }
    // A lone dash is a file name: standard input.
    if (!arg.startsWith("-") || arg === "-") {
      positionals.push(arg);
      continue;
    }
    const equals = arg.indexOf("=");
    const spelled = equals < 0 ? arg : arg.slice(0, equals);
    const name = flagName(spelled, flags);
    const flag = flags[name]!;
    let value = equals < 0 ? flag.bare : arg.slice(equals + 1);
    if (value === undefined) {
      value = args[++index];
      if (value === undefined || value.startsWith("--")) {
        throw new UsageError(`${spelled} needs a value: ${spelled} ${flag.placeholder}`);
      }
    }
    const values = given.get(name);
    if (values) values.push(value);
    else given.set(name, [value]);
  }
  return { positionals, given };
}

function flagName(spelled: string, flags: Flags): string {
  const name = spelled.startsWith("--")
    ? spelled.slice(2)
    : Object.keys(flags).find((key) => flags[key]?.short === spelled.slice(1));
  if (name !== undefined && Object.hasOwn(flags, name)) return name;
  const near = nearest(spelled.replace(/^-+/, ""), Object.keys(flags));
  throw new UsageError(`unknown flag ${spelled}${near ? `; did you mean --${near}?` : ""}`);
}

/** All values of a command's flags. @throws UsageError */
export function readFlags<F extends Flags>(flags: F, given: ReadonlyMap<string, string[]>): FlagValues<F> {
  const values = Object.entries(flags).map(([name, flag]) => [name, flag.read(name, given.get(name) ?? [])]);
  return Object.fromEntries(values) as FlagValues<F>;
}
