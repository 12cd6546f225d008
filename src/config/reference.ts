/** docs/configuration.md, from the schema. */
import { flagOf, SETTINGS } from "./schema.ts";
import type { Setting } from "./setting.ts";

const INTRODUCTION = `# Configuration

Each setting has one name. It can be given as a flag of \`serve\` (\`--worker-count 8\`), in the environment
(\`WORKER_COUNT=8\`), or in a JSON file named by \`--config\` or \`CONFIG_FILE\` (\`{"WORKER_COUNT": 8}\`). The flag wins
over the environment, the environment over the file, the file over the default. An empty variable counts as unset. A
value that is not accepted stops the program at its start with exit code 2, the setting's name and what would be accepted.

An address \`:port\` listens on every interface; \`127.0.0.1:port\` on this machine only. Durations have a unit: \`500ms\`,
\`5s\`, \`1m30s\`. Lists are separated by commas.

This page is made from \`src/config/schema.ts\` by \`bun scripts/generate-docs.ts\`.
`;

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

function row(setting: Setting<unknown>): string {
  const value = setting.defaultNote ?? `\`${setting.default}\``;
  const kind = setting.unit ? `${setting.type.name}, ${setting.unit}` : setting.type.name;
  const also = setting.alias ? ` In the environment \`${setting.alias}\` is taken too.` : "";
  return `| \`${setting.env}\` | \`--${flagOf(setting.env)}\` | ${kind} | ${cell(value)} | ${cell(setting.description)}${also} | \`${cell(setting.example)}\` |`;
}

/** The whole page, as markdown. */
export function configurationReference(): string {
  const settings: Setting<unknown>[] = Object.values(SETTINGS);
  const groups = [...new Set(settings.map((setting) => setting.group))];
  const tables = groups.map((group) => {
    const rows = settings.filter((setting) => setting.group === group).map(row);
    return `## ${group}\n\n| variable | flag | type | default | what it does | example |\n|---|---|---|---|---|---|\n${rows.join("\n")}\n`;
  });
  return `${INTRODUCTION}\n${tables.join("\n")}`;
}
