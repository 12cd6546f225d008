/** What README.md shows of a terminal is what the commands print. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { capture, captured, masked } from "../../scripts/capture.ts";
import { ROOT } from "../support/processor.ts";

test("README's commands print what it shows", async () => {
  const shown = captured(readFileSync(join(ROOT, "README.md"), "utf8"));
  expect(shown).toContain("$ make run\n");
  expect(masked(await capture())).toBe(masked(shown));
}, 120_000);
