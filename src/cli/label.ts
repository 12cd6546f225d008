import type { SettingType } from "../config/types.ts";

/** `key=value` on the command line. */
export const label: SettingType<readonly [string, string]> = {
  name: "label",
  accepts: "key=value",
  parse(value) {
    const at = value.indexOf("=");
    return at < 1 ? undefined : [value.slice(0, at), value.slice(at + 1)];
  },
};
