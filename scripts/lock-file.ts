/**
 * `make lock`: writes package-lock.json whole, after package.json has changed. npm leaves out the optional packages of
 * other platforms when it works beside an installed node_modules, so that `npm ci` fails elsewhere; and it writes down
 * where a package was downloaded from, which may be a mirror. So it runs in an empty folder, and every address becomes
 * the public registry's canonical one, which npm replaces by the registry that it is configured for.
 */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

interface LockedPackage {
  version?: string;
  resolved?: string;
  integrity?: string;
}

const root = join(import.meta.dir, "..");
const LOCK = "package-lock.json";

/** The address of a package in the public registry. @param name with its scope, as `@scope/name` */
export function canonicalAddress(name: string, version: string): string {
  return `https://registry.npmjs.org/${name}/-/${name.split("/").at(-1)}-${version}.tgz`;
}

/** The name of the package at a path of the lock file: `node_modules/a/node_modules/@b/c` → `@b/c`. */
export function packageAt(path: string): string {
  return path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
}

function writeLock(): void {
  const folder = mkdtempSync(join(tmpdir(), "contract-data-lock-"));
  try {
    for (const name of ["package.json", LOCK]) copyFileSync(join(root, name), join(folder, name));
    const npm = ["npm", "install", "--package-lock-only", "--ignore-scripts", "--loglevel=error"];
    const { exitCode } = Bun.spawnSync(npm, { cwd: folder, stdio: ["ignore", "inherit", "inherit"] });
    if (exitCode !== 0) throw new Error(`npm ended with ${exitCode}`);
    const lock = JSON.parse(readFileSync(join(folder, LOCK), "utf8")) as { packages: Record<string, LockedPackage> };
    for (const [path, entry] of Object.entries(lock.packages)) {
      if (path === "") continue;
      const { version, resolved: _, ...rest } = entry;
      if (version === undefined) throw new Error(`${path} has no version`);
      lock.packages[path] = { version, resolved: canonicalAddress(packageAt(path), version), ...rest };
    }
    writeFileSync(join(root, LOCK), `${JSON.stringify(lock, null, 2)}\n`);
    console.log(`${LOCK}: ${Object.keys(lock.packages).length - 1} packages`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (import.meta.main) writeLock();
