/** docs/dependencies.md names the packages of package.json and no others, with the licences that the lock file has. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import packageLock from "../../package-lock.json" with { type: "json" };
import { ROOT } from "../support/processor.ts";

const page = readFileSync(join(ROOT, "docs", "dependencies.md"), "utf8");
const [, ofProgram, ofTests] = page.split(/^## /m) as [string, string, string];
const locked = packageLock.packages as Record<string, { license?: string }>;

/** Name and licence of each row; a row may name two packages. */
function rows(part: string): [string, string][] {
  const lines = part.split("\n").filter((line) => line.startsWith("| `"));
  return lines.flatMap((line) => {
    const [, names, licence] = line.split("|").map((cell) => cell.trim());
    return [...names!.matchAll(/`([^`]+)`/g)].map(([, name]): [string, string] => [name!, licence!]);
  });
}

test.each([
  ["of the program", ofProgram, packageJson.dependencies],
  ["of development", ofTests, packageJson.devDependencies],
] as const)("packages %s", (_, part, packages) => {
  const listed = rows(part);
  expect(listed.map(([name]) => name)).toEqual(Object.keys(packages));
  for (const [name, licence] of listed) {
    const actual = locked[`node_modules/${name}`]!.license;
    if (actual !== undefined) expect([name, licence]).toEqual([name, actual]); // one package's file has none
  }
});
