/** What a setting is. */
import type { SettingType } from "./types.ts";

/** One row of the table of settings. */
export interface Setting<T> {
  /** Name in the environment and in the configuration file; the flag is the same in kebab case. */
  env: string;
  /** Another name that it has in the environment alone, for what other programs set. */
  alias?: string;
  group:
    | "Service"
    | "Network"
    | "Security"
    | "State"
    | "Processing"
    | "Filters"
    | "Limits"
    | "Logging"
    | "flowctl"
    | "Cluster";
  type: SettingType<T>;
  /** As it would be written in the environment. */
  default: string;
  /** What the default means, where that does not show. */
  defaultNote?: string;
  /** Unit of a value written without one. */
  unit?: string;
  /** Its value is never shown, in no error either. */
  secret?: boolean;
  description: string;
  example: string;
}

/** Gives a setting the type of its value. */
export const setting = <T>(definition: Setting<T>): Setting<T> => definition;
