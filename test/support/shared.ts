/** What lies beside the repository in ../shared: ledgers and tools that not everybody has. */
import { existsSync } from "node:fs";
import { join } from "node:path";

const SHARED = join(import.meta.dir, "../../../shared");

/**
 * The path of ../shared/`name`; undefined, with a message, where it is not there: the tests that want it are skipped.
 * @throws Error under CI=true where ../shared is there without it, since what is skipped would pass for tested
 */
export function sharedFolder(name: string): string | undefined {
  const folder = join(SHARED, name);
  if (existsSync(folder)) return folder;
  if (process.env.CI === "true" && existsSync(SHARED)) {
    throw new Error(`under CI: ../shared is there, but ../shared/${name} is not, and its tests would be skipped`);
  }
  console.warn(`skipped: the tests on ../shared/${name}, which is not there`);
  return undefined;
}
