/** From flags, environment and file to a Config: flags win over the environment, that over the file, that over defaults. */
import { CodedError } from "../error.ts";
import type { Address } from "./address.ts";
import { readConfigFile } from "./config-file.ts";
import { type Config, flagOf, SETTINGS, type SettingKey } from "./schema.ts";
import type { Setting } from "./setting.ts";

type Origin = "flag" | "environment" | "file" | "default";

/** A configuration, and where it came from. */
export interface LoadedConfig<K extends SettingKey = SettingKey> {
  values: Pick<Config, K>;
  /** Where each value came from. */
  origins: Readonly<Record<K, Origin>>;
  /** The configuration file, where one was read. */
  file?: string;
}

/** Where a configuration is read from. */
export interface ConfigInputs {
  /** By flag name without dashes: `{ "grpc-address": ":0" }`. */
  flags?: Readonly<Record<string, string | undefined>>;
  /** An empty variable counts as unset. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Path of a JSON file; without it the variable CONFIG_FILE is looked at. */
  file?: string;
}

const SETTING_NAMES = Object.values(SETTINGS).map(({ env }) => env);

type FileValues = Readonly<Record<string, string>>;

/**
 * @param keys the settings that are looked at
 * @throws CodedError INVALID_ARGUMENT / CONFIG_INVALID that names every wrong setting, its value, where that came
 * from and what is accepted; CONFIG_FILE_INVALID for a file that cannot be read, is no JSON object, or has a name
 * that is no setting
 */
export function loadConfig<K extends SettingKey = SettingKey>(
  inputs: ConfigInputs,
  keys: readonly K[] = Object.keys(SETTINGS) as K[],
): LoadedConfig<K> {
  const env = inputs.env ?? {};
  const file = inputs.file ?? (env.CONFIG_FILE || undefined);
  const fileValues = file === undefined ? {} : readConfigFile(file, SETTING_NAMES);
  const values: Partial<Record<SettingKey, unknown>> = {};
  const origins: Partial<Record<SettingKey, Origin>> = {};
  const problems: string[] = [];

  for (const key of keys) {
    const setting: Setting<unknown> = SETTINGS[key];
    const [text, origin] = given(setting, inputs.flags ?? {}, env, fileValues) ?? [setting.default, "default"];
    const value = setting.type.parse(text);
    if (value === undefined) {
      const name = origin === "flag" ? `--${flagOf(setting.env)}` : setting.env;
      const shown = setting.secret ? "not right, and not shown" : (setting.type.fault?.(text) ?? JSON.stringify(text));
      problems.push(
        `${name} is ${shown} (${originText(origin, file)}): ${setting.type.accepts} is accepted, such as ${setting.example}`,
      );
      continue;
    }
    values[key] = value;
    origins[key] = origin;
  }
  if (problems.length === 0) problems.push(...sharedPorts(values as Partial<Config>));
  if (problems.length > 0) throw new CodedError("INVALID_ARGUMENT", "CONFIG_INVALID", problems.join("; "));
  return { values: values as Pick<Config, K>, origins: origins as Record<K, Origin>, file };
}

/** A sentence for each two settings that listen on one port of one interface. */
function sharedPorts(values: Partial<Config>): string[] {
  const listeners = (["grpcAddress", "flightAddress", "healthAddress"] as const).flatMap((key) => {
    const address = values[key];
    return address === undefined ? [] : [{ name: SETTINGS[key].env, address }];
  });
  return listeners.flatMap(({ name, address }, index) =>
    listeners
      .slice(index + 1)
      .filter((other) => overlap(address, other.address))
      .map((other) => `${name} and ${other.name} both say port ${address.port}: give each a port of its own`),
  );
}

function overlap(a: Address, b: Address): boolean {
  const isEverywhere = ({ host }: Address) => host === "" || host === "0.0.0.0" || host === "::";
  return a.port !== 0 && a.port === b.port && (a.host === b.host || isEverywhere(a) || isEverywhere(b));
}

function given(
  { env, alias = env }: Setting<unknown>,
  flags: Readonly<Record<string, string | undefined>>,
  environment: Readonly<Record<string, string | undefined>>,
  file: FileValues,
): [string, Origin] | undefined {
  const flag = flags[flagOf(env)];
  if (flag !== undefined) return [flag, "flag"];
  const variable = environment[env] || environment[alias];
  if (variable) return [variable, "environment"];
  const entry = file[env];
  return entry === undefined ? undefined : [entry, "file"];
}

function originText(origin: Origin, file: string | undefined): string {
  return origin === "file" ? `in ${file}` : `from the ${origin === "flag" ? "command line" : origin}`;
}
