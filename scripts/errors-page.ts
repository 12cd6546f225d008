/** docs/errors.md: every reason that clients may match on, from the registry in src/reasons. */
import { REASON_GROUPS } from "../src/reasons/registry.ts";

const INTRODUCTION = `# Errors

Every error has a gRPC status, a stable reason and a sentence with the numbers and the remedy. Over gRPC the sentence is
the status message, and the reason is in the trailing metadata \`reason\`. Programs match on the reason: the sentence may
change. UNAVAILABLE means that the same call may work later; a client that reads comes back with the cursor of its last
batch.

This page is made from \`src/reasons\` by \`bun scripts/generate-docs.ts\`.
`;

/** The page's text. */
export function errorsPage(): string {
  const sections = REASON_GROUPS.map(({ title, about, reasons }) => {
    const rows = Object.entries(reasons)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { codes, meaning, remedy }]) => `| \`${name}\` | ${codes.join(", ")} | ${meaning} | ${remedy} |`);
    return `## ${title}: ${about}\n\n| reason | status | meaning | remedy |\n|---|---|---|---|\n${rows.join("\n")}\n`;
  });
  return [INTRODUCTION, ...sections].join("\n");
}
