/** Writes the pages that are made from code: docs/configuration.md, docs/columns.md and docs/errors.md. A test fails while they differ. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { configurationReference } from "../src/config/reference.ts";
import { columnsPage } from "./columns-page.ts";
import { errorsPage } from "./errors-page.ts";

/** Path relative to the repository's root → content. */
export function generateDocs(): Map<string, string> {
  return new Map([
    ["docs/configuration.md", configurationReference()],
    ["docs/columns.md", columnsPage()],
    ["docs/errors.md", errorsPage()],
  ]);
}

if (import.meta.main) {
  for (const [path, content] of generateDocs()) {
    writeFileSync(join(import.meta.dirname, "..", path), content);
    console.log(path);
  }
}
