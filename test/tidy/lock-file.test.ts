/** The lock file is whole: what a fresh clone on any platform installs, from any registry. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { canonicalAddress, packageAt } from "../../scripts/lock-file.ts";

interface LockedPackage {
  version: string;
  resolved?: string;
  integrity?: string;
  optionalDependencies?: Record<string, string>;
  dependencies?: Record<string, string>;
}

const root = join(import.meta.dir, "../..");
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
  packages: Record<string, LockedPackage>;
};
const locked = Object.entries(packages).filter(([path]) => path !== "");

test("it is of this package.json", () => {
  expect(packages[""]).toMatchObject({
    dependencies: manifest.dependencies,
    devDependencies: manifest.devDependencies,
  });
});

test("every package has a checksum and the public registry's canonical address: make lock", () => {
  expect(locked.length).toBeGreaterThan(100);
  for (const [path, { version, resolved, integrity }] of locked) {
    expect(resolved, path).toBe(canonicalAddress(packageAt(path), version));
    expect(integrity, path).toStartWith("sha512-");
  }
});

test("every dependency is there, optional ones of other platforms too: make lock", () => {
  const missing = (path: string, name: string): boolean => {
    for (let at = path; ; at = at.slice(0, Math.max(0, at.lastIndexOf("/node_modules/")))) {
      if (packages[at === "" ? `node_modules/${name}` : `${at}/node_modules/${name}`] !== undefined) return false;
      if (at === "" || !at.includes("/node_modules/")) return packages[`node_modules/${name}`] === undefined;
    }
  };
  const away = Object.entries(packages).flatMap(([path, entry]) =>
    Object.keys({ ...entry.dependencies, ...entry.optionalDependencies })
      .filter((name) => missing(path, name))
      .map((name) => `${path || "package.json"} needs ${name}`),
  );
  expect(away).toEqual([]);
  expect(packages["node_modules/@biomejs/cli-darwin-arm64"], "a package of another platform").toBeDefined();
  expect(packages["node_modules/@biomejs/cli-win32-x64"], "a package of another platform").toBeDefined();
});
