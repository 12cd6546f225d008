/** From flags, environment and file to a Config: flags win over the environment, that over the file, that over defaults. */
import { readFileSync } from "node:fs";
import { CodedError } from "../error.ts";
import { nearest } from "./nearest.ts";
import { type Config, flagOf, SETTINGS, type Setting, type SettingKey } from "./schema.ts";

export type Origin = "flag" | "environment" | "file" | "default";

export interface LoadedConfig {
  values: Config;
  /** Where each value came from. */
  origins: Readonly<Record<SettingKey, Origin>>;
  /** The configuration file, where one was read. */
  file?: string;
}

export interface ConfigInputs {
  /** By flag name without dashes: `{ "grpc-address": ":0" }`. */
  flags?: Readonly<Record<string, string | undefined>>;
  /** An empty variable counts as unset. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Path of a JSON file; without it the variable CONFIG_FILE is looked at. */
  file?: string;
}

const CONFIG_FILE_BYTES_MAX = 4 * 2 ** 20; // ten thousand contract ids are 600 kB

type FileValues = Readonly<Record<string, string>>;

/**
 * @throws CodedError INVALID_ARGUMENT / CONFIG_INVALID that names every wrong setting, its value, where that came
 * from and what is accepted; CONFIG_FILE_INVALID for a file that cannot be read, is no JSON object, or has a name
 * that is no setting
 */
export function loadConfig(inputs: ConfigInputs): LoadedConfig {
  const env = inputs.env ?? {};
  const file = inputs.file ?? (env.CONFIG_FILE || undefined);
  const fileValues = file === undefined ? {} : readConfigFile(file);
  const values: Partial<Record<SettingKey, unknown>> = {};
  const origins: Partial<Record<SettingKey, Origin>> = {};
  const problems: string[] = [];

  for (const key of Object.keys(SETTINGS) as SettingKey[]) {
    const setting = SETTINGS[key];
    const [text, origin] = given(setting.env, inputs.flags ?? {}, env, fileValues) ?? [setting.default, "default"];
    const value = setting.type.parse(text);
    if (value === undefined) {
      const name = origin === "flag" ? `--${flagOf(setting.env)}` : setting.env;
      const shown = (setting as Setting<unknown>).secret
        ? "not right, and not shown"
        : (setting.type.fault?.(text) ?? JSON.stringify(text));
      problems.push(
        `${name} is ${shown} (${originText(origin, file)}): ${setting.type.accepts} is accepted, such as ${setting.example}`,
      );
      continue;
    }
    values[key] = value;
    origins[key] = origin;
  }
  if (problems.length > 0) throw new CodedError("INVALID_ARGUMENT", "CONFIG_INVALID", problems.join("; "));
  return { values: values as Config, origins: origins as Record<SettingKey, Origin>, file };
}

function given(
  env: string,
  flags: Readonly<Record<string, string | undefined>>,
  environment: Readonly<Record<string, string | undefined>>,
  file: FileValues,
): [string, Origin] | undefined {
  const flag = flags[flagOf(env)];
  if (flag !== undefined) return [flag, "flag"];
  const variable = environment[env];
  if (variable !== undefined && variable !== "") return [variable, "environment"];
  const entry = file[env];
  return entry === undefined ? undefined : [entry, "file"];
}

function originText(origin: Origin, file: string | undefined): string {
  return origin === "file" ? `in ${file}` : `from the ${origin === "flag" ? "command line" : origin}`;
}

function readConfigFile(path: string): FileValues {
  const wrong = (what: string, cause?: unknown) =>
    new CodedError("INVALID_ARGUMENT", "CONFIG_FILE_INVALID", `configuration file ${path}: ${what}`, { cause });
  let content: string;
  try {
    content = readFileSync(path, "utf8");
  } catch (error) {
    throw wrong(`cannot be read (${(error as NodeJS.ErrnoException).code ?? error})`, error);
  }
  if (content.length > CONFIG_FILE_BYTES_MAX) {
    throw wrong(`has ${content.length} bytes, over the maximum of ${CONFIG_FILE_BYTES_MAX}`);
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(content);
  } catch (error) {
    // What stands there may be a secret.
    throw wrong(`is not JSON (${(error as Error).message.replace(/"[^"]*"?/g, "…")})`);
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw wrong('must hold one JSON object, such as {"WORKER_COUNT": 8}');
  }
  const names = Object.values(SETTINGS).map((setting) => setting.env);
  const values: Record<string, string> = {};
  for (const [name, value] of Object.entries(parsed)) {
    if (!names.includes(name)) {
      const near = nearest(name.toUpperCase(), names);
      throw wrong(`has ${JSON.stringify(name)}, which is no setting${near ? `; did you mean ${near}?` : ""}`);
    }
    const text = fileText(value);
    if (text === undefined) throw wrong(`${name} must be a text, a number, true or false, or a list of texts`);
    values[name] = text;
  }
  return values;
}

function fileText(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value.join(",");
  return undefined;
}
