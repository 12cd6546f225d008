/**
 * Every setting of the server, once: the environment, the configuration file, the flags and docs/configuration.md all
 * come from this table. Names and defaults of the first groups are those that existing deployments use.
 */
import { ACCESS_SETTINGS } from "./access-settings.ts";
import { CLUSTER_SETTINGS } from "./cluster-settings.ts";
import { CONNECTION_SETTINGS } from "./connection-settings.ts";
import { FLOWCTL_SETTINGS } from "./flowctl-settings.ts";
import { LIMIT_SETTINGS } from "./limit-settings.ts";
import { ROW_SETTINGS } from "./row-settings.ts";
import { SERVER_SETTINGS } from "./server-settings.ts";
import type { Setting } from "./setting.ts";

/** All settings by their key in Config, in the order in which docs show them. */
export const SETTINGS = {
  ...SERVER_SETTINGS,
  ...ACCESS_SETTINGS,
  ...ROW_SETTINGS,
  ...CONNECTION_SETTINGS,
  ...LIMIT_SETTINGS,
  ...FLOWCTL_SETTINGS,
  ...CLUSTER_SETTINGS,
} as const;

/** A setting's key in Config. */
export type SettingKey = keyof typeof SETTINGS;

/** The loaded values. Durations are in milliseconds, sizes in bytes, as the names say. */
export type Config = {
  readonly [K in SettingKey]: (typeof SETTINGS)[K] extends Setting<infer T> ? T : never;
};

/** `GRPC_ADDRESS` → `grpc-address`. */
export function flagOf(env: string): string {
  return env.toLowerCase().replaceAll("_", "-");
}
