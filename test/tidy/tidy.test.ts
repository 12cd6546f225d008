/** The house's rules, kept by themselves. Each rule has a canary: a project that breaks it in one place. */
import { describe, expect, test } from "bun:test";
import { ownProject, projectOf } from "./project.ts";
import type { Rule } from "./rule.ts";
import { bytesFrom, casts, expectations, settings, wholeSlices } from "./rules/code.ts";
import { documented, used } from "./rules/exports.ts";
import { arrows, circles } from "./rules/folders.ts";
import { nouns } from "./rules/prose.ts";
import { reasonCodes, reasonsUsed } from "./rules/reasons.ts";
import { files, functions } from "./rules/sizes.ts";

/** What the project keeps. */
const RULES: readonly Rule[] = [
  ...[settings, bytesFrom, wholeSlices, casts, expectations],
  ...[arrows, circles],
  nouns,
  ...[reasonCodes, reasonsUsed],
  ...[used, documented],
  ...[files, functions],
];

test.each(RULES)("$name", ({ check }) => {
  expect(check(ownProject())).toEqual([]);
});

describe("a canary breaks it in one place", () => {
  test.each(RULES)("$name", ({ check, canary }) => {
    expect(check(projectOf(canary)).length).toBe(1);
  });
});
