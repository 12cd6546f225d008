/** The configuration as flags of a command: one for every setting of src/config/schema.ts, and `--config`. */
import { type ConfigInputs, type LoadedConfig, loadConfig } from "../config/load.ts";
import { flagOf, SETTINGS } from "../config/schema.ts";
import { boolean, text } from "../config/types.ts";
import { type Flag, option } from "./flags.ts";

/** To be spread into a command's `flags`; `configOf` reads them. */
export const CONFIG_FLAGS: Readonly<Record<string, Flag<string | undefined>>> = {
  config: option({
    placeholder: "FILE",
    type: text,
    summary: "Configuration file: a JSON object with the names of the environment variables.",
  }),
  ...Object.fromEntries(
    Object.values(SETTINGS).map((setting) => {
      // Only the text is taken here, so that all sources are checked in one place.
      const flag = option({
        placeholder: setting.type.name.toUpperCase(),
        type: text,
        summary: `${setting.description} Default: ${setting.defaultNote ?? setting.default}. (${setting.env})`,
      });
      return [flagOf(setting.env), setting.type === boolean ? { ...flag, bare: "true" } : flag];
    }),
  ),
};

/** The configuration for a command that has CONFIG_FLAGS. @throws CodedError INVALID_ARGUMENT (loadConfig) */
export function configOf(context: {
  flags: Readonly<Record<string, unknown>>;
  env: NonNullable<ConfigInputs["env"]>;
}): LoadedConfig {
  const flags: Record<string, string | undefined> = {};
  for (const name of Object.keys(CONFIG_FLAGS)) {
    const value = context.flags[name];
    if (typeof value === "string" && name !== "config") flags[name] = value;
  }
  const file = context.flags.config;
  return loadConfig({ flags, env: context.env, file: typeof file === "string" ? file : undefined });
}
