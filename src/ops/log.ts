/**
 * Structured logs, written by the process itself: one JSON object a line, or on a terminal one readable line. Values
 * whose names say that they are secret, and credentials inside URLs, never reach the output.
 */
import { shortened } from "../base/text.ts";
import { CodedError } from "../error.ts";
import { standardError } from "./log-output.ts";

/** Levels in rising order: a logger drops lines below its own level (LOG_LEVEL). */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
/** One of LOG_LEVELS. */
export type LogLevel = (typeof LOG_LEVELS)[number];
type LogFields = Readonly<Record<string, unknown>>;

/**
 * Writes one line a call. Fields that are undefined are left out; secrets are hidden, and texts are cut at
 * TEXT_LENGTH_MAX characters.
 */
export interface Logger {
  /** From which level on lines are written: of this logger, the one that it is a child of, and all children. */
  level: LogLevel;
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  /** An Error in `fields` is written with its causes and stacks. */
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to every line. */
  child(fields: LogFields): Logger;
}

/** What a logger writes, and where. */
export interface LogOptions {
  level: LogLevel;
  /** Takes a line with its newline. Default stderr, so that stdout stays free for data. */
  output?: { write(line: string): unknown; isTTY?: boolean };
  /** Default: `pretty` where the output is a terminal. */
  format?: "json" | "pretty";
  /** Default: the clock. */
  now?: () => Date;
}

const TEXT_LENGTH_MAX = 8192; // one line has to stay readable, and below what log collectors cut
const DEPTH_MAX = 6; // deeper values are no log fields
const CAUSES_MAX = 8; // a cause may lead back to itself

const SECRET_NAME =
  /^(.*[_-])?(password|passwd|secret|token|authorization|cookie|credentials?|private[_-]?key|api[_-]?key)$/i;
const URL_CREDENTIALS = /\b([a-z][a-z0-9+.-]{0,31}:\/\/)[^\s/@:]*:[^\s/@]*@/gi;
const HIDDEN = "[hidden]";

/** Makes a logger whose lines have only the fields of each call; `child` adds fields to every line. */
export function createLogger(options: LogOptions): Logger {
  const output = options.output ?? standardError();
  const now = options.now ?? (() => new Date());
  let least = LOG_LEVELS.indexOf(options.level);
  const pretty = options.format === undefined ? output.isTTY === true : options.format === "pretty";
  const format = pretty ? prettyLine : jsonLine;

  const make = (own: LogFields): Logger => {
    const at =
      (level: LogLevel) =>
      (message: string, fields: LogFields = {}) => {
        if (LOG_LEVELS.indexOf(level) < least) return;
        output.write(`${format(now(), level, shorten(message), clean({ ...own, ...fields }))}\n`);
      };
    return {
      get level() {
        return LOG_LEVELS[least]!;
      },
      set level(level) {
        least = LOG_LEVELS.indexOf(level);
      },
      debug: at("debug"),
      info: at("info"),
      warn: at("warn"),
      error: at("error"),
      child: (fields) => make({ ...own, ...fields }),
    };
  };
  return make({});
}

type Clean = string | number | boolean | null | Clean[] | { [name: string]: Clean };

function jsonLine(time: Date, level: LogLevel, message: string, fields: { [name: string]: Clean }): string {
  const own = { time: time.toISOString(), level, message };
  // They stand first, and no field can overwrite them.
  return JSON.stringify({ ...own, ...fields, ...own });
}

const COLORS: Readonly<Record<LogLevel, string>> = { debug: "90", info: "32", warn: "33", error: "31" };

function prettyLine(time: Date, level: LogLevel, message: string, fields: { [name: string]: Clean }): string {
  const label = `\x1b[${COLORS[level]}m${level.toUpperCase().padEnd(5)}\x1b[0m`;
  const values = Object.entries(fields).map(([name, value]) => ` \x1b[90m${name}=\x1b[0m${prettyValue(value)}`);
  return `${time.toISOString().slice(11, 23)} ${label} ${printable(message)}${values.join("")}`;
}

function prettyValue(value: Clean): string {
  return typeof value === "string" && /^[\w.:/@-]+$/.test(value) ? value : printable(JSON.stringify(value));
}

/** Text from outside must not move a terminal's cursor. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

function shorten(text: string): string {
  const open = text.replace(URL_CREDENTIALS, `$1${HIDDEN}@`);
  return open.length > TEXT_LENGTH_MAX
    ? `${shortened(open, TEXT_LENGTH_MAX)} (${open.length} characters)`
    : open.toWellFormed();
}

function clean(fields: LogFields, depth = 0): { [name: string]: Clean } {
  const cleaned: { [name: string]: Clean } = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    cleaned[name] = SECRET_NAME.test(name) ? HIDDEN : cleanValue(value, depth);
  }
  return cleaned;
}

function cleanValue(value: unknown, depth: number): Clean {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value === "string") return shorten(value);
  if (value instanceof Error) return errorFields(value, 0);
  if (value instanceof Date) return value.toISOString();
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  if (typeof value !== "object") return String(value);
  if (depth >= DEPTH_MAX) return "…";
  if (Array.isArray(value)) return value.map((item) => cleanValue(item, depth + 1));
  return clean(value as LogFields, depth + 1);
}

function errorFields(error: Error, causes: number): { [name: string]: Clean } {
  return {
    name: error.name,
    ...(error instanceof CodedError ? { code: error.code, reason: error.reason } : {}),
    message: shorten(error.message),
    ...(error.stack === undefined ? {} : { stack: shorten(error.stack) }),
    ...(error.cause === undefined || causes >= CAUSES_MAX
      ? {}
      : { cause: error.cause instanceof Error ? errorFields(error.cause, causes + 1) : cleanValue(error.cause, 0) }),
  };
}
